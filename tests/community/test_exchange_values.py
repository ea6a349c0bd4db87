"""What a cell means: pure parsers, headings, encodings, formula guards. No database."""

import io
from datetime import date, datetime

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from wushe.community.exchange import columns, people, sheets, values
from wushe.community.exchange.sheets import FileRefused, Row
from wushe.community.exchange.values import Fault, Reading
from wushe.community.exchange.wording import SENTENCES

READING = Reading(today=date(2026, 11, 23))
KINDS_OF_FAULT = {code.split(".")[0] for code in SENTENCES}


def parsed(parser: object, cell: object, reading: Reading = READING) -> object:
    """Return what the parser makes of a cell, or the code of its fault."""
    assert callable(parser)
    try:
        return parser(cell, reading)
    except Fault as fault:
        return fault.code


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-03-05", date(2024, 3, 5)),
        ("2024年3月5日", date(2024, 3, 5)),
        ("2024.3.5", date(2024, 3, 5)),
        ("2024/3/5", date(2024, 3, 5)),
        ("20240305", date(2024, 3, 5)),
        (20240305, date(2024, 3, 5)),
        (20240305.0, date(2024, 3, 5)),
        ("２０２４年３月５日", date(2024, 3, 5)),
        ("二〇二四年三月五日", date(2024, 3, 5)),
        ("一九五六年十二月二十三日", date(1956, 12, 23)),
        ("2024-03-05 08:30", date(2024, 3, 5)),
        ("2024-03-05T08:30:00", date(2024, 3, 5)),
        (datetime(2024, 3, 5, 8), date(2024, 3, 5)),
        (date(2024, 3, 5), date(2024, 3, 5)),
        (45356.0, date(2024, 3, 5)),
        ("45356", date(2024, 3, 5)),
        (59, date(1900, 2, 28)),
        (60, "date.no_such_day"),
        (61, date(1900, 3, 1)),
        ("65/3/5", date(1965, 3, 5)),
        ("24/3/5", "date.which_century"),
        ("2024-3", "date.no_day"),
        ("2024年3月", "date.no_day"),
        ("2024", "date.only_year"),
        (1965.0, "date.only_year"),
        ("2024年2月30日", "date.no_such_day"),
        ("2023-02-29", "date.no_such_day"),
        ("3/4/2024", "date.day_or_month"),
        ("13/4/2024", date(2024, 4, 13)),
        ("4/13/2024", date(2024, 4, 13)),
        ("昨天", "date.not_a_date"),
        (True, "date.not_a_date"),
        (float("nan"), "date.not_a_date"),
        (1e300, "date.not_a_date"),
        ("9999-01-01", "date.out_of_range"),
    ],
)
def test_dates(cell: object, expected: object) -> None:
    assert parsed(values.date, cell) == expected


def test_the_1904_calendar() -> None:
    reading = Reading(epoch=1904, today=READING.today)
    assert parsed(values.date, 0, reading) == date(1904, 1, 1)
    assert parsed(values.date, 43894.0, reading) == date(2024, 3, 5)


@pytest.mark.parametrize("day", ["2027-01-01", "2199-12-31"])
def test_nobody_is_born_tomorrow(day: str) -> None:
    assert parsed(values.birth_date, day) == "date.in_the_future"
    assert parsed(values.birth_date, "1899-01-01") == "date.too_long_ago"


@given(st.dates(date(1931, 1, 1), date(2026, 11, 23)))
def test_every_day_survives_every_spelling(day: date) -> None:
    spellings = (
        f"{day:%Y-%m-%d}", f"{day.year}年{day.month}月{day.day}日", f"{day.year}.{day.month}.{day.day}", f"{day:%Y%m%d}",
        f"{day.year}/{day.month:02d}/{day.day}", float((day - date(1899, 12, 30)).days), day, datetime(day.year, day.month, day.day),
    )  # fmt: skip
    assert {parsed(values.date, spelling) for spelling in spellings} == {day}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("13800138000", ("13800138000",)),
        (13800138000.0, ("13800138000",)),
        ("13800138000.0", ("13800138000",)),
        ("+86 138 0013 8000", ("13800138000",)),
        ("008613800138000", ("13800138000",)),
        ("１３８００１３８０００", ("13800138000",)),
        ("138-0013-8000", ("13800138000",)),
        ("'13800138000", ("13800138000",)),
        ("手机：13800138000", ("13800138000",)),
        ("13800138000（儿子）", ("13800138000",)),
        ("13800138000、13900139000", ("13800138000", "13900139000")),
        ("13800138000 13900139000", ("13800138000", "13900139000")),
        ("13800138000/13800138000", ("13800138000",)),
        ("13800138000或0477-1234567", ("13800138000", "04771234567")),
        ("010-12345678", ("01012345678",)),
        ("1.38E+10", "number.digits_lost"),
        ("1.38001E+10", "number.digits_lost"),
        (1.38e10 + 0.5, "phone.not_one"),
        ("138001380", "phone.not_one"),
        ("138****8000", "phone.masked"),
        ("无此号", "phone.not_one"),
        ("12800138000", "phone.not_one"),
        ("13800138000abc", "phone.not_one"),
        (date(2024, 1, 1), "number.became_date"),
        ("、".join(f"1380013800{n}" for n in range(6)), "phone.too_many"),
    ],
)
def test_phones(cell: object, expected: object) -> None:
    assert parsed(values.phones, cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("11010519491231002x", "11010519491231002X"),
        ("110105 19491231 002X", "11010519491231002X"),
        (110105194912310000.0, "number.digits_lost"),
        ("1.10105E+17", "number.digits_lost"),
        (110105491231002.0, "110105491231002"),
        ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
    ],
)
def test_identity_numbers(cell: object, expected: str) -> None:
    assert parsed(values.identity, cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("张 三", "张三"),
        ("张　三", "张三"),
        ("欧 阳 某 某", "欧阳某某"),
        ("𠮷 㛃", "𠮷㛃"),
        ("John  Smith", "John Smith"),
        ("买买提·艾力", "买买提·艾力"),
        ("张 三丰", "张 三丰"),
        ("\u200b合成甲\ufeff", "合成甲"),
        ("六", "六"),
        ("\uf9d1", "\uf9d1"),
        (123, "name.is_a_number"),
        ("138", "name.no_letters"),
        ("合成\x07甲", "text.control_character"),
        ("合成\ufffd", "text.lost_character"),
        ("甲" * 10_000, "text.too_long"),
    ],
)
def test_names(cell: object, expected: str) -> None:
    assert parsed(values.person_name, cell) == expected


@pytest.mark.parametrize(
    ("parser", "cell", "expected"),
    [
        (values.sex, "Ｍ", "MALE"),
        (values.sex, "女士", "FEMALE"),
        (values.sex, 2.0, "FEMALE"),
        (values.sex, "他", "sex.not_one"),
        (values.yes_no, "√", True),
        (values.yes_no, "否", False),
        (values.yes_no, 1.0, True),
        (values.yes_no, "也许", "yes_no.not_one"),
        (values.count, "约 40 人", 40),
        (values.count, 40.0, 40),
        (values.count, "1,200", 1200),
        (values.count, "-4", "count.not_one"),
        (values.count, "4.5", "count.not_one"),
        (values.money, "12万", 12_000_000),
        (values.money, "¥1,234.50", 123_450),
        (values.money, 500000.0, 50_000_000),
        (values.money, "0.001", "money.not_one"),
        (values.money, "很多", "money.not_one"),
        (values.money, "NaN", "money.not_one"),
        (values.degrees, "109.8°", values.Decimal("109.80000")),
        (values.degrees, "NaN", "degrees.not_one"),
        (values.email, "A@Example.org", "a@example.org"),
        (values.email, "a@b", "email.not_one"),
        (values.office_phone, "0477-1234567 转 8", "0477-1234567 转 8"),
        (values.office_phone, "12345", "12345"),
        (values.line, sheets.ErrorCell("#"), "cell.error"),
        (values.code, 12345678.0, "12345678"),
    ],
)
def test_other_cells(parser: object, cell: object, expected: object) -> None:
    assert parsed(parser, cell) == expected


@given(st.one_of(st.text(max_size=60), st.floats(), st.integers(), st.booleans(), st.dates(), st.none()))
def test_no_cell_breaks_a_parser(cell: object) -> None:
    """Whatever stands in a cell: a value or a fault with words, never anything else."""
    for column in people.KIND.columns:
        found = parsed(column.parse, cell)
        if isinstance(found, str) and "." in found and found.split(".")[0] in KINDS_OF_FAULT:
            assert found in SENTENCES


# --- headings ---------------------------------------------------------------------------------------------------------


def rows(*lines: list[str | None]) -> list[Row]:
    return [Row(number, list(line)) for number, line in enumerate(lines, start=1)]


def found(*lines: list[str | None], remembered: dict[str, str] | None = None) -> dict[str, int]:
    header = columns.find_header(people.KIND, rows(*lines), remembered)
    return header.columns if header else {}


def test_headings_under_other_names_in_any_order() -> None:
    assert found(["序号", "手机号码*", "居民姓名（必填）", "所属\n社区", "出生年月日："]) == {
        "phone": 1,
        "name": 2,
        "place": 3,
        "birth_on": 4,
    }


def test_titles_above_and_two_header_rows() -> None:
    title: list[str | None] = ["某街道花名册"] * 5
    upper: list[str | None] = ["序号", "基本信息", "基本信息", "联系方式", "联系方式"]
    lower: list[str | None] = [None, "姓名", "性别", "手机", "住址"]
    assert found(title, upper, lower, ["1", "合成甲", "女", "13800138000", "x"]) == {
        "name": 1,
        "sex": 2,
        "phone": 3,
        "address": 4,
    }
    # The merge was not kept: the upper heading stands only in its first column.
    assert found(["序号", "姓名", "联系方式", None], [None, None, "手机", "住址"]) == {
        "name": 1,
        "phone": 2,
        "address": 3,
    }


def test_data_are_no_header() -> None:
    assert found(["合成甲", "女", "槐花社区"], ["合成乙", "男", "槐花社区"]) == {}
    header = columns.find_header(people.KIND, rows(["姓名", "性别"], ["姓名测试", "女"], ["合成乙", "男"]))
    assert header is not None
    assert header.last_row == 1


def test_what_was_matched_by_hand_is_remembered_and_likeness_only_suggested() -> None:
    lines = (["姓名", "联络方法", "家庭住址门牌"], ["合成甲", "13800138000", "x"])
    header = columns.find_header(people.KIND, rows(*lines))
    assert header is not None
    assert [heading.column for heading in header.headings] == ["name", "", ""]
    assert found(*lines, remembered={columns.heading_key("联络方法"): "phone"})["phone"] == 1
    assert found(["姓名", "手机"], ["合成甲", "x"], remembered={columns.heading_key("手机"): ""}) == {
        "name": 0
    }


def test_every_heading_a_template_or_an_export_may_carry_is_known() -> None:
    from wushe.community.exchange import kinds

    for kind in kinds.all_kinds():
        names = columns.heading_names(kind)
        for column in kind.columns:
            for title in columns.in_both_languages(column.title):
                assert names[columns.heading_key(title)] == column.code, (kind.code, title)


# --- encodings and formulas -------------------------------------------------------------------------------------------

RARE = "𠮷㛃龦"


def cells(data: bytes, name: str = "x.csv") -> list[list[object]]:
    return [list(row.cells) for sheet in sheets.open_file(data, name).sheets() for row in sheet.rows]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "utf-32"]
)
def test_rare_characters_survive_every_encoding(encoding: str) -> None:
    text = f"姓名,电话\r\n合成{RARE},13800138000\r\n"
    assert cells(text.encode(encoding)) == [["姓名", "电话"], [f"合成{RARE}", "13800138000"]]


def test_gbk_is_read_as_its_superset() -> None:
    assert cells("姓名,社区\n合成甲,槐花社区\n".encode("gbk")) == [["姓名", "社区"], ["合成甲", "槐花社区"]]
    assert cells("联通,姓名\n联,通\n".encode("gb2312")) == [["联通", "姓名"], ["联", "通"]]


@pytest.mark.parametrize(
    "data",
    [
        "姓名,社区\n合成甲,槐花社区\n".encode() + "合成乙,杏林社区\n".encode("gb18030"),
        "姓名,社区\n合成甲,槐花社区\n".encode("gb18030") + "合成乙,杏林社区\n".encode(),
        "姓名,社区\n合成甲,槐花社区\n合成乙,杏林".encode()[:-1],
        "姓名,社区\n合成甲,槐花社区\n合成乙,杏林社区".encode("gb18030")[:-1],
        "姓名,社区\n合成甲,槐花社区\n".encode() + b"\xe5\xff,x\n",
    ],
)
def test_a_broken_or_mixed_file_is_refused_with_its_line(data: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        cells(data)
    assert refused.value.code == "file.bad_encoding"
    assert "3" in refused.value.message


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(
                    codec="utf-8", exclude_characters="\x00\r\n\ufffd\x1a", exclude_categories=("Cs", "Cc")
                ),
                max_size=12,
            ),
            min_size=2,
            max_size=4,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_text_is_read_back_or_refused(table: list[list[str]]) -> None:
    import csv

    table = [["姓名", *row[1:]] if not any(cell.strip() for cell in row) else row for row in table]
    for encoding in ("utf-8-sig", "gb18030", "utf-16"):
        out = io.StringIO()
        csv.writer(out).writerows([["社区的姓名与电话", "列"], *table])
        try:
            read = cells(out.getvalue().encode(encoding))
        except FileRefused:
            continue
        for wrote, row in zip(table, read[1:], strict=True):
            while wrote and not wrote[-1].strip():
                wrote = wrote[:-1]
            assert [sheets.unguarded(cell) if cell else None for cell in wrote] == row


DANGEROUS = (
    "=1+1",
    "+86 13800138000",
    "-5",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    " =1",
    "\u3000=1",
    '"=1',
    "'=1",
    "''=1",
    "\n@x",
)


@pytest.mark.parametrize("text", [*DANGEROUS, "合成甲", "", "'合成甲", "O'Brien", "1-2"])
def test_formula_guard_is_undone_by_reading(text: str) -> None:
    guarded = sheets.guarded(text)
    assert sheets.unguarded(guarded) == text
    if text in DANGEROUS:
        assert guarded.startswith("'")


@given(st.text(max_size=20))
def test_formula_guard_for_any_text(text: str) -> None:
    guarded = sheets.guarded(text)
    assert sheets.unguarded(guarded) == text
    assert not guarded.lstrip(' \u3000\u00a0"').startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


def test_dates_of_both_calendars_and_error_cells() -> None:
    for calendar in (False, True):
        out = io.BytesIO()
        book = xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": calendar})
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_datetime(0, 0, datetime(2024, 3, 5), day)
        sheet.write_number(0, 1, 43894 if calendar else 45356)
        sheet.write_formula(0, 2, "=1/0", None, "#DIV/0!")
        sheet.set_row(0, None, None, {"hidden": True})
        book.close()
        [opened] = sheets.open_file(out.getvalue(), "x.xlsx").sheets()
        # Consumed inside the loop of the workbook: one sheet, one row.
        assert opened.serial_epoch == (1904 if calendar else 1900)
        out.seek(0)
        for sheet_ in sheets.open_file(out.getvalue(), "x.xlsx").sheets():
            [row] = sheet_.rows
            assert row.is_hidden
            assert isinstance(row.cells[2], sheets.ErrorCell)
            reading = Reading(sheet_.serial_epoch, READING.today)
            assert {parsed(values.date, cell, reading) for cell in row.cells[:2]} == {date(2024, 3, 5)}
