"""Filters and tags of the design system. See docs/design-system.md for how to use each."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.forms import BoundField
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.template.context import Context
from django.template.loader import render_to_string
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from wushe.kernel.text import mask_phone
from wushe.web import icons, navigation
from wushe.web.charts import Chart
from wushe.web.components import SOCIETIES, Step
from wushe.web.forms import Form
from wushe.web.lists import DEMO_MARK, Listing
from wushe.web.maps import PointMap

register = template.Library()

_WEEKDAYS = ("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))  # zh: only on Chinese pages
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MISSING = "—"


def _english() -> bool:
    return (get_language() or "").startswith("en")


def _local(value: date | datetime) -> date | datetime:
    return timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value


# --- filters: dates and times -----------------------------------------------------------------------------------------


@register.filter
def day(value: date | datetime | None, style: str = "") -> str:
    """2026年3月8日 周日 / Sun 8 Mar 2026; with "short" without the weekday. Nothing for None."""
    if not isinstance(value, date):
        return ""
    value = _local(value)
    if _english():
        text = f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
        return text if style == "short" else f"{_WEEKDAYS[1][value.weekday()]} {text}"
    text = f"{value.year}年{value.month}月{value.day}日"  # zh: only on Chinese pages
    if style == "short":
        return text
    return f"{text} 周{_WEEKDAYS[0][value.weekday()]}"  # zh: only on Chinese pages


@register.filter
def clock(value: datetime | time | None) -> str:
    """24-hour clock: 14:05."""
    if isinstance(value, datetime):
        value = _local(value)  # type: ignore[assignment]  # a datetime stays a datetime
    return f"{value.hour:02d}:{value.minute:02d}" if isinstance(value, datetime | time) else ""


@register.filter
def moment(value: datetime | None) -> str:
    """Date and time of day: 2026年3月8日 14:05 / 8 Mar 2026, 14:05."""
    if not isinstance(value, datetime):
        return day(value, "short")
    return f"{day(value, 'short')}{',' if _english() else ''} {clock(value)}"


@register.filter
def month(value: date | datetime | None) -> str:
    """2026年3月 / Mar 2026."""
    if not isinstance(value, date):
        return ""
    value = _local(value)
    if _english():
        return f"{_MONTHS[value.month - 1]} {value.year}"
    return f"{value.year}年{value.month}月"  # zh: only on Chinese pages


@register.filter
def iso(value: date | datetime | None) -> str:
    """The machine-readable form for <time datetime="">."""
    if isinstance(value, datetime) and timezone.is_aware(value):
        value = timezone.localtime(value)
    return value.isoformat(timespec="minutes") if isinstance(value, datetime) else str(value or "")


# --- filters: numbers -------------------------------------------------------------------------------------------------


def _trim(value: Decimal, places: str) -> str:
    text = f"{value.quantize(Decimal(places), ROUND_HALF_UP):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def yuan(fen: int | None) -> str:
    """Exact money from fen: ¥1,234.50."""
    if fen is None:
        return MISSING
    sign = "−" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


@register.filter
def wan(fen: int | None) -> str:
    """Money in summaries, from fen: ¥12.3 万， ¥1.2 亿； whole yuan in English and below ten thousand yuan."""
    if fen is None:
        return MISSING
    amount = Decimal(abs(fen)) / 100
    sign = "−" if fen < 0 else ""
    if not _english() and amount >= 100_000_000:
        return f"{sign}¥{_trim(amount / 100_000_000, '0.01')} 亿"  # zh: only on Chinese pages
    if not _english() and amount >= 10_000:
        return f"{sign}¥{_trim(amount / 10_000, '0.1')} 万"  # zh: only on Chinese pages
    return f"{sign}¥{_trim(amount, '1')}"


@register.filter
def hours(minutes: int | None) -> str:
    """Hours from minutes: 2.5 小时 / 2.5 h."""
    if minutes is None:
        return MISSING
    text = _trim(Decimal(minutes) / 60, "0.01")
    return f"{text} h" if _english() else f"{text} 小时"  # zh: only on Chinese pages


@register.filter
def count(value: int | None) -> str:
    """A number with its thousands separated; a dash for None (unknown is not zero)."""
    return MISSING if value is None else f"{value:,}"


@register.filter
def big(value: int | None) -> str:
    """A large number in a summary: 36 万， 1.2 亿 / 360,000."""
    if value is None:
        return MISSING
    if _english() or abs(value) < 10_000:
        return f"{value:,}"
    if abs(value) >= 100_000_000:
        return f"{_trim(Decimal(value) / 100_000_000, '0.01')} 亿"  # zh: only on Chinese pages
    return f"{_trim(Decimal(value) / 10_000, '0.1')} 万"  # zh: only on Chinese pages


@register.filter
def rate(part: int | None, whole: int | None) -> str:
    """A rate with its base: 7 / 9; from a base of 20 on with the share beside it: 70 / 90 (78 %)."""
    if part is None or not whole:
        return _("暂无")
    text = f"{part:,} / {whole:,}"
    return f"{text} ({round(100 * part / whole)} %)" if whole >= 20 else text


# --- filters: text ----------------------------------------------------------------------------------------------------


@register.filter
def dash(value: object) -> object:
    """The value, or a dash where there is none: in a stacked table a phone leaves such a line out."""
    return value if value or value == 0 else format_html('<span class="w-nil">{}</span>', MISSING)


@register.filter
def masked_phone(value: str | None) -> str:
    """138****1234; a dash where there is none."""
    return mask_phone(value) if value else MISSING


@register.filter
def grouped(value: str | None, size: int = 4) -> str:
    """A code in groups that are easy to read out: AB3K 9Q2M."""
    text = "".join(str(value or "").split())
    return " ".join(text[i : i + size] for i in range(0, len(text), size))


@register.filter
def zh(value: object) -> SafeString | str:
    """Mark Chinese text inside an English page, so that it is read out and drawn as Chinese."""
    return format_html('<span lang="zh-Hans">{}</span>', value) if _english() and value else str(value or "")


def _marked(text: object) -> SafeString:
    """Mark the Chinese names inside a line of an English page; `text` is escaped first unless it is safe already."""
    line = conditional_escape(text if isinstance(text, SafeString) else str(text))
    if not _english():
        return line
    return mark_safe(
        re.sub(
            r"[\u3007\u3400-\u9fff（）·]*[\u3400-\u9fff][\u3007\u3400-\u9fff（）·]*",
            r'<span lang="zh-Hans">\g<0></span>',
            line,
        )
    )


@register.filter
def names(value: object) -> SafeString | str:
    """Text that may hold Chinese names: on English pages each of them is marked as Chinese. Not inside attributes."""
    return _marked(value) if value else ""


# --- tags: small pieces -----------------------------------------------------------------------------------------------


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A decorative icon."""
    return icons.icon(name, extra)


@register.simple_tag
def society(key: str) -> SafeString:
    """Badge of one of the five societies: hue, icon and word."""
    found = SOCIETIES[key]
    return format_html(
        '<span class="w-society hue-{}">{}{}</span>',
        key.replace("_", "-"),
        icons.icon(found.icon),
        found.label,
    )


_STATUS_ICONS = {
    "good": "check-circle",
    "wait": "clock",
    "warn": "alert",
    "bad": "close",
    "off": "minus",
    "info": "info",
}


@register.simple_tag
def status(kind: str, text: object) -> SafeString:
    """A state in icon and word."""
    return format_html('<span class="w-status w-{}">{}{}</span>', kind, icons.icon(_STATUS_ICONS[kind]), text)


@register.inclusion_tag("components/figure.html")
def figure(
    value: object,
    label: object,
    href: str = "",
    *,
    unit: object = "",
    note: object = "",
    base: object = None,
    society: str = "",
    missing: bool = False,
) -> dict[str, Any]:
    """A big number that opens its records. `base` is the number it is out of; `missing` says that it is not known."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return {
        "value": f"{value:,}" if number else value,
        "label": label,
        "href": href,
        "unit": unit,
        "note": note,
        "base": base,
        "hue": f"hue-{society.replace('_', '-')}" if society else "",
        "icon": SOCIETIES[society].icon if society else "",
        "missing": missing or value is None,
    }


@register.inclusion_tag("components/empty_state.html")
def empty_state(
    icon: str, title: object, text: object = "", label: object = "", href: str = ""
) -> dict[str, Any]:
    """What to show where nothing is: what would be here, and how to begin."""
    return {"icon": icon, "title": title, "text": text, "label": label, "href": href}


@register.inclusion_tag("components/timeline.html")
def timeline(steps: Iterable[Step]) -> dict[str, Any]:
    """Dated steps with the names of bodies, oldest first."""
    return {"steps": list(steps)}


@register.simple_tag
def crumb(href: str, label: object) -> SafeString:
    """One crumb; the last has no address and is the page itself."""
    if not href:
        return format_html('<li aria-current="page">{}</li>', _marked(label))
    return format_html('<li><a href="{}">{}</a></li>', href, _marked(label))


@register.simple_tag
def back_link(href: str, label: object = "") -> SafeString:
    """Back to where one came from, at the top of a portal page."""
    return format_html(
        '<a class="w-back" href="{}">{}{}</a>', href, icons.icon("arrow-left"), label or _("返回")
    )


@register.simple_tag
def tab(href: str, label: object, *, active: bool = False, count: int | None = None) -> SafeString:
    """One tab: an ordinary link."""
    number = format_html(' <span class="w-tab-count">{}</span>', f"{count:,}") if count is not None else ""
    current = SafeString(' aria-current="page"') if active else ""
    return format_html('<li><a href="{}"{}>{}{}</a></li>', href, current, label, number)


@register.inclusion_tag("components/code_block.html")
def code_block(text: str, label: object = "") -> dict[str, Any]:
    """Text made for copying."""
    return {"text": text, "label": label}


@register.inclusion_tag("components/post_button.html", takes_context=True)
def post_button(
    context: Context,
    url: str,
    label: object,
    icon: str = "",
    css: str = "btn btn-outline-secondary",
    **values: object,
) -> dict[str, Any]:
    """A form of one button, with hidden values."""
    return {
        "url": url,
        "label": label,
        "icon": icon,
        "css": css,
        "values": values,
        "csrf_token": context.get("csrf_token"),
    }


# --- tags with a body -------------------------------------------------------------------------------------------------


class _Wrapped(template.Node):
    """Draws its body between two pieces of markup, decided by the first argument."""

    def __init__(self, template_name: str, argument: FilterExpression | None, body: NodeList) -> None:
        self.template_name = template_name
        self.argument = argument
        self.body = body

    def render(self, context: Context) -> SafeString:
        kind = self.argument.resolve(context) if self.argument else ""
        return render_to_string(
            self.template_name,
            {"kind": kind, "icon": _STATUS_ICONS.get(str(kind), "info"), "body": self.body.render(context)},
        )


def _wrapping(name: str, template_name: str) -> None:
    def compile_tag(parser: Parser, token: Token) -> _Wrapped:
        pieces = token.split_contents()
        body = parser.parse((f"end{name}",))
        parser.delete_first_token()
        return _Wrapped(template_name, parser.compile_filter(pieces[1]) if len(pieces) > 1 else None, body)

    register.tag(name, compile_tag)


_wrapping("notice", "components/notice.html")
_wrapping("tabs", "components/tabs.html")
_wrapping("phone_fold", "components/phone_fold.html")


# --- tags: charts and maps --------------------------------------------------------------------------------------------


@register.inclusion_tag("components/chart.html")
def chart(chart: Chart, *, enhance: bool = False, heading: int = 3) -> dict[str, Any]:
    """A chart with its table."""
    return {"chart": chart, "enhance": enhance and chart.kind in ("ring", "line")}


@register.inclusion_tag("components/map.html")
def map(chart: PointMap, *, enhance: bool = False) -> dict[str, Any]:
    """Points on a blank canvas with their list."""
    return {"map": chart, "enhance": enhance and bool(chart.points)}


_SCRIPT_ESCAPES = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


@register.filter
def as_json(value: object) -> SafeString:
    """JSON that may stand inside a script element of type application/json."""
    return mark_safe(json.dumps(value, ensure_ascii=False).translate(_SCRIPT_ESCAPES))


# --- tags: lists ------------------------------------------------------------------------------------------------------


@register.inclusion_tag("components/filter_bar.html")
def filter_bar(listing: Listing) -> dict[str, Any]:
    """The filters of a list as a GET form: the search box stays in sight, a phone folds the others and says how many are set."""
    form = listing.filters
    fields = form.visible_fields() if form else []
    first = next(iter(fields), None)
    if first is not None and getattr(first.field.widget, "input_type", "") not in ("text", "search"):
        first = None
    others = [one for one in fields if first is None or one.name != first.name]
    return {
        "listing": listing,
        "form": form,
        "first": first,
        "others": others,
        "in_use": sum(one.value() not in (None, "", [], (), False) for one in others),
        "open": any(one.errors for one in others),
    }


@register.inclusion_tag("components/list_head.html")
def list_head(listing: Listing) -> dict[str, Any]:
    """How many rows, how many a page, and the export links."""
    return {"listing": listing}


@register.inclusion_tag("components/sort_header.html")
def sort_header(listing: Listing, key: str, label: object, css: str = "") -> dict[str, Any]:
    """A column heading that sorts."""
    active = listing.sort_key == key
    return {
        "href": listing.sort_url(key),
        "label": label,
        "css": css,
        "direction": ("descending" if listing.descending else "ascending") if active else "",
    }


@register.inclusion_tag("components/pager.html")
def pager(listing: Listing) -> dict[str, Any]:
    """Links to the other pages of a list; nothing when there is only one."""
    return {"listing": listing}


# --- tags: forms ------------------------------------------------------------------------------------------------------


@register.simple_tag
def field(bound: BoundField) -> SafeString:
    """One field with label, help and error."""
    return bound.as_field_group()


@register.inclusion_tag("forms/summary.html")
def error_summary(form: Form) -> dict[str, Any]:
    """What is wrong, on top of the form, each line leading to its field."""
    return {"problems": list(form.problems()) if form.is_bound else []}


# --- tags: the frame --------------------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def menu(context: Context, face: navigation.Face) -> Sequence[navigation.Link]:
    """The menu entries of a face that this visitor may follow."""
    request = context.get("request")
    if request is None:
        return []
    return list(navigation.links(face, getattr(request, "actor", None), request.path))


@register.simple_tag(takes_context=True)
def page_title(context: Context) -> str:
    """What the page put into its `title` block: the heading, unless the page writes another."""
    blocks = context.render_context.get(BLOCK_CONTEXT_KEY)
    node = blocks.get_block("title") if blocks else None
    return _marked(node.nodelist.render(context)) if node else ""


@register.simple_tag
def url_or_nothing(name: str) -> str:
    """The address of a named page, or nothing where the site is run without that room."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def here(context: Context) -> str:
    """The address of this page, to come back to."""
    request = context.get("request")
    return request.get_full_path() if request is not None and request.method in ("GET", "HEAD") else "/"


@register.simple_tag
def face(name: str) -> str:
    """The class of one of the faces, for the html element."""
    return f"face-{name}"


@register.simple_tag
def narrow() -> str:
    """The class of a page at reading width: `{% block width %}{% narrow %}{% endblock %}`."""
    return "w-narrow-page"


@register.simple_tag
def demo_mark() -> SafeString:
    """The mark of demo data, in both languages whatever the page's."""
    chinese, english = DEMO_MARK.split(" · ")
    return format_html(
        '<span><strong lang="zh-Hans">{}</strong> · <strong lang="en">{}</strong></span>', chinese, english
    )


@register.simple_tag
def other_language() -> dict[str, str]:
    """The language one may switch to, named in itself."""
    if _english():
        return {"code": "zh-hans", "lang": "zh-Hans", "name": "中文"}  # zh: a language is named in itself
    return {"code": "en", "lang": "en", "name": "English"}


@register.simple_tag
def html_lang() -> str:
    """The language of the page as HTML wants it."""
    return "en" if _english() else "zh-Hans"
