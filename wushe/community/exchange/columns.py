"""Which column of a sheet means what: headings under many names, in any order, over one row or two, below titles.

Columns are data (`Column`); a kind of table (`people`, `venues` …) is a tuple of them. Matching is exact on a folded heading, after
brackets, stars and blanks are gone; what is only similar is suggested to the person, never taken silently.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import translation
from django.utils.translation import gettext_lazy as _
from rapidfuzz import fuzz, process

from wushe.community.exchange import values
from wushe.community.exchange.sheets import Cell, Row
from wushe.community.exchange.values import Fault, Reading

Parse = Callable[[Cell, Reading], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind of table.

    `title` and `help` are translatable; `names` are further headings that mean the same, Chinese and English, folded when compared.
    `labels` give the words for stored codes. `export` is False for columns that are only read (a county beside the place).
    `read_right` and `write_right` name a (verb, data class) without which the column is not written out, or not taken in.
    """

    code: str
    title: Any
    names: tuple[str, ...]
    parse: Parse
    example: str = ""
    help: Any = ""
    required: bool = False
    labels: Mapping[str, Any] = field(default_factory=dict)
    export: bool = True
    ditto: bool = True
    read_right: tuple[str, str] | None = None
    write_right: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table that goes in and out. `code` is the KIND of `wushe import KIND FILE`."""

    code: str
    title: Any
    data_class: str
    columns: tuple[Column, ...]
    model_label: str

    def column(self, code: str) -> Column:
        """Return the column of this code; raises KeyError when there is none."""
        for column in self.columns:
            if column.code == code:
                return column
        raise KeyError(code)

    @property
    def required(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.required)


# --- headings ---------------------------------------------------------------------------------------------------------

IGNORED: Final = frozenset(
    {
        "序号",
        "编号(序号)",
        "no",
        "no.",
        "#",
        "行号",
        "id",
        "备用",
        "签名",
        "签字",
        "照片",
        "年龄",
        "age",
        "index",
        "填表日期",
        "登记日期",
    }
)
_BRACKETS = re.compile(r"[（(\[【〔][^）)\]】〕]*[）)\]】〕]")
_NOISE = re.compile(r"[\s\u3000*＊:：?？!！.。、,，\"'“”‘’_\-—–/\\|·]+")
_HEADER_DEPTH: Final = 40
_SIMILAR: Final = 80


def heading_key(text: str) -> str:
    """Return a heading as it is compared and remembered."""
    return _NOISE.sub("", values.narrow(text)).lower()[:80]


def _keys(text: str) -> list[str]:
    bare = _BRACKETS.sub("", text)
    return list(dict.fromkeys(key for key in (heading_key(text), heading_key(bare)) if key))


def heading_names(kind: Kind) -> dict[str, str]:
    """Return every folded heading that means a column of `kind`, with the column's code."""
    found: dict[str, str] = {}
    for column in kind.columns:
        for name in (*in_both_languages(column.title), column.code, *column.names):
            found.setdefault(heading_key(name), column.code)
    return found


def in_both_languages(text: Any) -> tuple[str, str]:
    """Return a translatable text in Chinese and in English: a file may have been written in either."""
    with translation.override("zh-hans"):
        chinese = str(text)
    with translation.override("en"):
        return chinese, str(text)


def choice_of(labels: Mapping[str, Any], further: Mapping[str, Sequence[str]], what: str) -> Parse:
    """Return a parser for one of a list: its labels in both languages, its codes, and `further` words for a code."""
    words: dict[str, str] = {}

    def parse(cell: Cell, reading: Reading) -> str:
        if not words:
            # On first use, not on import: translations are not loaded before.
            for code, label in labels.items():
                for word in (*in_both_languages(label), code, *further.get(code, ())):
                    words.setdefault(values.folded(word), code)
        return values.choice(cell, reading, words=words, what=what)

    return parse


YES_NO: Final[Mapping[str, Any]] = {"True": _("是"), "False": _("否")}


@dataclass(slots=True)
class Heading:
    """One column of a sheet as it was found: where, what is written above it, which column it was taken for, and why.

    `because` is exact, remembered, chosen, ignored, similar (only a suggestion: `column` is "") or unknown.
    """

    position: int
    text: str
    column: str = ""
    because: str = "unknown"
    suggestion: str = ""
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Header:
    """The header of one sheet: the number of its last row, and a heading for each column that has one."""

    last_row: int
    headings: list[Heading]
    keys: frozenset[str] = frozenset()

    @property
    def columns(self) -> dict[str, int]:
        """Column code to position."""
        return {heading.column: heading.position for heading in self.headings if heading.column}


def find_header(
    kind: Kind, rows: Sequence[Row], remembered: Mapping[str, str] | None = None
) -> Header | None:
    """Return the header among the first rows of a sheet, or None when there is none that names a required column.

    `remembered` maps folded headings to column codes ("" for a column to be left out) as someone decided earlier.
    """
    names = heading_names(kind)
    known = dict(remembered or {})
    required = {column.code for column in kind.required}
    best: tuple[float, int, int] | None = None
    candidates = rows[:_HEADER_DEPTH]
    for index, _row in enumerate(candidates):
        for height in (1, 2):
            if index + height > len(candidates):
                continue
            texts = _header_texts(candidates[index : index + height])
            found = {code for text in texts for code in [_match(text, names, known)[0]] if code}
            if not found & required or (len(found) < 2 and not _looks_like_headings(candidates[index])):
                continue
            if height == 2 and not _is_heading_row(candidates[index + 1], names, known):
                continue
            # One row unless the second explains more columns; the topmost of equals.
            score = len(found) + 2 * len(found & required) - (height - 1) * 0.5
            if best is None or score > best[0]:
                best = (score, index, height)
    if best is None:
        return None
    _, index, height = best
    texts = _header_texts(candidates[index : index + height])
    headings = _headings(kind, texts, names, known)
    keys = frozenset(key for text in texts for key in _keys(text[-1]))
    samples = list(rows[index + height :])[:5]
    for heading in headings:
        heading.samples = [
            values.shown(row.cells[heading.position], 24)
            for row in samples
            if heading.position < len(row.cells)
        ]
    return Header(candidates[index + height - 1].number, headings, keys)


def guess_header(rows: Sequence[Row]) -> Header | None:
    """Return the row that looks most like a header although no heading is known, for a person to match by hand; None if none does."""
    likely = [row for row in rows[:10] if _looks_like_headings(row)]
    if not likely:
        return None
    best = max(likely, key=lambda row: (sum(cell not in (None, "") for cell in row.cells), -row.number))
    texts = _header_texts([best])
    samples = [row for row in rows if row.number > best.number][:5]
    headings = [Heading(position, text[0]) for position, text in enumerate(texts) if text[0]]
    for heading in headings:
        heading.samples = [
            values.shown(row.cells[heading.position], 24)
            for row in samples
            if heading.position < len(row.cells)
        ]
    return Header(best.number, headings) if len(headings) > 1 else None


def _looks_like_headings(row: Row) -> bool:
    """True for a row of short, different texts without figures."""
    filled = [cell for cell in row.cells if cell not in (None, "")]
    texts = [cell.strip() for cell in filled if isinstance(cell, str)]
    return (
        bool(texts)
        and len(texts) == len(filled)
        and len(set(texts)) == len(texts)
        and all(len(text) <= 20 and not any(character.isdigit() for character in text) for text in texts)
    )


def _header_texts(rows: Sequence[Row]) -> list[list[str]]:
    """Return for each column what is written above it, upper row first; a heading over several columns counts for each."""
    width = max(len(row.cells) for row in rows)
    texts: list[list[str]] = []
    upper = ""
    for position in range(width):
        column = []
        for level, row in enumerate(rows):
            cell = row.cells[position] if position < len(row.cells) else None
            text = (
                values.shown(cell, 60)
                if isinstance(cell, str)
                else ("" if cell is None else values.shown(cell, 20))
            )
            if len(rows) == 2 and level == 0:
                # Merged cells arrive filled; where the merge was not kept, the last heading to the left spreads.
                upper = text or upper
                text = upper if text or (rows[1].cells[position : position + 1] or [None])[0] else ""
            column.append(text)
        texts.append(list(dict.fromkeys(part for part in column if part)) or [""])
    return texts


def _is_heading_row(row: Row, names: Mapping[str, str], known: Mapping[str, str]) -> bool:
    texts = [cell for cell in row.cells if isinstance(cell, str) and cell.strip()]
    matched = sum(
        any(key in names or key in known or key in IGNORED for key in _keys(text)) for text in texts
    )
    return bool(texts) and matched * 2 >= len(texts)


def _match(text: Sequence[str], names: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, str]:
    """Return (column code, because) for the texts above one column: the lower first, then both together, then the upper."""
    whole = "".join(text)
    tries = [text[-1], whole, *([text[0]] if len(text) > 1 else [])]
    for candidate in tries:
        for key in _keys(candidate):
            if key in known:
                return known[key], "remembered"
    for candidate in tries:
        for key in _keys(candidate):
            if key in names:
                return names[key], "exact"
        if any(key in IGNORED for key in _keys(candidate)):
            return "", "ignored"
    return "", "unknown"


def _headings(
    kind: Kind, texts: Sequence[Sequence[str]], names: Mapping[str, str], known: Mapping[str, str]
) -> list[Heading]:
    headings: list[Heading] = []
    taken: set[str] = set()
    for position, text in enumerate(texts):
        if not text[-1]:
            continue
        code, because = _match(text, names, known)
        if code and code in taken:
            code, because = "", "twice"
        if code:
            taken.add(code)
        headings.append(Heading(position, " / ".join(text), code, because))
    for heading in headings:
        if heading.because == "unknown":
            near = process.extractOne(
                heading_key(heading.text.split(" / ")[-1]),
                names.keys(),
                scorer=fuzz.ratio,
                score_cutoff=_SIMILAR,
            )
            if near is not None and names[near[0]] not in taken:
                heading.because, heading.suggestion = "similar", names[near[0]]
    return headings


# --- rows -------------------------------------------------------------------------------------------------------------

_SUM = re.compile(
    r"(?:合\s*计|总\s*计|小\s*计|共\s*计|总\s*数|总\s*人\s*数|grand total|total|subtotal|sum)(?:\W.*|\d.*)?",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"(?:备\s*注|说\s*明|附\s*注|附|注|填\s*表\s*说?\s*明?|填\s*表\s*(?:人|单位|日期|时间)?|制\s*表\s*人?|审\s*核\s*人?|复\s*核\s*人?|经\s*办\s*人?|"
    r"(?:单\s*位\s*)?负\s*责\s*人(?:签\s*字|签\s*章)?|联\s*系\s*(?:人|电\s*话)|日\s*期|notes?|remarks?)\s*\d*\s*[:：].*|(?:[（(]?以下空白.*)|共\s*\d+\s*[人条户个页].*|第\s*\d+\s*页.*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(slots=True)
class Found:
    """One row taken apart: parsed values by column code, faults as (column code, Fault), notes as codes, and the cells themselves."""

    sheet: str
    number: int
    cells: dict[str, Cell]
    values: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def caught(self, column: str, fault: Fault) -> None:
        """Note a fault that was raised over a column. Where it was raised is let go: it would keep the whole batch alive, in a ring."""
        fault.__context__ = None
        self.faults.append((column, fault.with_traceback(None)))


def is_aside(row: Row, name_position: int | None) -> bool:
    """True for sums, notes below a table and banners across it: rows that belong to the sheet, not to its data."""
    first = next((cell for cell in row.cells if not values.is_blank(cell)), None)
    if not isinstance(first, str):
        return False
    filled = [cell for cell in row.cells if not values.is_blank(cell)]
    if len(filled) > 2 and all(cell == first for cell in filled):
        return True  # one text merged over the whole width
    text = values.narrow(first)
    if not (_SUM.fullmatch(text) or _NOTE.fullmatch(text)):
        return False
    name = row.cells[name_position] if name_position is not None and name_position < len(row.cells) else None
    has_own_name = isinstance(name, str) and name != first and any(character.isalpha() for character in name)
    return not has_own_name or bool(_SUM.fullmatch(values.narrow(str(name))))


def is_repeated_header(row: Row, header: Header) -> bool:
    """True for a header printed again further down."""
    first = next((cell for cell in row.cells if not values.is_blank(cell)), None)
    if not isinstance(first, str) or len(first) > 60 or not any(key in header.keys for key in _keys(first)):
        return False
    texts = [cell for cell in row.cells if isinstance(cell, str) and not values.is_blank(cell)]
    filled = sum(not values.is_blank(cell) for cell in row.cells)
    hits = sum(any(key in header.keys for key in _keys(text)) for text in texts)
    return filled >= 2 and hits == filled


def take_apart(
    kind: Kind,
    sheet: str,
    row: Row,
    columns: Mapping[str, int],
    reading: Reading,
    above: dict[str, Cell],
    only: Iterable[str] | None = None,
) -> Found:
    """Parse one row. `above` holds the last cell of each column for 同上 and is brought up to date."""
    found = Found(sheet, row.number, {})
    wanted = None if only is None else set(only)
    for column in kind.columns:
        position = columns.get(column.code)
        if position is None or (wanted is not None and column.code not in wanted):
            continue
        cell = row.cells[position] if position < len(row.cells) else None
        if values.is_ditto(cell):
            if not column.ditto:
                found.cells[column.code] = cell
                found.faults.append((column.code, Fault("cell.ditto_not_here")))
                continue
            if column.code not in above:
                found.cells[column.code] = cell
                found.faults.append((column.code, Fault("cell.ditto_first")))
                continue
            cell = above[column.code]
        found.cells[column.code] = cell
        if values.is_blank(cell):
            if column.required:
                found.faults.append((column.code, Fault("cell.missing")))
            continue
        above[column.code] = cell
        try:
            found.values[column.code] = column.parse(cell, reading)
        except Fault as fault:
            found.caught(column.code, fault)
    if row.is_hidden:
        found.notes.append(("row.hidden", {}))
    return found
