"""People at their desks: a community worker, an administrator of the district, and somebody with a card."""

import io
import re
from datetime import date
from typing import Any

import pytest
import xlsxwriter
from playwright.sync_api import Page, expect

from tests.journeys.conftest import CHINESE, ENGLISH, Visitor, no_wider_than_the_screen, send
from tests.support.browser import check_accessible
from tests.support.site import Site

pytestmark = pytest.mark.browser
WORKER, ADMIN = "COMMUNITY_WORKER", "DISTRICT_ADMIN"


def test_a_worker_registers_somebody_and_hands_over_a_card(demo_site: Site, visitor: Visitor) -> None:
    page = visitor(role=WORKER)
    expect(page.locator("h1")).to_be_visible()
    assert page.url == f"{demo_site.url}/desk/"

    # Somebody of the list is found from the box on top.
    page.goto(f"{demo_site.url}/desk/people/")
    known = page.locator("main table tbody th a").first.inner_text()
    page.locator("#desk-search").fill(known)
    page.keyboard.press("Enter")
    expect(
        page.locator("section[aria-labelledby=people]").get_by_text(known, exact=True).first
    ).to_be_visible()

    # The same name in the same street is shown before anything is stored; the worker says it is somebody else.
    page.goto(f"{demo_site.url}/desk/people/new/")
    page.locator("input[name=name]").fill(known)
    send(page)
    expect(page.locator(".w-notice").first).to_contain_text("还没有保存")
    check_accessible(page)
    expect(page.locator("input[name=name]")).to_have_value(known)
    page.locator("input[name=confirmed]").check()
    send(page)
    expect(page.locator("h1")).to_have_text(known)
    person = page.url

    # Edited; without a name it is refused in words, and what was typed stays.
    page.goto(f"{person}edit/")
    page.locator("input[name=birth_on]").fill("1950-03-08")
    page.locator("input[name=name]").fill("")
    send(page)
    expect(page.locator(".w-error").first).to_contain_text("请填写")
    expect(page.locator("input[name=birth_on]")).to_have_value("1950-03-08")
    page.locator("input[name=name]").fill("合成卡用户")
    send(page)
    expect(page.locator("h1")).to_have_text("合成卡用户")
    expect(page.locator("main")).to_contain_text("1950年3月8日")

    # Consent on paper.
    page.goto(f"{person}consents/")
    page.locator("select[name=purpose]").select_option("CONTACT")
    page.locator("input[name=means][value=PAPER]").check()
    page.locator("input[name=given_by]").first.check()
    send(page)
    page.goto(f"{person}consents/")
    expect(page.locator("section[aria-labelledby=given]")).to_contain_text("联系我")

    # An account with a card, shown once and printed.
    page.goto(person)
    page.locator("button[popovertarget=more]").click()
    page.locator("#more a[href*='/desk/accounts/new/']").click()
    page.locator("input[name=way][value=CARD]").check()
    send(page)
    link = page.locator(".login-card-link").inner_text().strip()
    pin = re.sub(r"\D", "", page.locator(".login-slip-pin").inner_text())
    assert len(pin) == 6
    page.emulate_media(media="print")
    expect(page.locator(".login-card")).to_be_visible()
    expect(page.locator(".w-notice")).to_be_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")

    # The card and its PIN open the person's own page on a borrowed phone; a wrong PIN does not.
    phone = visitor(CHINESE, "phone")
    phone.goto(link)
    phone.locator("input[name=pin]").fill("000000" if pin != "000000" else "111111")
    send(phone)
    expect(phone.locator(".w-error, .w-error-summary, [role=alert]").first).to_be_visible()
    check_accessible(phone)
    phone.locator("input[name=pin]").fill(pin)
    send(phone)
    phone.wait_for_url(f"{demo_site.url}/me/")
    expect(phone.locator("h1")).to_contain_text("合成卡用户")
    no_wider_than_the_screen(phone)
    phone.goto(f"{demo_site.url}/me/consents/")
    expect(phone.locator("main")).to_contain_text("联系我")
    refused = phone.goto(f"{demo_site.url}/desk/")
    assert refused is not None
    assert refused.status == 403
    phone.goto(f"{demo_site.url}/desk/people/")
    assert phone.locator("main table tbody th a").all_inner_texts() in ([], ["合成卡用户"])


def test_what_an_administrator_changes_stands_on_the_page_of_the_place(
    demo_site: Site, visitor: Visitor, faces: list[tuple[str, str]]
) -> None:
    place = demo_site.demo["places"]["150603001001"]
    station = demo_site.demo["ids"]["station"][0]
    for number, (language, _device) in enumerate(faces):
        page = visitor(language, role=ADMIN)
        body, venue = f"合成新机构{number}", f"合成活动室{number}"
        page.goto(f"{demo_site.url}/desk/organizations/new/")
        page.locator("input[name=name]").fill(body)
        page.locator("select[name=kind]").select_option("SOCIAL_WORK_AGENCY")
        page.locator("input[name=place]").fill("150603")
        send(page)
        expect(page.locator("h1")).to_have_text(body)

        page.goto(f"{demo_site.url}/desk/organizations/stations/{station}/hand-over/")
        page.locator("select[name=capacity]").select_option("OPERATOR")
        page.locator("input[name=to]").fill(body)
        page.locator("input[name=on]").fill(date.today().isoformat())
        send(page)
        expect(page.locator("section[aria-labelledby=facts]")).to_contain_text(body)
        served = page.locator("section[aria-labelledby=facts] a").first.get_attribute("href")

        page.goto(f"{demo_site.url}/desk/organizations/venues/new/")
        page.locator("input[name=name]").fill(venue)
        page.locator("input[name=place]").fill("150603001001")
        page.locator("input[name=hours]").fill("周一至周日 8:30-20:30")
        page.locator("input[name=capacity]").fill("40")
        send(page)
        expect(page.locator("h1")).to_have_text(venue)
        check_accessible(page)

        passer_by = visitor(language, "phone")
        passer_by.goto(f"{demo_site.url}/places/{place}/")
        shown = passer_by.locator("section[aria-labelledby=venues]")
        expect(shown).to_contain_text(venue)
        expect(shown).to_contain_text(re.compile(r"0?8:30.{1,3}20:30"))
        passer_by.goto(f"{demo_site.url}{served}")
        expect(passer_by.locator("section[aria-labelledby=stations]")).to_contain_text(body)


MESSY_HEAD = ["手机号", "姓 名", "家庭住址", "出生年月日", "所在社区"]


def _sheet(rows: list[list[Any]]) -> dict[str, Any]:
    """A sheet as offices have them: a title over merged cells, a blank line, the columns in an order of their own."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("名单")
    sheet.merge_range(0, 0, 0, 4, "槐花社区志愿者名单（演示）", book.add_format({"bold": True}))
    for column, heading in enumerate(MESSY_HEAD):
        sheet.write(2, column, heading)
    for line, row in enumerate(rows, start=3):
        for column, value in enumerate(row):
            sheet.write(line, column, value)
    book.close()
    return {
        "name": "名单.xlsx",
        "mimeType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "buffer": out.getvalue(),
    }


def test_a_messy_sheet_is_matched_corrected_imported_and_undone(demo_site: Site, visitor: Visitor) -> None:
    good = [13800138011, "合成导入甲", "合成路1号", "1956.3.8", "150603001001"]
    bad = ["12", "合成导入乙", "合成路2号", "1999年2月30日", "150603001001"]
    page = visitor(role=ADMIN)
    page.goto(f"{demo_site.url}/desk/exchange/")
    page.locator("main a[href$='/people/import/']").click()

    def upload(rows: list[list[Any]]) -> None:
        page.locator("input[type=file]").set_input_files(_sheet(rows))  # type: ignore[arg-type]  # a mapping is a file payload
        send(page)
        page.wait_for_url(re.compile("/columns/$"))

    upload([good, bad])
    expect(page.locator("main table tbody tr")).to_have_count(len(MESSY_HEAD))
    chosen = [box.input_value() for box in page.locator("main table select").all()]
    assert len({code for code in chosen if code}) == len(MESSY_HEAD), chosen
    check_accessible(page)
    send(page)
    _when_checked(page)
    faults = page.locator("section[aria-labelledby=rows]")
    expect(faults).to_contain_text("合成导入乙")
    expect(faults).to_contain_text("出生日期")
    expect(page.locator("form[action$='/do/']")).to_have_count(0)
    check_accessible(page)

    page.locator("form[action$='/discard/'] button").first.click()
    page.wait_for_url(re.compile("/people/import/$"))
    upload([good, ["13800138012", *bad[1:3], "1999年2月28日", bad[4]]])
    send(page)
    _when_checked(page)
    page.locator("form[action$='/do/'] button").click()
    _when_checked(page)
    expect(page.locator("form[action$='/undo/'] button")).to_be_visible()
    done = page.url

    for expected in (1, 0):
        page.goto(f"{demo_site.url}/desk/people/?q=合成导入乙")
        expect(page.locator("main table tbody th a")).to_have_count(expected)
        if expected:
            page.goto(done)
            page.locator("form[action$='/undo/'] button").click()
            _when_checked(page)
            expect(page.locator("form[action$='/undo/']")).to_have_count(0)


def _when_checked(page: Page) -> None:
    """Wait while the work goes on in the background."""
    for _try in range(40):
        page.wait_for_load_state()
        if not page.locator("#state section[role=status]").count():
            return
        page.wait_for_timeout(500)
        page.reload()
    pytest.fail(f"{page.url} still works after 20 seconds")


def test_two_records_become_one_and_two_again(demo_site: Site, visitor: Visitor) -> None:
    page = visitor(ENGLISH, role=ADMIN)
    page.goto(f"{demo_site.url}/desk/people/duplicates/")
    page.locator("main a[href*='/merge/']").first.click()
    columns = page.locator("section[aria-labelledby=sides] thead th")
    expect(columns).to_have_count(3)
    check_accessible(page)
    send(page)
    expect(page.locator("h1")).to_be_visible()
    kept = page.url
    page.locator("aside a[href*='/merges/']").first.click()
    page.locator("form[action$='/undo/'] button").click()
    page.wait_for_url(re.compile(r"/people/[0-9a-f-]{36}/$"))
    assert page.url != kept, "the record that had gone is back and shown"
    expect(page.locator("aside a[href*='/merges/']")).to_have_count(0)


def test_a_day_at_the_desk_without_scripts(demo_site: Site, visitor: Visitor) -> None:
    page = visitor(role=WORKER, java_script_enabled=False)
    page.locator("#desk-search").fill("合成")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/desk/search/"))
    page.goto(f"{demo_site.url}/desk/people/")
    page.locator("main th a.w-sort, main .w-sort").first.click()
    page.wait_for_url(re.compile("sort="))
    page.goto(f"{demo_site.url}/desk/people/new/")
    page.locator("input[name=name]").fill("合成无脚本")
    page.locator("input[name=phone]").fill("13800138099")
    send(page)
    expect(page.locator("h1")).to_have_text("合成无脚本")
    page.goto(f"{demo_site.url}/desk/people/?q=hcwjb")
    expect(page.locator("main table tbody th a").first).to_have_text("合成无脚本")
    page.locator("button[name=large]").first.click()
    expect(page.locator("html")).to_have_class(re.compile("large-type"))
