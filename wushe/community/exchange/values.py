"""What a cell means: dates in every way offices write them, phones, sexes, numbers, yes and no. Values in, values or a fault out.

A parser either knows what a cell says or raises `Fault`; it never guesses between two readings, and never drops digits
quietly. A fault is a code and its details, put into words by `wording` in the reader's language; the details never hold
an identity number.
"""

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from wushe.community.exchange.sheets import Cell, ErrorCell
from wushe.kernel.text import normalize_phone


class Fault(Exception):
    """One cell or row cannot be taken over. `code` names the reason, `details` fill the sentence (short texts only)."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser may need to know besides the cell: how bare date numbers count, and which day it is."""

    epoch: int = 1900
    today: dt.date = field(default_factory=dt.date.today)


Parsed = Any

_BLANK_WORDS: Final = frozenset(
    {
        "",
        "无",
        "没有",
        "暂无",
        "-",
        "--",
        "—",
        "——",
        "/",
        "\\",
        "n/a",
        "na",
        "none",
        "null",
        "nil",
        "不详",
        "未知",
    }
)
_DITTO: Final = frozenset({"同上", "同前", "〃", "″", "''", '"', "“", "”", "々", "ditto", "do", "do."})
# Characters that show nothing and hide in copied text; a name keeps all that can be seen.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
_SPACES = re.compile(r"[\s\u3000\u00a0]+")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:\.\d+)?[eE][+]?\d+")
# Excel keeps fifteen digits of a number; of anything longer the end is already lost when it reaches us.
_EXACT: Final = 10**15


def is_ditto(cell: Cell) -> bool:
    """True for 同上 and the marks that mean it."""
    return isinstance(cell, str) and cell.strip().lower() in _DITTO


def shown(cell: Cell, limit: int = 40) -> str:
    """Return a cell as one short line, for quoting it in a sentence."""
    text = as_text(cell) if not isinstance(cell, ErrorCell) else "#"
    text = _CONTROL.sub("", _SPACES.sub(" ", text)).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_text(cell: Cell) -> str:
    """Return a cell as the office program would show it without any number format."""
    match cell:
        case None:
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case int():
            return str(cell)
        case float():
            if not math.isfinite(cell):
                return ""
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e21 else repr(cell)
        case dt.datetime():
            return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ", "minutes")
        case dt.date() | dt.time():
            return cell.isoformat()
        case dt.timedelta():
            return str(cell)
        case _:
            return cell


def clean(cell: Cell) -> str:
    """Return the visible text of a cell, edges trimmed. Raises `Fault` where text was lost before it came here."""
    if isinstance(cell, ErrorCell):
        raise Fault("cell.error")
    text = cell if type(cell) is str else as_text(cell)
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    if "\ufffd" in text:
        raise Fault("text.lost_character", value=shown(text.replace("\ufffd", "□")))
    if _CONTROL.search(text):
        raise Fault("text.control_character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Fault("text.lost_character", value="") from None
    return _INVISIBLE.sub("", text).strip(" \t\r\n\u3000\u00a0")


def is_blank(cell: Cell) -> bool:
    """True for an empty cell and for the words and marks people put where nothing is."""
    if cell is None or cell == "":
        return True
    if type(cell) is not str or len(cell) > 12:
        # Most cells end here; only a short text can be such a word, and only whitespace can be long and blank.
        return type(cell) is str and not _INVISIBLE.sub("", cell).strip(" \t\r\n\u3000\u00a0")
    return _INVISIBLE.sub("", cell).strip(" \t\r\n\u3000\u00a0").lower() in _BLANK_WORDS


def narrow(text: str) -> str:
    """Return `text` with full-width digits, letters and punctuation made ordinary; for everything but names."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


# --- text and names ---------------------------------------------------------------------------------------------------


def line(cell: Cell, _reading: Reading, *, limit: int = 200) -> str:
    """One line of text, runs of blanks made one."""
    text = _SPACES.sub(" ", clean(cell))
    if len(text) > limit:
        raise Fault("text.too_long", limit=limit, length=len(text))
    return text


def paragraph(cell: Cell, _reading: Reading, *, limit: int = 2000) -> str:
    """Text in which line breaks stay."""
    text = clean(cell).replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > limit:
        raise Fault("text.too_long", limit=limit, length=len(text))
    return text


def person_name(cell: Cell, reading: Reading) -> str:
    """A person's name as typed. Blanks set between single Chinese characters for the look of a column ("张 三") go."""
    if isinstance(cell, bool | int | float | dt.date | dt.time | dt.timedelta):
        raise Fault("name.is_a_number", value=shown(cell))
    name = line(cell, reading, limit=200)
    parts = name.split(" ")
    if 1 < len(parts) <= 4 and all(len(part) == 1 and _is_han(part) for part in parts):
        name = "".join(parts)
    if not any(character.isalpha() for character in name):
        raise Fault("name.no_letters", value=shown(name))
    if any(character.isdigit() and character.isascii() for character in narrow(name)) and not any(
        character.isalpha() for character in name
    ):
        raise Fault("name.no_letters", value=shown(name))
    return name


def _is_han(character: str) -> bool:
    point = ord(character)
    return (
        0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF
        or 0x20000 <= point <= 0x3FFFF
        or character == "〇"
    )


# --- dates ------------------------------------------------------------------------------------------------------------

_YMD = re.compile(r"(\d{4}|\d{2})\s*[-./年、]\s*(\d{1,2})\s*[-./月、]\s*(\d{1,2})\s*[日号]?")
_YM = re.compile(r"(\d{4})\s*[-./年]\s*(\d{1,2})\s*月?")
_Y = re.compile(r"(\d{4})\s*年?")
_DMY = re.compile(r"(\d{1,2})\s*[-./]\s*(\d{1,2})\s*[-./]\s*(\d{4})")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_CLOCK = re.compile(r"[ T]\s*\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$")
_CHINESE_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_CHINESE_DATE = re.compile(
    r"([〇零一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})[日号]"
)


def date(cell: Cell, reading: Reading) -> dt.date:
    """A day. Two-digit years count only where just one century is possible; a day is never invented."""
    match cell:
        case bool():
            raise Fault("date.not_a_date", value=shown(cell))
        case dt.datetime():
            return _within(cell.date(), cell)
        case dt.date():
            return _within(cell, cell)
        case dt.time() | dt.timedelta():
            raise Fault("date.not_a_date", value=shown(cell))
        case int() | float():
            return _date_of_number(float(cell), reading)
    written = clean(cell)
    text = _CLOCK.sub("", narrow(written))
    chinese = _CHINESE_DATE.fullmatch(text)
    if chinese:
        year, month, day = chinese.groups()
        return _day(int(year.translate(_CHINESE_DIGITS)), _chinese_number(month), _chinese_number(day), cell)
    compact = _COMPACT.fullmatch(text)
    if compact:
        year, month, day = compact.groups()
        return _day(int(year), int(month), int(day), cell)
    found = _YMD.fullmatch(text)
    if found:
        year, month, day = found.groups()
        return (
            _day(int(year), int(month), int(day), cell)
            if len(year) == 4
            else _short_year(int(year), int(month), int(day), cell, reading)
        )
    found = _DMY.fullmatch(text)
    if found:
        first, second, year = map(int, found.groups())
        if first > 12 or first == second:
            return _day(year, second, first, cell)
        if second > 12:
            return _day(year, first, second, cell)
        raise Fault("date.day_or_month", value=shown(cell))
    if _YM.fullmatch(text):
        raise Fault("date.no_day", value=shown(cell))
    try:
        number = float(text)
    except ValueError:
        raise Fault("date.not_a_date", value=shown(cell)) from None
    if _Y.fullmatch(text):
        raise Fault("date.only_year", value=shown(cell))
    return _date_of_number(number, reading)


def _date_of_number(number: float, reading: Reading) -> dt.date:
    if not math.isfinite(number):
        raise Fault("date.not_a_date", value="")
    if number.is_integer() and 19_000_101 <= number <= 22_001_231:
        whole = int(number)
        return _day(whole // 10_000, whole // 100 % 100, whole % 100, whole)
    if 1900 <= number <= 2100 and number.is_integer():
        # 1965 is a year far more often than the 18th of May 1905.
        raise Fault("date.only_year", value=shown(number))
    whole = math.floor(number)
    if reading.epoch == 1904:
        if 0 <= whole <= 71_588:
            return dt.date(1904, 1, 1) + dt.timedelta(days=whole)
    elif whole == 60:
        raise Fault("date.no_such_day", value="1900-02-29")
    elif 1 <= whole < 60:
        return dt.date(1899, 12, 31) + dt.timedelta(days=whole)
    elif 60 < whole <= 73_050:
        return dt.date(1899, 12, 30) + dt.timedelta(days=whole)
    raise Fault("date.not_a_date", value=shown(number))


def _short_year(year: int, month: int, day: int, cell: Cell, reading: Reading) -> dt.date:
    late = _day(2000 + year, month, day, cell)
    early = _day(1900 + year, month, day, cell)
    if late > reading.today:
        return early
    if early < reading.today - dt.timedelta(days=366 * 110):
        return late
    raise Fault("date.which_century", value=shown(cell), early=early.year, late=late.year)


def _chinese_number(text: str) -> int:
    digits = dict(zip("一二三四五六七八九", range(1, 10), strict=True))
    if "十" not in text:
        return digits.get(text, 0)
    tens, _, ones = text.partition("十")
    return (digits.get(tens, 1) if tens else 1) * 10 + (digits.get(ones, 0) if ones else 0)


def _day(year: int, month: int, day: int, cell: Cell) -> dt.date:
    try:
        return _within(dt.date(year, month, day), cell)
    except ValueError:
        raise Fault("date.no_such_day", value=shown(cell)) from None


def _within(day: dt.date, cell: Cell) -> dt.date:
    if not 1800 <= day.year <= 2200:
        raise Fault("date.out_of_range", value=shown(cell))
    return day


def past_date(cell: Cell, reading: Reading) -> dt.date:
    """A day up to today."""
    day = date(cell, reading)
    if day > reading.today:
        raise Fault("date.in_the_future", value=day.isoformat())
    return day


def birth_date(cell: Cell, reading: Reading) -> dt.date:
    """A day of birth: past, and of somebody who can be alive."""
    day = past_date(cell, reading)
    if reading.today.year - day.year > 125:
        raise Fault("date.too_long_ago", value=day.isoformat())
    return day


# --- numbers ----------------------------------------------------------------------------------------------------------


def digits_of(cell: Cell, kind: str) -> str:
    """Return a long number as text. Raises `Fault` when the office program has already rounded its end away."""
    if isinstance(cell, bool):
        raise Fault(f"{kind}.not_one")
    if isinstance(cell, int | float):
        if not math.isfinite(cell) or cell < 0 or float(cell) != math.floor(cell):
            raise Fault(f"{kind}.not_one")
        if cell >= _EXACT:
            raise Fault("number.digits_lost")
        return str(int(cell))
    if isinstance(cell, dt.date | dt.time | dt.timedelta):
        raise Fault("number.became_date", value=shown(cell))
    text = narrow(clean(cell)).lstrip("'`’‘")
    if _SCIENTIFIC.fullmatch(text):
        raise Fault("number.digits_lost")
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def identity(cell: Cell, _reading: Reading) -> str:
    """An identity number as typed, without blanks and in capitals; whether it is a right one is the rules' to say."""
    text = re.sub(r"[\s-]", "", digits_of(cell, "identity")).upper()
    if len(text) > 40:
        raise Fault("identity.not_one")
    return text


_PHONE_MARKS = re.compile(r"[、,，/／;；|\n\r]+|\s*(?:或|和|及)\s*")
_PHONE_WORDS = re.compile(
    r"[（(][^（）()]{0,20}[)）]|[一-鿿]{1,4}[:：]?|(?:tel|phone|mobile|mob|cell)\.?:?", re.IGNORECASE
)


def phones(cell: Cell, _reading: Reading) -> tuple[str, ...]:
    """One or more mainland numbers in one cell, in order, as digits."""
    text = digits_of(cell, "phone")
    if "*" in text:
        raise Fault("phone.masked", value=shown(text))
    found: list[str] = []
    for part in _PHONE_MARKS.split(text):
        bare = _PHONE_WORDS.sub("", part).strip()
        if not bare:
            continue
        number = normalize_phone(bare)
        # Two numbers with only a blank between them; a blank inside one number is tried first.
        several = [number] if number else [normalize_phone(piece) for piece in bare.split()]
        if not several or any(one is None for one in several) or re.search(r"[^\d\s+()（）.\-—–*#]", bare):
            raise Fault("phone.not_one", value=shown(part))
        found.extend(one for one in several if one)
    if not found:
        raise Fault("phone.not_one", value=shown(text))
    if len(found) > 5:
        raise Fault("phone.too_many", count=len(found))
    return tuple(dict.fromkeys(found))


def office_phone(cell: Cell, _reading: Reading) -> str:
    """A public number as text: service lines and extensions are allowed, letters are not."""
    text = _SPACES.sub(" ", digits_of(cell, "phone"))
    if len(text) > 40:
        raise Fault("text.too_long", limit=40, length=len(text))
    if len(re.sub(r"\D", "", text)) < 3 or re.search(r"[A-Za-z]{4,}", text):
        raise Fault("phone.not_one", value=shown(text))
    return text


def email(cell: Cell, _reading: Reading) -> str:
    """One mail address, in lower case."""
    text = narrow(clean(cell)).lower().removeprefix("mailto:")
    if not re.fullmatch(r"[^@\s,;]{1,64}@[^@\s,;]+\.[^@\s,;.]{2,}", text) or len(text) > 200:
        raise Fault("email.not_one", value=shown(text))
    return text


def code(cell: Cell, _reading: Reading, *, limit: int = 20) -> str:
    """A number or code that is only compared: no blanks, capitals, no lost digits."""
    text = re.sub(r"\s+", "", digits_of(cell, "code")).upper()
    if len(text) > limit:
        raise Fault("text.too_long", limit=limit, length=len(text))
    return text


_COUNT_WORDS = re.compile(r"(?:约|大约)?\s*([\d,，]+(?:\.0+)?)\s*(?:人|个|座|位|名|间)?")


def count(cell: Cell, _reading: Reading, *, most: int = 1_000_000) -> int:
    """A whole number, not negative."""
    if isinstance(cell, bool):
        raise Fault("count.not_one", value=shown(cell))
    text = narrow(clean(cell))
    found = _COUNT_WORDS.fullmatch(text)
    if not found:
        raise Fault("count.not_one", value=shown(text))
    number = int(float(re.sub(r"[,，]", "", found.group(1))))
    if number > most:
        raise Fault("count.too_big", value=shown(text), most=most)
    return number


def money(cell: Cell, _reading: Reading) -> int:
    """An amount in yuan (¥, 元, 万元 allowed), returned in fen."""
    if isinstance(cell, bool):
        raise Fault("money.not_one", value=shown(cell))
    text = re.sub(r"[¥￥,，\s]|RMB|CNY|人民币", "", narrow(clean(cell)), flags=re.IGNORECASE)
    factor = 1
    if text.endswith(("万元", "万")):
        text, factor = text.rstrip("元").rstrip("万"), 10_000
    try:
        amount = Decimal(text.rstrip("元")) * 100 * factor
    except InvalidOperation:
        raise Fault("money.not_one", value=shown(cell)) from None
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value() or amount >= 10**15:
        raise Fault("money.not_one", value=shown(cell))
    return int(amount)


def degrees(cell: Cell, _reading: Reading, *, most: int = 180) -> Decimal:
    """A coordinate in decimal degrees, to five places (about a metre)."""
    try:
        number = Decimal(narrow(clean(cell)).rstrip("°")).quantize(Decimal("0.00001"))
    except InvalidOperation:
        raise Fault("degrees.not_one", value=shown(cell)) from None
    if isinstance(cell, bool) or not number.is_finite() or abs(number) > most:
        raise Fault("degrees.not_one", value=shown(cell))
    return number


# --- choices ----------------------------------------------------------------------------------------------------------

_SEXES: Final = {
    **dict.fromkeys(("男", "男性", "男士", "男生", "先生", "m", "male", "man", "1", "♂"), "MALE"),
    **dict.fromkeys(("女", "女性", "女士", "女生", "小姐", "f", "female", "woman", "2", "♀"), "FEMALE"),
    **dict.fromkeys(("未知", "不详", "保密", "未填", "unknown", "0", "9", "未说明", "-"), "UNKNOWN"),
}
_YES: Final = frozenset(
    {"是", "有", "√", "✓", "✔", "y", "yes", "true", "1", "对", "公开", "在用", "开放", "☑", "t"}
)
_NO: Final = frozenset(
    {
        "否",
        "无",
        "没有",
        "×",
        "✗",
        "✘",
        "x",
        "n",
        "no",
        "false",
        "0",
        "不",
        "不公开",
        "停用",
        "关闭",
        "☐",
        "f",
        "-",
    }
)


def sex(cell: Cell, _reading: Reading) -> str:
    """MALE, FEMALE or UNKNOWN."""
    found = _SEXES.get(narrow(clean(cell)).lower())
    if found is None:
        raise Fault("sex.not_one", value=shown(cell))
    return found


def yes_no(cell: Cell, _reading: Reading) -> bool:
    """Yes or no, in the words and ticks people use."""
    if isinstance(cell, bool):
        return cell
    text = narrow(clean(cell)).lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise Fault("yes_no.not_one", value=shown(cell))


def choice(cell: Cell, _reading: Reading, *, words: Mapping[str, str], what: str) -> str:
    """One of a list; `words` maps every accepted word, folded by `folded`, to its code."""
    found = words.get(folded(clean(cell)))
    if found is None:
        raise Fault("choice.not_one", value=shown(cell), what=what)
    return found


def folded(text: str) -> str:
    """Return a word as it is compared: narrow, lower case, without blanks and brackets' blanks."""
    return re.sub(r"[\s_]+", "", narrow(text)).lower()
