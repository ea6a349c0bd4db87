"""`make screenshots`: every page of a fresh demo site as a phone and a desk show it, and two contact sheets of them.

The pages are found by walking the links as a visitor and as each demo role; one page is taken of every address pattern and
role's shell. Full-size pictures go to build/screenshots (ignored by git), the contact sheets to docs/.

    python -m tools.screenshots [--url URL] [--language en] [--only WORD]
"""

import argparse
import contextlib
import html
import json
import os
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.browser import DESK, FLAGS, PHONE, find_chromium
from tests.support.site import Site, program_environment, run_wushe, serving

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "build" / "screenshots"
SHEETS = ROOT / "docs"
SIZES = {"phone": PHONE, "desk": DESK}
# Links that leave, change something, or hand out a file.
NOT_A_PAGE = re.compile(
    r"/(logout|export|download|static|api/openapi|language)\b|\.(xlsx|csv|pdf|json)$|^/(healthz|readyz)"
)
PAGES_PER_ROLE = 80


@dataclass(frozen=True)
class Shot:
    """One picture: the pattern it stands for, the role that saw it, its address and file."""

    name: str
    role: str
    address: str
    file: Path


def pattern(path: str) -> str:
    """Return what pages of one kind share: the path with ids, codes and tokens replaced."""
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", path)
    return re.sub(r"/(?:[0-9]{2,}|[A-Za-z0-9_-]{20,})(?=/|$)", "/N", path)


def walk(page: "Page", start: str) -> Iterator[str]:
    """Yield the addresses of pages, one of each pattern, in the order the links lead to them."""
    seen = {pattern(urlsplit(start).path)}
    queue = deque([start])
    taken = 0
    while queue and taken < PAGES_PER_ROLE:
        address = queue.popleft()
        answer = page.goto(address, wait_until="load")
        if (
            answer is None
            or answer.status >= 400
            or "text/html" not in answer.headers.get("content-type", "")
        ):
            print(f"  {answer.status if answer else '?'} {address}", file=sys.stderr)
            continue
        landed = pattern(urlsplit(page.url).path)
        if landed != pattern(urlsplit(address).path) and landed in seen:
            continue
        seen.add(landed)
        taken += 1
        yield page.url
        for link in page.eval_on_selector_all(
            "a[href]", "links => links.map(link => link.getAttribute('href'))"
        ):
            target = urljoin(page.url, link.split("#")[0])
            parts = urlsplit(target)
            if (
                parts.netloc != urlsplit(start).netloc
                or NOT_A_PAGE.search(parts.path)
                or pattern(parts.path) in seen
            ):
                continue
            seen.add(pattern(parts.path))
            queue.append(target)


def take(context: "BrowserContext", address: str, file: Path) -> None:
    """Write the whole page at `address` as a picture (cut after 4,000 pixels: a contact sheet shows no more)."""
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    page.emulate_media(reduced_motion="reduce")
    height = min(4000, page.evaluate("document.documentElement.scrollHeight"))
    size = page.viewport_size or DESK
    page.screenshot(
        path=file,
        full_page=True,
        clip={"x": 0, "y": 0, "width": size["width"], "height": max(height, size["height"])},
    )
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        print(f"  {size['width']} px: {urlsplit(address).path} runs {wide} px over the edge", file=sys.stderr)
    page.close()


def photograph(browser: "Browser", site: Site, language: str, only: str) -> dict[str, list[Shot]]:
    """Walk the site as a visitor and as every demo role; return the pictures by size."""
    shots: dict[str, list[Shot]] = {size: [] for size in SIZES}
    seen: set[str] = set()
    roles = ["", *dict.fromkeys(str(entry["role"]) for entry in site.demo["logins"])]
    for role in roles:
        with contextlib.ExitStack() as stack:
            contexts = {}
            for size, viewport in SIZES.items():
                contexts[size] = browser.new_context(
                    viewport=viewport, locale="zh-CN" if language.startswith("zh") else "en-US", reduced_motion="reduce",
                    device_scale_factor=1, is_mobile=size == "phone", has_touch=size == "phone",
                )  # fmt: skip
                stack.callback(contexts[size].close)
                contexts[size].add_cookies([{"name": "wushe_language", "value": language, "url": site.url}])
            walker = contexts["desk"].new_page()
            start = f"{site.url}/"
            if role:
                site.sign_in(walker, role)
                start = walker.url
                contexts["phone"].add_cookies(contexts["desk"].cookies())  # type: ignore[arg-type]  # as Playwright handed them out
            for address in list(walk(walker, start)):
                key = pattern(urlsplit(address).path)
                # Pages every role sees alike are taken once; a role's own start page always.
                if (key in seen and address != start) or only not in key:
                    continue
                seen.add(key)
                print(f"{role or 'visitor'}: {urlsplit(address).path}", flush=True)
                for size, context in contexts.items():
                    name = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-") or "home"
                    file = (
                        PICTURES
                        / f"{name}{'-as-' + role.lower() if role and address == start else ''}-{size}.png"
                    )
                    take(context, address, file)
                    shots[size].append(Shot(key, role, address, file))
    return shots


def contact_sheet(browser: "Browser", shots: list[Shot], size: str, target: Path) -> None:
    """Draw the thumbnails of one size, with captions, into one picture."""
    columns, width = (8, 190) if size == "phone" else (4, 380)
    # The crop of a page's top, in the shape of its screen, says enough.
    height = round(width * (1.9 if size == "phone" else 0.75))
    cells = "".join(
        f'<figure><div><img src="{shot.file.as_uri()}"></div><figcaption>{html.escape(shot.name)}'
        f"{' · ' + html.escape(shot.role.lower()) if shot.role else ''}</figcaption></figure>"
        for shot in shots
    )
    sheet = PICTURES / f"contact-sheet-{size}.html"
    sheet.write_text(
        f"""<!doctype html><meta charset="utf-8"><style>
        body {{ margin: 16px; font: 11px sans-serif; color: #333; background: #e9ecef; }}
        main {{ display: grid; grid-template-columns: repeat({columns}, {width}px); gap: 14px; }}
        figure {{ margin: 0; }} div {{ height: {height}px; overflow: hidden; background: #fff; box-shadow: 0 1px 3px #0003; }}
        img {{ width: 100%; display: block; }} figcaption {{ padding: 4px 0; overflow-wrap: anywhere; }}
        </style><main>{cells}</main>""",
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": columns * (width + 14) + 18, "height": 800})
    page.goto(sheet.as_uri())
    page.screenshot(path=target, full_page=True, type="jpeg", quality=72)
    page.close()
    print(f"{target.relative_to(ROOT)}: {len(shots)} pages, {target.stat().st_size / 1e6:.1f} MB")


@contextlib.contextmanager
def demo(size: str) -> Iterator[Site]:
    """Yield a site of our own with fresh demo data on SQLite."""
    with tempfile.TemporaryDirectory(prefix="wushe-screenshots-") as folder:
        environment = program_environment(Path(folder), f"sqlite:///{folder}/wushe.sqlite3")
        printed = run_wushe(environment, "demo", "--size", size).stdout
        with serving(environment) as url:
            yield Site(url, environment, Path(folder), json.loads(printed[printed.index("{") :]))


@contextlib.contextmanager
def running(url: str) -> Iterator[Site]:
    """Yield the site at `url`, started by `make run` with this WUSHE_DATA."""
    folder = Path(os.environ.get("WUSHE_DATA", "var")).resolve()
    found: dict[str, Any] = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    yield Site(url.rstrip("/"), dict(os.environ), folder, found)


def main() -> None:
    """Take the pictures and draw the sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="a running site (make run) instead of a fresh one")
    parser.add_argument("--size", default="small", help="size of the fresh demo data")
    parser.add_argument("--language", default="zh-hans")
    parser.add_argument(
        "--only", default="", help="only pages whose address holds this word; draws no sheets"
    )
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    with (
        running(options.url) if options.url else demo(options.size) as site,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=find_chromium(driver), args=FLAGS)
        shots = photograph(browser, site, options.language, options.only)
        if not options.only:
            suffix = "" if options.language.startswith("zh") else f"-{options.language}"
            for size, taken in shots.items():
                contact_sheet(browser, taken, size, SHEETS / f"contact-sheet-{size}{suffix}.jpg")
        browser.close()


if __name__ == "__main__":
    main()
