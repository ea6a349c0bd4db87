"""The style guide in a real browser: accessible, never wider than the screen, usable without scripts and by keyboard."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from tests.support.browser import DESK, PHONE, check_accessible

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

NewContext = Callable[..., "BrowserContext"]
PATHS = [
    "/guide/desk/",
    "/guide/list/",
    "/guide/record/",
    "/guide/form/",
    "/guide/portal/",
    "/guide/me/",
    "/guide/plain/",
    "/guide/print/",
    "/",
    "/about/",
    "/accessibility/",
    "/privacy/",
    "/nowhere/",
]


@pytest.fixture
def site(guide: Client) -> Iterator[str]:
    """The style guide, served by a server of its own: the shared one was started with the product's middleware."""
    server = LiveServer("localhost")
    yield server.url
    server.stop()


def cookies(site: str, **values: str) -> Any:
    return [{"name": name, "value": value, "url": site} for name, value in values.items()]


def wait_until(page: "Page", expression: str) -> None:
    """Wait for an expression to be true. (Playwright's own wait evaluates text in the page, which the policy refuses.)"""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {expression}")


def wider_than_the_screen(page: "Page") -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_of_the_guide_is_accessible(
    new_context: NewContext, site: str, language: str, size: str
) -> None:
    # Both widths in both languages in the long run; in the short one each width and each language once.
    for viewport in (PHONE, DESK):
        if size == "full" or (viewport is PHONE) == (language == "en"):
            look_at_every_page(new_context(viewport=viewport), site, language)


def look_at_every_page(context: "BrowserContext", site: str, language: str) -> None:
    context.add_cookies(cookies(site, wushe_language=language, stand_in="1"))
    page = context.new_page()
    for path in PATHS:
        page.goto(site + path, wait_until="networkidle" if path == "/guide/desk/" else "load")
        check_accessible(page)
        assert wider_than_the_screen(page) <= 0, path


def test_large_type_in_english_fits_a_phone_and_twice_the_size_fits_a_desk(
    new_context: NewContext, site: str
) -> None:
    phone = new_context(viewport=PHONE)
    phone.add_cookies(cookies(site, wushe_language="en", wushe_large="1", stand_in="1"))
    zoomed = new_context(viewport={"width": 720, "height": 450})
    zoomed.add_cookies(cookies(site, wushe_language="en"))
    for context in (phone, zoomed):
        page = context.new_page()
        for path in PATHS:
            page.goto(site + path)
            assert wider_than_the_screen(page) <= 0, path
    page = phone.pages[0]
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "22px"


def test_targets_on_a_phone_are_large_enough(phone_page: "Page", site: str) -> None:
    phone_page.goto(f"{site}/guide/form/")
    for selector in (
        "main .btn",
        "main .form-control:visible",
        "main .form-select",
        ".w-switch button",
        "summary",
    ):
        for box in [
            locator.bounding_box() for locator in phone_page.locator(selector).all() if locator.is_visible()
        ]:
            assert box is not None
            assert box["height"] >= 44, selector


def test_a_phone_folds_the_filters_and_a_desk_does_not(new_context: NewContext, site: str) -> None:
    phone = new_context(viewport=PHONE, java_script_enabled=False).new_page()
    phone.goto(f"{site}/guide/list/")
    folded = phone.locator(".w-filter-more .w-filter").first
    expect(phone.locator(".w-filters > .w-filter input")).to_be_visible()
    expect(folded).not_to_be_visible()
    phone.locator(".w-filter-more > summary").click()
    folded.locator("select").select_option(index=1)
    phone.locator(".w-filter-apply").click()
    assert "kind=volunteers" in phone.url
    expect(phone.locator("#filters-in-use")).to_have_text("已选 1 项")
    expect(folded).not_to_be_visible()
    desk = new_context(viewport=DESK, java_script_enabled=False).new_page()
    desk.goto(f"{site}/guide/list/")
    expect(desk.locator(".w-filter-more .w-filter").first).to_be_visible()
    expect(desk.locator(".w-filter-more > summary")).not_to_be_visible()


def test_tasks_without_scripts(new_context: NewContext, site: str) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{site}/guide/list/")
    page.locator("input[type=search]").fill("甲00")
    page.get_by_role("button", name="筛选").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="清除筛选").click()
    page.locator("a.w-sort").last.click()
    assert page.locator("th[aria-sort=ascending]").inner_text().strip() == "时长"
    page.get_by_role("link", name="下一页").click()
    assert page.locator(".w-pager [aria-current]").inner_text().strip().endswith("2")
    page.locator("tbody a").first.click()
    assert page.url.endswith("/guide/record/")
    page.get_by_role("link", name="修改").click()
    page.locator("summary").click()
    page.locator("textarea").fill("不会丢")
    page.get_by_role("button", name="保存").click()
    assert page.locator(".w-summary a").count() == 5
    assert page.locator("textarea").input_value() == "不会丢"
    page.get_by_role("button", name="大字").click()
    assert page.locator("html.large-type").count() == 1
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.goto(f"{site}/guide/desk/")
    assert page.locator(".w-map-draw svg").is_visible()
    assert page.locator(".w-chart-line svg").is_visible()


def test_lists_are_quick_and_keep_the_address(browser_page: "Page", site: str) -> None:
    page = browser_page
    page.goto(f"{site}/guide/list/")
    page.evaluate("window.sameDocument = true")
    page.locator("a.w-sort").last.click()
    page.wait_for_url("**sort=hours**")
    page.locator("input[type=search]").fill("演示甲")
    page.wait_for_url("**q=**")
    wait_until(page, "document.getElementById('announce').textContent.includes('23')")
    assert "sort=hours" in page.url
    assert page.locator("th[aria-sort=ascending]").inner_text().strip() == "时长"
    assert page.evaluate("window.sameDocument") is True
    page.go_back()
    expect(page.locator(".w-list-count")).to_contain_text("230")


def test_the_drawer_opens_beside_the_list_and_gives_the_focus_back(browser_page: "Page", site: str) -> None:
    page = browser_page
    page.goto(f"{site}/guide/list/")
    link = page.locator("tbody a").nth(1)
    link.click()
    page.locator("#drawer h1").wait_for()
    assert page.url.endswith("/guide/list/")
    assert page.locator("#drawer .w-timeline").is_visible()
    check_accessible(page)
    page.keyboard.press("Escape")
    assert page.locator("#drawer").is_hidden()
    assert link.evaluate("link => link === document.activeElement")
    page.keyboard.press("ArrowDown")
    assert page.locator("tbody a").nth(2).evaluate("link => link === document.activeElement")


def test_keyboard_reaches_the_content_and_the_first_mistake(browser_page: "Page", site: str) -> None:
    page = browser_page
    page.goto(f"{site}/guide/form/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "w-skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("button", name="保存").click()
    assert page.evaluate("document.activeElement.className") == "w-summary"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") or page.url.endswith("#id_name")
    check_accessible(page)


def test_a_draft_comes_back_until_it_is_sent(new_context: NewContext, site: str) -> None:
    context = new_context()
    page = context.new_page()
    page.goto(f"{site}/guide/form/")
    page.locator("#id_name").fill("演示张三")
    wait_until(page, "Object.keys(localStorage).length === 1")
    page.goto(f"{site}/guide/form/")
    assert page.locator("#id_name").input_value() == "演示张三"
    page.get_by_role("button", name="丢掉草稿").click()
    assert page.locator("#id_name").input_value() == ""
    assert page.evaluate("Object.keys(localStorage).length") == 0
    page.locator("#id_name").fill("演示李四")
    wait_until(page, "Object.keys(localStorage).length === 1")
    page.evaluate("document.querySelector('main form').action = '/guide/post/'")
    page.get_by_role("button", name="保存").click()
    page.goto(f"{site}/guide/list/")
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_charts_and_maps_can_be_explored_under_the_policy(browser_page: "Page", site: str) -> None:
    page = browser_page
    page.goto(f"{site}/guide/desk/", wait_until="networkidle")
    page.locator(".w-chart-line canvas").wait_for()
    page.locator(".leaflet-container .leaflet-interactive").first.wait_for()
    assert page.locator(".leaflet-tile").count() == 0
    assert page.locator(".w-chart-line table tbody tr").count() == 8


def test_paper_carries_the_content_and_the_mark(browser_page: "Page", site: str) -> None:
    page = browser_page
    page.goto(f"{site}/guide/record/")
    page.emulate_media(media="print")
    assert page.locator(".w-demo").is_visible()
    assert page.locator("h1").is_visible()
    for selector in (".desk-top", ".desk-nav", ".w-actions", ".w-crumbs"):
        assert not page.locator(selector).first.is_visible(), selector
