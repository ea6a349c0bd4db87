"""The one list: constant queries, honest counts, refused nonsense, safe files."""

import csv
import io
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django import forms
from django.contrib.sessions.models import Session
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.support.queries import QueryCounter
from wushe.web import lists
from wushe.web.forms import FilterForm
from wushe.web.lists import Column, Listing, UnknownListOption, listing, safe_text

SORTS: dict[str, lists.Sort] = {"key": "session_key", "expires": ("expire_date", "session_key")}


def ask(rows: Any, query: str = "", **options: Any) -> Listing:
    request: Any = RequestFactory().get(f"/list/?{query}")
    return listing(request, rows, **options)


def make_sessions(number: int) -> None:
    start = timezone.make_aware(datetime(2026, 1, 1))
    Session.objects.bulk_create(
        Session(session_key=f"k{n:05d}", session_data="", expire_date=start + timedelta(days=n % 7))
        for n in range(number)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 3, 60, 400])
@pytest.mark.parametrize("query", ["", "page=2", "sort=-expires&size=25", "page=999"])
def test_a_list_costs_the_same_whatever_its_length(
    number: int, query: str, query_counter: QueryCounter
) -> None:
    make_sessions(number)
    with query_counter.at_most(3):
        page = ask(Session.objects.all(), query, sorts=SORTS, default="key")
        _ = [row.session_key for row in page.rows], page.count_text, page.page_links
    assert page.count == number


@pytest.mark.django_db
def test_counting_stops(monkeypatch: pytest.MonkeyPatch, query_counter: QueryCounter) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 100)
    make_sessions(130)
    with query_counter.count() as counted:
        page = ask(Session.objects.all(), "size=25", sorts=SORTS, default="key")
    assert page.count_text == "100+"
    assert page.last == 4
    assert any("LIMIT 101" in sql for sql in counted.statements)
    last = ask(Session.objects.all(), "size=25&page=9", sorts=SORTS, default="key")
    assert last.number == 4
    assert last.cut_short
    assert last.next_url == ""


@pytest.mark.django_db
def test_the_order_is_total_and_turns_round() -> None:
    make_sessions(60)
    up = ask(Session.objects.all(), "sort=expires&size=100", sorts=SORTS, default="key").rows
    down = ask(Session.objects.all(), "sort=-expires&size=100", sorts=SORTS, default="key").rows
    assert [r.pk for r in up] == [r.pk for r in reversed(down)]
    pages = [
        r.pk
        for n in (1, 2, 3)
        for r in ask(
            Session.objects.all(), f"size=25&page={n}&sort=-expires", sorts=SORTS, default="key"
        ).rows
    ]
    assert pages == [r.pk for r in down]


@pytest.mark.parametrize(
    "query",
    [
        "sort=password",
        "sort=-password",
        "sort=",
        "sort=--key",
        "page=0",
        "page=-1",
        "page=x",
        "page=١",
        "size=7",
        "size=1000000",
        "page=9999999999999",
        "export=exe",
        "export=csv",
    ],
)
def test_nonsense_in_the_address_is_refused(query: str) -> None:
    with pytest.raises(UnknownListOption) as refused:
        ask([1, 2, 3], query, sorts={"key": lambda row: row}, default="key")
    assert refused.value.status == 400


@given(st.integers(0, 700), st.integers(1, 60), st.sampled_from([25, 50, 100, 200]))
def test_pages_of_a_sequence_cut_it_without_loss(length: int, number: int, size: int) -> None:
    page = ask(range(length), f"page={number}&size={size}")
    assert 1 <= page.number <= page.last
    assert page.count == length
    assert list(page.rows) == list(range(length))[(page.number - 1) * size : page.number * size]
    assert page.rows or length == 0
    assert (page.next_url == "") == (page.number == page.last)
    assert (page.previous_url == "") == (page.number == 1)
    numbers = [link.number for link in page.page_links]
    assert numbers[0] == 1
    assert numbers[-1] == page.last
    assert page.number in numbers


def test_addresses_keep_what_was_chosen() -> None:
    page = ask(
        range(300),
        "q=%E7%94%B2&kind=a&kind=b&sort=n&page=2&size=25",
        sorts={"n": lambda row: row},
        default="n",
    )
    query = parse_qs(urlsplit(page.next_url).query)
    assert query == {"q": ["甲"], "kind": ["a", "b"], "sort": ["n"], "page": ["3"], "size": ["25"]}
    turned = parse_qs(urlsplit(page.sort_url("n")).query)
    assert turned["sort"] == ["-n"]
    assert "page" not in turned
    with pytest.raises(KeyError):
        page.sort_url("other")


class Filter(FilterForm):
    q = forms.CharField(max_length=5)
    on = forms.DateField()


def test_filters_keep_what_they_understand() -> None:
    form = Filter({"q": "甲", "on": "not a day"})
    assert form.values() == {"q": "甲"}
    assert form.is_active
    assert form.errors["on"]
    assert not Filter({}).is_active
    assert Filter({"on": "2026年3月8日"}).values() == {"on": date(2026, 3, 8)}


# --- files ------------------------------------------------------------------------------------------------------------

COLUMNS = (
    Column("姓名", lambda row: row.name),
    Column("时长", lambda row: row.minutes),
    Column("加入", lambda row: row.joined_on),
)


def export(rows: list[Any], form: str, *, demo: bool = False) -> bytes:
    request: Any = RequestFactory().get(f"/list/?export={form}&page=2&size=25")
    request.is_demo = demo
    response: Any = listing(request, rows, columns=COLUMNS).export_response("people")
    assert "attachment" in response.headers["Content-Disposition"]
    assert ("demo" in response.headers["Content-Disposition"]) == demo
    return b"".join(response.streaming_content)


@given(st.lists(st.text(max_size=30), max_size=40))
def test_a_file_holds_every_row_and_no_formula(names: list[str]) -> None:
    rows = [SimpleNamespace(name=name, minutes=3, joined_on=None) for name in names]
    content = (
        export(rows, "csv").decode("utf-8-sig", errors="surrogatepass")
        if not any("\ud800" <= c <= "\udfff" for n in names for c in n)
        else ""
    )
    table = list(csv.reader(io.StringIO(content, newline="")))
    assert table[0] == ["姓名", "时长", "加入"]
    assert [row[0].lstrip("'") for row in table[1:]] == [name.lstrip("'") for name in names]
    assert not any(row[0][:1] in tuple("=+-@\t\r\n") for row in table[1:] if row[0])


@pytest.mark.parametrize("text", ["=1+1", "+86", "-1", "@x", "\t=1", "\r=1"])
def test_text_that_looks_like_a_formula_is_disarmed(text: str) -> None:
    assert safe_text(text) == f"'{text}"
    assert safe_text("甲") == "甲"


def test_a_workbook_reads_back() -> None:
    from python_calamine import CalamineWorkbook

    rows = [SimpleNamespace(name=f"演示{n}", minutes=n, joined_on=date(2026, 3, 8)) for n in range(70)]
    book = CalamineWorkbook.from_filelike(io.BytesIO(export(rows, "xlsx", demo=True)))
    table = book.get_sheet_by_index(0).to_python()
    assert table[0] == ["姓名", "时长", "加入"]
    assert table[1] == ["演示0", 0.0, date(2026, 3, 8)]
    assert len(table) == 72  # heading, 70 rows, the mark
    assert table[-1][0] == "演示数据 · Demo data"
