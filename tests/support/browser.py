"""A real headless Chromium, driven by Playwright, and the accessibility check every page must pass."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, ViewportSize

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE: "ViewportSize" = {"width": 390, "height": 844}
DESK: "ViewportSize" = {"width": 1440, "height": 900}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]


def find_chromium(playwright: "Playwright") -> str:
    """Return the browser's path: WUSHE_CHROMIUM, chromium, google-chrome, then Playwright's own. None found is a failure."""
    named = os.environ.get("WUSHE_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            pytest.fail(f"WUSHE_CHROMIUM={named} cannot be run")
        return named
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    for path in (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        playwright.chromium.executable_path,
    ):
        if os.access(path, os.X_OK):
            return path
    pytest.fail(
        "No Chromium found. Run one of: sudo apt-get install chromium · .venv/bin/playwright install chromium"
        " · or set WUSHE_CHROMIUM to the path of a Chromium or Chrome."
    )


@pytest.fixture(scope="session")
def playwright_driver() -> "Iterator[Playwright]":
    """The running Playwright driver."""
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread; Django would take it for asynchronous code and refuse every query.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright_driver: "Playwright") -> "Iterator[Browser]":
    """One headless browser for the whole run."""
    running = playwright_driver.chromium.launch(executable_path=find_chromium(playwright_driver), args=FLAGS)
    yield running
    running.close()


@pytest.fixture
def new_context(
    browser: "Browser", request: pytest.FixtureRequest
) -> "Iterator[Callable[..., BrowserContext]]":
    """Make browser contexts (own cookies each): `new_context(viewport=PHONE, java_script_enabled=False, locale="en")`.

    The test fails when a page of it raised a script error or a Content-Security-Policy violation.
    """
    contexts: list[Any] = []
    faults: list[str] = []

    def watch(page: "Page") -> None:
        page.on("pageerror", lambda error: faults.append(f"script error on {page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                faults.append(f"refused by the policy on {page.url}: {message.text}")
                if "Content Security Policy" in message.text
                else None
            ),
        )

    def make(**options: Any) -> "BrowserContext":
        context = browser.new_context(
            **{"locale": "zh-CN", "viewport": DESK, "timezone_id": "Asia/Shanghai", **options}
        )
        context.set_default_timeout(15_000)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def browser_page(new_context: "Callable[..., BrowserContext]") -> "Page":
    """A page on a desk-sized screen, in Chinese."""
    return new_context().new_page()


@pytest.fixture
def phone_page(new_context: "Callable[..., BrowserContext]") -> "Page":
    """A page on a phone-sized touch screen, in Chinese."""
    return new_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()


def accessibility_faults(page: "Page") -> list[str]:
    """Run axe-core (WCAG 2.0 to 2.2, levels A and AA) on the page as it stands; return one line per violation."""
    if not AXE.exists():
        pytest.fail(f"{AXE.relative_to(ROOT)} is missing; run: make assets")
    # Evaluated by the debugger, not injected as an element: the page's strict policy stays in force.
    page.evaluate(AXE.read_text())
    result = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG)
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n      "
        + "\n      ".join(
            f"{' '.join(map(str, node['target']))}  {node['html'][:200]}" for node in violation["nodes"][:6]
        )
        for violation in result["violations"]
    ]


def check_accessible(page: "Page") -> None:
    """Fail with every violation of WCAG 2.2 AA that axe-core finds on the page."""
    faults = accessibility_faults(page)
    if faults:
        pytest.fail(f"{page.url}: {len(faults)} accessibility faults\n  " + "\n  ".join(faults))
