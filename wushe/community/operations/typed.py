"""What people typed, made fit to store: trimmed, without control characters, within the column's length, or refused with a reason.

SQLite enforces no length, so the operations do.
"""

import unicodedata
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.kernel.problems import Problem


class NotStorable(Problem):
    """A typed value cannot be stored as it is."""

    code = "not_storable"


class NotInTheFuture(Problem):
    """A date of something that is said to have happened lies ahead."""

    code = "date_in_the_future"


def line(model: type[models.Model], name: str, value: str | None) -> str:
    """Return one line of text for the column `name`: trimmed, control characters and line breaks made spaces.

    Raises `NotStorable` when it is longer than the column, or empty where the column may not be.
    """
    typed = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in value or "")
    return _measured(model, name, " ".join(typed.split()))


def paragraphs(model: type[models.Model], name: str, value: str | None) -> str:
    """Return running text for the column `name`: line breaks kept, other control characters dropped."""
    typed = (value or "").replace("\r\n", "\n").replace("\r", "\n")
    return _measured(
        model,
        name,
        "".join(c for c in typed if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")).strip(),
    )


def choice(model: type[models.Model], name: str, value: str) -> str:
    """Return `value` if it is one of the column's choices; raises `NotStorable` otherwise."""
    field = _field(model, name)
    if value not in dict(field.flatchoices):
        raise NotStorable(
            _("“%(name)s”里没有这个选项，请重新选择。") % {"name": field.verbose_name}, field=name
        )
    return value


def past(value: date | None, field: str) -> date | None:
    """Return a date that is not after today, or None; raises `NotInTheFuture`."""
    if value is not None and value > timezone.localdate():
        raise NotInTheFuture(_("日期不能晚于今天。到了那天再登记。"), field=field)
    return value


def coordinates(latitude: object, longitude: object) -> tuple[Decimal | None, Decimal | None]:
    """Return latitude and longitude rounded to about a meter, or two Nones. Raises `NotStorable` for half a point or none on earth."""
    given = [value for value in (latitude, longitude) if value not in (None, "")]
    if not given:
        return None, None
    if len(given) == 1:
        raise NotStorable(_("经度和纬度要么都填，要么都不填。"), field="latitude")
    try:
        north, east = (Decimal(str(value)).quantize(Decimal("0.00001")) for value in given)
    except InvalidOperation:
        raise NotStorable(_("经纬度请写成小数，例如 39.60000 和 109.80000。"), field="latitude") from None
    if not (-90 <= north <= 90 and -180 <= east <= 180):
        raise NotStorable(_("纬度在 -90 到 90 之间，经度在 -180 到 180 之间。"), field="latitude")
    return north, east


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


def _measured(model: type[models.Model], name: str, text: str) -> str:
    field = _field(model, name)
    if not text and not field.blank:
        raise NotStorable(_("请填写“%(name)s”。") % {"name": field.verbose_name}, field=name)
    if field.max_length is not None and len(text) > field.max_length:
        raise NotStorable(
            _("“%(name)s”最多 %(limit)d 个字，现在有 %(length)d 个字。请缩短后再保存。")
            % {"name": field.verbose_name, "limit": field.max_length, "length": len(text)},
            field=name,
        )
    return text
