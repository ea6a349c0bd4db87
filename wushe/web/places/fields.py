"""A form field that takes a place by name or code, with suggestions where scripts run and a clear choice where they do not."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.community.queries import places as queries
from wushe.kernel.actor import Actor

_CODE = re.compile(r"(?<!\d)(\d{12}|\d{9}|\d{6}|\d{4}|\d{2})\s*$")
OFFERED = 8


class SuggestInput(forms.TextInput):
    """A text input with a list of suggestions that htmx keeps up to date; without scripts a plain input."""

    def __init__(self, url: str | Promise) -> None:
        super().__init__(attrs={"autocomplete": "off", "maxlength": "200"})
        self.url = url

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        attrs = dict(attrs or {})
        list_id = f"{attrs.get('id', f'id_{name}')}_list"
        attrs |= {
            "list": list_id,
            "hx-get": str(self.url),
            "hx-trigger": "input changed delay:250ms",
            "hx-target": f"#{list_id}",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
            "hx-params": name,
        }
        drawn = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="{}"></datalist>', drawn, list_id)


def place_text(place: Any, above: Sequence[str] = ()) -> str:
    """Return the text that stands for a place in an input and is read back: name, the place above, code."""
    if place.code:
        around = f"（{above[-1]}）" if above else ""
        return f"{place.name}{around} {place.code}"
    return " ".join([*above[-2:], place.name])


class PlaceField(forms.CharField):
    """Takes the name or code of a place and gives the place; says which ones are meant where there are several."""

    def __init__(self, *, actor: Actor, **options: Any) -> None:
        options.setdefault("label", gettext_lazy("所在地"))
        options.setdefault(
            "help_text",
            gettext_lazy("写社区、街道的名字或区划代码；同名的地方请在前面加上级，例如“东街街道 槐花社区”。"),
        )
        options.setdefault("max_length", 200)
        super().__init__(widget=SuggestInput(reverse_lazy("places:suggest")), **options)
        self.actor = actor

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        above = [place.name for place in queries.ancestors(self.actor, value)]
        return place_text(value, above)

    def clean(self, value: Any) -> Any:
        """Return the place, or None for an empty optional field."""
        text = super().clean(value)
        if not text:
            return None
        code = _CODE.search(text)
        if code:
            try:
                return queries.place_by_code(self.actor, code.group(1))
            except queries.PlaceNotFound:
                pass
        hits = queries.search_places(self.actor, text, limit=OFFERED)
        exact = [hit for hit in hits if hit.place.name == text.split()[-1]]
        if len(exact) == 1 or len(hits) == 1:
            return (exact or hits)[0].place
        if not hits:
            raise ValidationError(_("没有找到“%(text)s”。请检查名字，或填区划代码。") % {"text": text[:40]})
        offered = "；".join(place_text(hit.place, hit.above) for hit in hits)
        raise ValidationError(_("有几个地方都叫这个名字，请照抄其中一个：%(offered)s") % {"offered": offered})
