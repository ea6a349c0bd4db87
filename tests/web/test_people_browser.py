"""Two records become one at the desk, in a real browser: without scripts by a worker at a counter, and reachable for everybody."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.factories.accounts import PASSWORD, make_account
from tests.factories.organizations import District
from tests.factories.people import make_person
from tests.support.browser import DESK, PHONE, check_accessible
from wushe.community.models import Person
from wushe.kernel import policy

pytestmark = pytest.mark.browser


@pytest.fixture
def account(live_site: str) -> Any:
    district = District()
    place = district["150603001001"]
    account, _actor = make_account(role=policy.STREET_SUPERVISOR, place=district["150603001"], name="测主任")
    make_person(place, "单雄信", phone="13800001234", address="东街1号")
    make_person(place, "李乙丑", phone="13900005678")
    return account


def sign_in(page: Any, site: str, account: Any) -> None:
    page.goto(f"{site}/login/")
    page.locator("main input:not([type=hidden])").first.fill(account.number)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form [type=submit]").first.click()
    page.wait_for_url(lambda url: "/login" not in url)


def test_find_register_compare_merge_and_undo_without_scripts(
    live_site: str, account: Any, new_context: Callable[..., Any]
) -> None:
    page = new_context(java_script_enabled=False, viewport=DESK).new_page()
    sign_in(page, live_site, account)
    page.goto(f"{live_site}/desk/people/")
    page.get_by_label("找人").fill("sxx")
    page.get_by_role("button", name="筛选").click()
    page.get_by_role("link", name="单雄信").click()
    expect(page.get_by_text("138****1234")).to_be_visible()
    page.get_by_role("button", name="显示号码").click()
    expect(page.get_by_text("13800001234")).to_be_visible()

    page.goto(f"{live_site}/desk/people/new/")
    page.get_by_label("姓名", exact=True).fill("单雄信")
    page.locator("[name=phone]").fill("138 0000 1234")
    page.locator("[name=place]").fill("150603001001")
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_text("可能已经登记过")).to_be_visible()
    page.get_by_label("我看过了，不是同一个人，仍然新建").check()
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_role("heading", name="可能是同一个人")).to_be_visible()
    page.get_by_role("link", name="对照，合并").click()
    expect(page.get_by_role("heading", name="会跟过来的")).to_be_visible()
    page.get_by_role("button", name="合并").click()
    expect(page.get_by_text("已合并。")).to_be_visible()
    assert Person.objects.filter(name="单雄信", status="ACTIVE").count() == 1
    page.locator("aside").get_by_role("link", name="单雄信").click()
    page.get_by_role("button", name="撤销合并").click()
    expect(page.get_by_text("合并已撤销")).to_be_visible()
    assert Person.objects.filter(name="单雄信", status="ACTIVE").count() == 2


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_people_pages_are_accessible_and_fit_the_screen(
    live_site: str, account: Any, new_context: Callable[..., Any], viewport: Any
) -> None:
    person = Person.objects.get(name="单雄信")
    double = make_person(person.place, "单雄信", phone="13800001234")
    page = new_context(viewport=viewport).new_page()
    sign_in(page, live_site, account)
    for path in (
        "", "?q=sxx", "new/", "duplicates/", f"{person.pk}/", f"{person.pk}/edit/", f"{person.pk}/consents/",
        f"{person.pk}/guardians/new/?q=李", f"{person.pk}/merge/", f"{person.pk}/merge/?with={double.pk}", f"{person.pk}/copy/",
        f"{person.pk}/erase/", f"{person.pk}/contacts/new/", f"{person.pk}/organizations/new/",
    ):  # fmt: skip
        page.goto(f"{live_site}/desk/people/{path}")
        check_accessible(page)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} is {wider} pixels wider than the screen"
