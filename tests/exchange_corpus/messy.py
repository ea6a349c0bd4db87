"""Sheets as street offices keep them, made from a seed, each with the report that a check of it must give.

`sheet(seed)` draws people, then writes them down in one of many ways: titles above the header, one header row or two, merged cells,
columns in any order under many names, a sum and notes at the foot, blank and repeated rows, hidden rows, several sheets, six
date formats, phones as numbers, marks for "the same as above", csv in five encodings. Some rows are made faulty on purpose.
"""

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import xlsxwriter

FAMILY = "赵钱孙李周吴郑王冯陈褚卫"
GIVEN = ("合成", "示例", "测试", "样本", "一", "二", "演练", "𠮷", "㛃", "龦", "·买买提")
NAMES = ("姓名", "名字", "居民姓名", "姓 名", "志愿者姓名", "姓名*", "姓名（必填）", "Name")
PLACES = ("所在社区", "社区", "所属社区", "社区（村）", "居委会", "社区名称")
SEXES = ("性别", "性 别", "男/女", "Sex")
BIRTHS = ("出生日期", "出生年月日", "生日", "出生年月", "Date of birth")
PHONES = ("电话", "手机", "手机号码", "联系电话", "联系方式", "Phone")
ADDRESSES = ("住址", "家庭住址", "居住地址", "现住址")
COMMUNITIES = ("槐花社区", "杏林社区")


@dataclass
class Expected:
    """What the check must say of one row: its action, the values it reads, or the codes of its faults."""

    row: int
    sheet: str
    action: str
    values: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


@dataclass
class Messy:
    """One file with its expected report. `features` names the mess in it."""

    name: str
    data: bytes
    expected: list[Expected]
    features: list[str]


@dataclass
class _Person:
    name: str
    place: str
    sex: str
    birth: date | None
    phones: tuple[str, ...]
    address: str


def sheet(seed: int) -> Messy:
    """Return the messy sheet of this seed."""
    chance = random.Random(seed)
    people = [_person(chance, number) for number in range(chance.randint(4, 14))]
    kind = chance.choice(("xlsx", "xlsx", "csv"))
    return _workbook(chance, people) if kind == "xlsx" else _text(chance, people)


def _person(chance: random.Random, number: int) -> _Person:
    name = (
        chance.choice(FAMILY)
        + chance.choice(GIVEN)
        + chance.choice(("甲", "乙", "丙", "丁"))
        + chr(0x4E00 + number * 7)
    )
    birth = date(1935, 1, 1) + timedelta(days=chance.randrange(24_000)) if chance.random() < 0.8 else None
    phones = tuple(
        f"13{chance.randrange(10**8):08d}{number % 10}" for _ in range(chance.choice((0, 1, 1, 1, 2)))
    )
    return _Person(
        name,
        chance.choice(COMMUNITIES),
        chance.choice(("MALE", "FEMALE")),
        birth,
        phones,
        chance.choice(("", f"示范路{number}号")),
    )


# --- how a value is written -------------------------------------------------------------------------------------------


def written_date(chance: random.Random, day: date, *, text: bool) -> Any:
    """Return one of the ways a day is written; all of them mean just this day."""
    ways: list[Any] = [
        f"{day:%Y-%m-%d}", f"{day.year}年{day.month}月{day.day}日", f"{day.year}.{day.month}.{day.day}", f"{day:%Y/%m/%d}",
        f"{day:%Y%m%d}", f"{day.year}/{day.month}/{day.day}", f"{day.year} 年 {day.month} 月 {day.day} 日", f"{day:%Y-%m-%d} 00:00:00",
        f"{day:%Y}－{day:%m}－{day:%d}".translate(_FULL),
    ]  # fmt: skip
    if day.year < 1926:
        return ways[0]
    if day.year >= 1930 and int(f"{day:%y}") > 30:
        ways.append(f"{day:%y}/{day.month}/{day.day}")
    if not text:
        ways += [
            day,
            datetime(day.year, day.month, day.day),
            float((day - date(1899, 12, 30)).days),
            int(f"{day:%Y%m%d}"),
        ]
    return chance.choice(ways)


_FULL = str.maketrans("0123456789", "０１２３４５６７８９")


def written_phones(chance: random.Random, phones: tuple[str, ...], *, text: bool) -> Any:
    if not phones:
        return chance.choice(("", "无", "/", None))
    if len(phones) > 1:
        return chance.choice(("、", "，", "/", " / ", "\n", "；")).join(phones)
    digits = phones[0]
    ways: list[Any] = [
        digits, f"+86 {digits}", f"{digits[:3]}-{digits[3:7]}-{digits[7:]}", f"{digits[:3]} {digits[3:7]} {digits[7:]}",
        digits.translate(_FULL), f"{digits}.0", f"手机：{digits}", f"{digits}（本人）",
    ]  # fmt: skip
    if not text:
        ways += [float(digits), int(digits)]
    return chance.choice(ways)


def written_name(chance: random.Random, name: str) -> str:
    if len(name) <= 4 and all(ord(c) > 0x3400 for c in name) and chance.random() < 0.3:
        return chance.choice((" ", "\u3000", "  ")).join(name)
    return chance.choice((name, name, f" {name}", f"{name}\u3000", f"{name}\n"))


def written_sex(chance: random.Random, sex: str) -> str:
    return chance.choice(
        ("男", "男性", "M", "male", "Ｍ", "1") if sex == "MALE" else ("女", "女性", "F", "female", "Ｆ", "2")
    )


_FAULTS = (
    ("name", None, "cell.missing"),
    ("birth", "1956年2月30日", "date.no_such_day"),
    ("birth", "2024-3", "date.no_day"),
    ("birth", "去年", "date.not_a_date"),
    ("birth", "2199-01-01", "date.in_the_future"),
    ("phone", "138001380", "phone.not_one"),
    ("phone", "1.38E+10", "number.digits_lost"),
    ("phone", "138****8000", "phone.masked"),
    ("sex", "不明白", "sex.not_one"),
    ("place", "没有这个社区", "place.not_found"),
)


# --- a sheet ----------------------------------------------------------------------------------------------------------


def _table(
    chance: random.Random, people: list[_Person], features: list[str], *, text: bool
) -> tuple[list[list[Any]], list[tuple[int, Expected]]]:
    """Return header and rows as cells, and what each of the rows must come to."""
    columns = ["name", "place", *chance.sample(["sex", "birth", "phone", "address"], chance.randint(1, 4))]
    extra = chance.random() < 0.5
    chance.shuffle(columns)
    titles = {
        "name": chance.choice(NAMES), "place": chance.choice(PLACES), "sex": chance.choice(SEXES),
        "birth": chance.choice(BIRTHS), "phone": chance.choice(PHONES), "address": chance.choice(ADDRESSES),
    }  # fmt: skip
    rows: list[list[Any]] = [[*(["序号"] if extra else []), *(titles[column] for column in columns)]]
    expected: list[tuple[int, Expected]] = []
    last_place = ""
    for number, person in enumerate(people, start=1):
        cells: dict[str, Any] = {
            "name": written_name(chance, person.name),
            "place": chance.choice(
                (person.place, f"东街街道{person.place}", f"东街街道/{person.place}", f" {person.place} ")
            ),
            "sex": written_sex(chance, person.sex),
            "birth": written_date(chance, person.birth, text=text)
            if person.birth
            else chance.choice(("", None, "不详")),
            "phone": written_phones(chance, person.phones, text=text),
            "address": person.address,
        }
        if last_place == person.place and chance.random() < 0.4:
            cells["place"] = chance.choice(("同上", "〃", '"'))
            features.append("ditto")
        last_place = person.place
        values: dict[str, Any] = {"name": person.name, "place": person.place}
        if "sex" in columns:
            values["sex"] = person.sex
        if "birth" in columns and person.birth:
            values["birth_on"] = person.birth
        if "phone" in columns and person.phones:
            values["phone"] = tuple(dict.fromkeys(person.phones))
        if "address" in columns and person.address:
            values["address"] = person.address
        said = Expected(0, "", "CREATE", values)
        if chance.random() < 0.25:
            choices = [fault for fault in _FAULTS if fault[0] in columns]
            column, content, code = chance.choice(choices)
            cells[column] = content
            said = Expected(0, "", "FAULT", {}, (code,))
            if column == "place":
                last_place = ""
        rows.append([*([number] if extra else []), *(cells[column] for column in columns)])
        expected.append((len(rows) - 1, said))
        if chance.random() < 0.1:
            rows.append([])
            features.append("blank row")
        if chance.random() < 0.06:
            rows.append(list(rows[0]))
            features.append("repeated header")
    width = len(rows[0])
    if chance.random() < 0.5:
        rows.append(["合计", *[None] * (width - 2), len(people)] if width > 1 else ["合计"])
        features.append("sum")
    if chance.random() < 0.5:
        rows.append([])
        rows.append(
            [
                chance.choice(
                    (
                        "备注：以上名单由社区核实",
                        "填表人：示例甲　　审核人：示例乙",
                        "注：标*的为必填项",
                        "说明：本表每月更新一次",
                    )
                )
            ]
        )
        features.append("note at the foot")
    return rows, expected


def _workbook(chance: random.Random, people: list[_Person]) -> Messy:
    features: list[str] = []
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "date_1904": False})
    day = book.add_format({"num_format": chance.choice(("yyyy-mm-dd", "yyyy/m/d", 'yyyy"年"m"月"d"日"'))})
    expected: list[Expected] = []
    half = len(people) // 2
    groups = [people[:half], people[half:]] if len(people) > 7 and chance.random() < 0.4 else [people]
    if len(groups) > 1:
        features.append("several sheets")
    if chance.random() < 0.3:
        book.add_worksheet("说明").write_string(0, 0, "本表由各社区填报，请勿改动格式")
        features.append("sheet of words")
    for index, group in enumerate(groups):
        name = f"名单{index + 1}"
        sheet_ = book.add_worksheet(name)
        rows, said = _table(chance, group, features, text=False)
        top = 0
        width = max(len(rows[0]), 2)
        for _ in range(chance.choice((0, 1, 2))):
            sheet_.merge_range(
                top,
                0,
                top,
                width - 1,
                chance.choice(("某街道居民花名册（演练）", "2024年度志愿者登记表", "单位：示例社区")),
            )
            features.append("merged title")
            top += 1
        if chance.random() < 0.2:
            top += 1
        if chance.random() < 0.3 and width >= 3:
            sheet_.merge_range(top, 0, top, width - 1, "基本信息")
            features.append("two header rows")
            top += 1
        left = chance.choice((0, 0, 0, 1))
        for number, row in enumerate(rows):
            for position, value in enumerate(row):
                at = (top + number, left + position)
                if value is None or value == "":
                    continue
                if isinstance(value, date):
                    sheet_.write_datetime(*at, datetime(value.year, value.month, value.day), day)
                elif isinstance(value, str):
                    sheet_.write_string(*at, value)
                else:
                    sheet_.write_number(*at, value)
            if number and chance.random() < 0.06:
                sheet_.set_row(top + number, None, None, {"hidden": True})
                features.append("hidden row")
        for number, one in said:
            one.row, one.sheet = top + number + 1, name
            expected.append(one)
    if chance.random() < 0.2:
        hidden = book.add_worksheet("旧名单")
        hidden.write_row(0, 0, ["姓名", "社区"])
        hidden.write_row(1, 0, ["不要读", "槐花社区"])
        hidden.hide()
        features.append("hidden sheet")
    book.close()
    return Messy("名单.xlsx", out.getvalue(), expected, features)


def _text(chance: random.Random, people: list[_Person]) -> Messy:
    features = ["csv"]
    encoding = chance.choice(("utf-8", "utf-8-sig", "gb18030", "utf-16", "gb18030"))
    features.append(encoding)
    rows, said = _table(chance, people, features, text=True)
    top = 0
    if chance.random() < 0.4:
        rows.insert(0, ["某街道居民花名册（演练）"])
        top = 1
    out = io.StringIO()
    mark = chance.choice((",", ",", "\t", ";"))
    writer = csv.writer(out, delimiter=mark, lineterminator=chance.choice(("\r\n", "\n")))
    for row in rows:
        writer.writerow(["" if value is None else str(value) for value in row])
    expected = []
    for number, one in said:
        one.row = top + number + 1
        expected.append(one)
    return Messy("名单.csv", out.getvalue().encode(encoding), expected, features)
