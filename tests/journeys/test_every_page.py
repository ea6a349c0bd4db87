"""Every page a demo log-in can reach by following links: it answers, fits the screen, axe finds nothing, and it is in English.

In English every Chinese name must say that it is Chinese (`lang="zh-Hans"`): a screen reader would spell it out or skip it
otherwise. So whatever Chinese stands outside such an element is either an untranslated string or an unmarked name.
"""

import re
from collections import deque
from urllib.parse import parse_qsl, urlsplit

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
    "EVALUATOR",
    "AUDITOR",
)
STARTS = {
    "": ("/", "/places/nation/", "/p/150603/", "/login/"),
    "DISTRICT_ADMIN": ("/desk/", "/desk/places/{street}/", "/me/"),
    "VOLUNTEER": ("/me/",),
}
NO_PAGES = re.compile(r"/(export|template|faults|static)/|/logout/|openapi\.json|[?&]export=")
SCREENS = {"desk": DESK, "phone": PHONE}
LEAST_KINDS = 85
# What people typed stands in text areas, and names of places in options, which cannot hold elements.
UNMARKED_CHINESE = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), around = walk.currentNode.parentElement;
    if (/[\\u3400-\\u9fff]/.test(text) && !around.closest('script, style, textarea, option, [lang^=zh]')) found.push(text.slice(0, 80));
  }
  return found;
}"""


def kind_of(address: str) -> str:
    """The route an address most likely belongs to, with what it asks for apart from order and page."""
    parts = urlsplit(address)
    asked = {name for name, _value in parse_qsl(parts.query)} - {"sort", "size", "page"}
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", parts.path)
    return "?".join([re.sub(r"^/p/\d+", "/places/ID", path), *sorted(asked)])


def links_of(page: Page) -> list[str]:
    """The addresses a page leads to, without fragments."""
    hrefs = page.locator("a[href]").evaluate_all(
        "links => links.map(link => new URL(link.getAttribute('href'), document.baseURI).href.split('#')[0])"
    )
    return list(dict.fromkeys(hrefs))


def test_every_page_answers_fits_and_is_accessible_and_in_english(
    demo_site: Site, visitor: Visitor, size: str
) -> None:
    faults: list[str] = []
    looked_at: set[str] = set()
    for role in ROLES:
        page = visitor(ENGLISH, role=role)
        street = "{street}", demo_site.demo["places"]["150603001"]
        starts = STARTS.get(role, ("/desk/", "/me/"))
        waiting = deque(demo_site.url + start.replace(*street) for start in starts)
        mine: set[str] = set()
        while waiting:
            address = waiting.popleft()
            kind = kind_of(address)
            # In the short run a kind of page that another role has shown is not looked at again, nor searched for links.
            known = kind in mine or (size == "reduced" and kind in looked_at)
            if known or NO_PAGES.search(address):
                continue
            mine.add(kind)
            where = f"{role or 'passer-by'} {urlsplit(address).path}"
            answer = page.goto(address)
            if answer is None or answer.status != 200:
                faults.append(f"{where}: answers {answer and answer.status}")
            elif "text/html" in answer.headers.get("content-type", ""):
                thorough = size == "full" and kind not in looked_at
                found = _look(page, thorough, "phone" if len(mine) % 2 else "desk")
                faults += [f"{where} {fault}" for fault in found]
                waiting.extend(link for link in links_of(page) if link.startswith(demo_site.url + "/"))
        looked_at |= mine
        page.context.close()
    assert len(looked_at) >= LEAST_KINDS, f"the links led to few pages: {sorted(looked_at)}"
    assert not faults, "\n".join(faults)


def _look(page: Page, thorough: bool, screen: str) -> list[str]:
    """What is wrong with the page: in English on both screens, with axe on `screen`; thoroughly: axe on both, and Chinese too."""
    found = [f"not marked as Chinese: {text}" for text in page.evaluate(UNMARKED_CHINESE)]
    for language in (ENGLISH, CHINESE) if thorough else (ENGLISH,):
        if language == CHINESE:
            _speak(page, CHINESE)
            page.reload()
        for name, shown in SCREENS.items():
            page.set_viewport_size(shown)
            wider = page.evaluate("document.documentElement.scrollWidth") - shown["width"]
            if wider > 0:
                found.append(f"{language} {name}: {wider} pixels wider than the screen")
            if thorough or name == screen:
                found += [f"{language} {name}: {fault}" for fault in accessibility_faults(page)]
    _speak(page, ENGLISH)
    return found


def _speak(page: Page, language: str) -> None:
    page.context.add_cookies([{"name": "wushe_language", "value": language, "url": page.url}])
