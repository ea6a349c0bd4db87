"""Who walks through the site: a browser with a language, a screen and perhaps a demo log-in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import DESK, PHONE
from tests.support.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

Visitor = Callable[..., "Page"]
CHINESE, ENGLISH = "zh-hans", "en"
expect.set_options(timeout=15_000)


@pytest.fixture
def visitor(demo_site: Site, new_context: "Callable[..., BrowserContext]") -> Visitor:
    """Make a page: `visitor(CHINESE, "phone")` a passer-by's, `visitor(ENGLISH, "desk", role="COMMUNITY_WORKER")` a worker's."""

    def make(language: str = CHINESE, device: str = "desk", role: str = "", **options: Any) -> "Page":
        screen: dict[str, Any] = (
            {"viewport": PHONE, "has_touch": True, "is_mobile": True}
            if device == "phone"
            else {"viewport": DESK}
        )
        context = new_context(**{**screen, **options})
        context.add_cookies([{"name": "wushe_language", "value": language, "url": demo_site.url}])
        page = context.new_page()
        if role:
            demo_site.sign_in(page, role)
        return page

    return make


@pytest.fixture(scope="session")
def faces(size: str) -> list[tuple[str, str]]:
    """The combinations of language and screen a journey is walked in."""
    if size == "full":
        return [(language, device) for language in (CHINESE, ENGLISH) for device in ("phone", "desk")]
    return [(CHINESE, "phone"), (ENGLISH, "desk")]


def send(page: "Page") -> None:
    """Press the one primary button of the page's form."""
    page.locator("main form[method=post] .btn-primary[type=submit]").first.click()


def no_wider_than_the_screen(page: "Page") -> None:
    """Fail when the page scrolls sideways."""
    screen = page.viewport_size  # not innerWidth: a phone's grows with what is too wide
    assert screen is not None
    wider = page.evaluate("document.documentElement.scrollWidth") - screen["width"]
    assert wider <= 0, f"{page.url} is {wider} pixels wider than the screen"
