"""A resident or passer-by, who has no account and asks nobody."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import CHINESE, Visitor, no_wider_than_the_screen
from tests.support.browser import check_accessible
from tests.support.site import Site

pytestmark = pytest.mark.browser


def test_from_the_home_page_to_the_printed_sheet_of_a_place(
    demo_site: Site, visitor: Visitor, faces: list[tuple[str, str]]
) -> None:
    for language, device in faces:
        page = visitor(language, device)
        page.goto(f"{demo_site.url}/")
        page.locator("input[name=q]").fill("kbsq")
        page.keyboard.press("Enter")
        page.locator("#found").get_by_text("康巴什区", exact=True).first.click()
        expect(page.locator("h1")).to_have_text("康巴什区")
        no_wider_than_the_screen(page)

        # Five petals, five lines beside them; each leads to its particulars on the page.
        lines = page.locator("section[aria-labelledby=five] .w-chart-table tbody tr")
        expect(lines).to_have_count(5)
        for link in lines.locator("a").all():
            link.click()  # on a phone the particulars are folded: the link opens them
            expect(page.locator(link.get_attribute("href") or "nowhere")).to_be_visible()
        expect(page.locator("#stations, [aria-labelledby=stations]").first).to_be_visible()

        # Down two levels and up again by the crumbs.
        for _level in range(2):
            below = page.locator("section[aria-labelledby=below] tbody th a").first
            name = below.inner_text()
            below.click()
            expect(page.locator("h1")).to_have_text(name)
        page.locator(".w-crumbs a", has_text="康巴什区").click()
        expect(page.locator("h1")).to_have_text("康巴什区")

        _switch_language_and_back(page, language)
        _large_type_survives(page)
        _prints(page)


def _switch_language_and_back(page: Page, language: str) -> None:
    headings = {"zh-Hans": "四级社工站点", "en": "stations"}
    first, other = ("zh-Hans", "en") if language == CHINESE else ("en", "zh-Hans")
    address = page.url
    for expected in (other, first):
        page.locator("button[name=language]").first.click()
        expect(page.locator("html")).to_have_attribute("lang", expected)
        expect(page.locator("#stations")).to_contain_text(re.compile(headings[expected], re.IGNORECASE))
        assert page.url == address


def _large_type_survives(page: Page) -> None:
    measure = "parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)"
    before = page.evaluate(measure)
    page.locator("button[name=large]").first.click()
    expect(page.locator("html")).to_have_class(re.compile("large-type"))
    page.reload()
    assert page.evaluate(measure) >= before * 1.15
    no_wider_than_the_screen(page)
    check_accessible(page)
    page.locator("button[name=large]").first.click()
    expect(page.locator("html")).not_to_have_class(re.compile("large-type"))


def _prints(page: Page) -> None:
    page.emulate_media(media="print")
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("section[aria-labelledby=five]")).to_be_visible()
    for gone in ("header nav", "button[name=language]", "footer a"):
        for part in page.locator(gone).all():
            assert not part.is_visible(), f"{gone} would be printed"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")


def test_a_place_is_found_and_opened_with_the_keyboard_alone(demo_site: Site, visitor: Visitor) -> None:
    page = visitor()
    page.goto(f"{demo_site.url}/places/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    assert page.evaluate("document.activeElement.id") == "main"
    _tab_to(page, "e => e.name === 'q'")
    page.keyboard.type("康巴什区")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q="))
    _tab_to(page, "e => e.matches('#found a') && e.textContent.includes('康巴什区')")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("康巴什区")
    _tab_to(page, "e => e.name === 'language'")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def _tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the focus is on what is wanted; every stop on the way must be seen."""
    for _step in range(80):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
            " return e === document.body || (r.width > 0 && r.height > 0 && (s.outlineStyle !== 'none' || s.boxShadow !== 'none')) }"
        )
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 300)") + " has no visible focus"
        if page.evaluate(f"({wanted})(document.activeElement)"):
            return
    pytest.fail(f"not reached with the keyboard on {page.url}: {wanted}")
