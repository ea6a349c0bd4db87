"""Filters of account pages."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

from wushe.web.accounts import labels
from wushe.web.templatetags.wushe import day

register = template.Library()


@register.filter
def role(code: str) -> str:
    """The word for a role code."""
    return labels.role(code)


@register.filter
def last_day(instant: datetime | None) -> str:
    """The last day on which something that ends at `instant` still counts."""
    return (
        ""
        if instant is None
        else day(timezone.localtime(instant - timedelta(microseconds=1)).date(), "short")
    )


@register.filter
def is_past(instant: datetime | None) -> bool:
    """True when `instant` is over."""
    return instant is not None and instant <= timezone.now()
