"""The form of a stored value that SQLite and PostgreSQL share. Each kind of column has four functions, or none where text is text.

| kind | in the backup | SQLite | PostgreSQL (COPY text) |
|---|---|---|---|
| uuid | 32 hex digits | the same | with dashes |
| instant | `2026-01-31 08:00:00.000000` (UTC) | fraction left out when zero | with offset |
| time | `08:00:00.000000` | fraction left out when zero | the same |
| boolean | true, false | 1, 0 | t, f |
| json | canonical text | text | jsonb |
| binary | base64 | blob | \\x hex |
| decimal:N | text with N places | number | number |
| float | number | number | number |
| integer | integer | integer | integer |
| duration | microseconds | microseconds | interval |
| text, date | text | text | text |
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import models

Convert = Callable[[Any], Any]

_INTEGERS = {
    "AutoField",
    "BigAutoField",
    "SmallAutoField",
    "IntegerField",
    "BigIntegerField",
    "SmallIntegerField",
    "PositiveIntegerField",
    "PositiveBigIntegerField",
    "PositiveSmallIntegerField",
}
_KINDS = {
    "UUIDField": "uuid",
    "DateTimeField": "instant",
    "TimeField": "time",
    "DateField": "date",
    "BooleanField": "boolean",
    "JSONField": "json",
    "BinaryField": "binary",
    "FloatField": "float",
    "DurationField": "duration",
}


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value leaves and enters each database; None where it passes as it is."""

    from_sqlite: Convert | None = None
    from_postgresql: Convert | None = None
    to_sqlite: Convert | None = None
    to_postgresql: Convert | None = None


def kind_of(field: models.Field[Any, Any]) -> str:
    """Return the kind of a model's column; a foreign key has the kind of what it points to."""
    while field.remote_field is not None and hasattr(field, "target_field"):
        field = field.target_field
    internal = field.get_internal_type()
    if internal in _INTEGERS:
        return "integer"
    if isinstance(field, models.DecimalField):
        return f"decimal:{field.decimal_places}"
    return _KINDS.get(internal, "text")


def codec(kind: str) -> Codec:
    """Return the codec of `kind`; raises `KeyError` for one this version does not know."""
    name, _, places = kind.partition(":")
    if name == "decimal":
        return Codec(from_sqlite=lambda value: _decimal(value, int(places)), to_sqlite=float)
    return _CODECS[name]


def _decimal(value: Any, places: int) -> str:
    return f"{Decimal(repr(value) if isinstance(value, float) else str(value)):.{places}f}"


def _clock(text: str) -> str:
    """Give a time its six digits after the second."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<6}"


def _without_zero_fraction(text: str) -> str:
    return text.removesuffix(".000000")


def _instant(text: str) -> str:
    # 19 or 26 characters are what Django itself writes; anything else was written by hand and is read with care.
    if len(text) == 26 and text[10] == " ":
        return text
    if len(text) == 19 and text[10] == " ":
        return text + ".000000"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _json(text: str) -> str:
    return json.dumps(_plain(json.loads(text)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    # PostgreSQL's jsonb keeps numbers as decimals and prints 1e16 as an integer: whole numbers are integers for both.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


_CODECS = {
    "text": Codec(from_sqlite=str),
    "date": Codec(from_sqlite=str),
    "integer": Codec(from_postgresql=int),
    "uuid": Codec(
        from_sqlite=lambda value: value.replace("-", "").lower(),
        from_postgresql=lambda value: value.replace("-", ""),
    ),
    "instant": Codec(
        from_sqlite=_instant,
        from_postgresql=lambda value: _clock(value.removesuffix("+00")),
        to_sqlite=_without_zero_fraction,
        to_postgresql=lambda value: value + "+00",
    ),
    "time": Codec(from_sqlite=_clock, from_postgresql=_clock, to_sqlite=_without_zero_fraction),
    "boolean": Codec(
        from_sqlite=bool,
        from_postgresql="t".__eq__,
        to_sqlite=int,
        to_postgresql=lambda value: "t" if value else "f",
    ),
    "json": Codec(from_sqlite=_json, from_postgresql=_json),
    "binary": Codec(
        from_sqlite=lambda value: base64.b64encode(value).decode(),
        from_postgresql=lambda value: base64.b64encode(bytes.fromhex(value[2:])).decode(),
        to_sqlite=base64.b64decode,
        to_postgresql=lambda value: "\\x" + base64.b64decode(value).hex(),
    ),
    "float": Codec(from_sqlite=float, from_postgresql=float),
    "duration": Codec(from_postgresql=int, to_postgresql=lambda value: f"{value} microseconds"),
}
