"""Every page a demo log-in can reach by following links: it answers, fits the screen, and axe finds nothing at WCAG A or AA."""

import re
from collections import deque
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.journeys.conftest import CHINESE, ENGLISH, Visitor
from tests.support.browser import DESK, PHONE, accessibility_faults
from tests.support.site import Site

pytestmark = pytest.mark.browser
ROLES = (
    "",
    "DISTRICT_ADMIN",
    "VOLUNTEER",
    "COMMUNITY_WORKER",
    "ORGANIZATION_MANAGER",
    "PLATFORM_OPERATOR",
    "AUDITOR",
)
STARTS = {"": ("/", "/places/nation/", "/login/"), "VOLUNTEER": ("/me/",)}
NO_PAGES = re.compile(r"/(export|template|faults|static)/|/logout/|openapi\.json")
MOST = {"reduced": 45, "full": 120}
UNTRANSLATED = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), around = walk.currentNode.parentElement;
    if (/[\\u4e00-\\u9fff]/.test(text) && !/[A-Za-z]/.test(text) && !around.closest('script, style, [lang^=zh]')) found.push(text.slice(0, 60));
  }
  return found;
}"""


def kind_of(address: str) -> str:
    """The route an address most likely belongs to: pages of one kind are looked at once a role."""
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", urlsplit(address).path)
    return re.sub(r"^/p/\d+", "/places/ID", path)


def links_of(page: Page) -> list[str]:
    """The addresses a page leads to, without fragments."""
    hrefs = page.locator("a[href]").evaluate_all(
        "links => links.map(link => new URL(link.getAttribute('href'), document.baseURI).href.split('#')[0])"
    )
    return list(dict.fromkeys(hrefs))


def test_every_page_fits_and_is_accessible(demo_site: Site, visitor: Visitor, size: str) -> None:
    faults: list[str] = []
    looked_at: set[str] = set()
    for role in ROLES:
        page = visitor(ENGLISH, role=role)
        waiting = deque(demo_site.url + start for start in STARTS.get(role, ("/desk/", "/me/")))
        mine: set[str] = set()
        while waiting and len(mine) < MOST[size]:
            address = waiting.popleft()
            kind = kind_of(address)
            if kind in mine or NO_PAGES.search(address) or (size == "reduced" and kind in looked_at):
                continue
            answer = page.goto(address)
            mine.add(kind)
            if answer is None or answer.status != 200:
                faults.append(f"{role} {address}: answers {answer and answer.status}")
                continue
            if "text/html" not in answer.headers.get("content-type", ""):
                continue
            faults.extend(_look(page, role, size))
            waiting.extend(link for link in links_of(page) if link.startswith(demo_site.url + "/"))
        looked_at |= mine
        page.context.close()
    assert len(looked_at) >= 50, f"the links led to few pages: {sorted(looked_at)}"
    assert not faults, "\n".join(faults)


def _look(page: Page, role: str, size: str) -> list[str]:
    """What is wrong with the page as it stands, on a desk in English and on a phone in Chinese (all four when there is time)."""
    found: list[str] = []
    where = f"{role or 'passer-by'} {urlsplit(page.url).path}"
    for language in (ENGLISH, CHINESE):
        if language == CHINESE or page.evaluate("document.documentElement.lang") != "en":
            page.context.add_cookies([{"name": "wushe_language", "value": language, "url": page.url}])
            page.reload()
        screens = {"desk": DESK, "phone": PHONE}
        if size == "reduced":
            screens = {"desk": DESK} if language == ENGLISH else {"phone": PHONE}
        for name, screen in screens.items():
            page.set_viewport_size(screen)
            wider = page.evaluate("document.documentElement.scrollWidth") - screen["width"]
            if wider > 0:
                found.append(f"{where} {language} {name}: {wider} pixels wider than the screen")
            found += [f"{where} {language} {name}: {fault}" for fault in accessibility_faults(page)]
        if language == ENGLISH:
            found += [f"{where}: not in English: {text}" for text in page.evaluate(UNTRANSLATED)]
    page.set_viewport_size(DESK)
    page.context.add_cookies([{"name": "wushe_language", "value": ENGLISH, "url": page.url}])
    return found
