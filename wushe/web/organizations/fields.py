"""Form fields that take an organization or a venue as people name it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.community.operations import venues as venue_operations
from wushe.community.queries import organizations as queries
from wushe.community.queries import venues as venue_queries
from wushe.community.rules import organizations as rules
from wushe.kernel.actor import Actor
from wushe.web.places.fields import SuggestInput


def organization_text(organization: Any) -> str:
    """Return the text that stands for an organization in an input and is read back: its name and short code."""
    return f"{organization.name} {organization.path.strip('/').rpartition('/')[2]}"


class OrganizationField(forms.CharField):
    """Takes the name of an organization and gives the organization; says which ones are meant where there are several."""

    def __init__(self, *, actor: Actor, **options: Any) -> None:
        options.setdefault("label", gettext_lazy("组织"))
        options.setdefault("help_text", gettext_lazy("写名称、拼音首字母或统一社会信用代码。"))
        options.setdefault("max_length", 220)
        super().__init__(widget=SuggestInput(reverse_lazy("organizations:suggest")), **options)
        self.actor = actor

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else organization_text(value)

    def clean(self, value: Any) -> Any:
        """Return the organization, or None for an empty optional field."""
        text = super().clean(value)
        if not text:
            return None
        found = queries.organizations_named(self.actor, text)
        if len(found) == 1:
            return found[0]
        if not found:
            raise ValidationError(
                _("没有找到“%(text)s”。请检查名称，或先登记这个组织。") % {"text": text[:40]}
            )
        offered = "；".join(organization_text(row) for row in found)
        raise ValidationError(_("有几个组织都像这个名字，请照抄其中一个：%(offered)s") % {"offered": offered})


class VenueField(forms.CharField):
    """Takes the name of a venue and gives the venue."""

    def __init__(self, *, actor: Actor, **options: Any) -> None:
        options.setdefault("label", gettext_lazy("办公场地"))
        options.setdefault("help_text", gettext_lazy("写场地名称；还没有登记的，先去登记场地。"))
        options.setdefault("max_length", 200)
        super().__init__(widget=SuggestInput(reverse_lazy("organizations:venue_suggest")), **options)
        self.actor = actor

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else venue_text(value)

    def clean(self, value: Any) -> Any:
        """Return the venue, or None for an empty optional field."""
        text = super().clean(value)
        if not text:
            return None
        name, _gap, place = text.partition("（")
        found = list(venue_queries.venues(self.actor, text=name).order_by("place__path")[:8])
        exact = [
            row
            for row in found
            if row.name == name.strip() and (not place or row.place.name == place.rstrip("）"))
        ]
        if len(exact) == 1 or len(found) == 1:
            return (exact or found)[0]
        if not found:
            raise ValidationError(_("没有找到场地“%(text)s”。") % {"text": text[:40]})
        offered = "；".join(venue_text(row) for row in found)
        raise ValidationError(_("有几处场地都像这个名字，请照抄其中一个：%(offered)s") % {"offered": offered})


def venue_text(venue: Any) -> str:
    """Return the text that stands for a venue in an input and is read back: its name and place."""
    return f"{venue.name}（{venue.place.name}）"


class HoursField(forms.CharField):
    """Takes the line people write on the door and gives stretches of the week."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", gettext_lazy("开放时间"))
        options.setdefault(
            "help_text",
            gettext_lazy("照门口写的填，例如：周一至周五 9:00-12:00、14:00-17:30；周六 9:00-12:00"),
        )
        super().__init__(max_length=500, **options)

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else rules.format_hours(value)

    def clean(self, value: Any) -> Any:
        """Return the stretches; raises what `read_hours` says as a field error."""
        text = super().clean(value)
        try:
            return venue_operations.read_hours(text or "")
        except venue_operations.HoursUnclear as problem:
            raise ValidationError(problem.message) from problem


class YuanField(forms.DecimalField):
    """Takes yuan, gives fen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_digits=14, decimal_places=2, **options)

    def prepare_value(self, value: Any) -> Any:
        return value / 100 if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        """Return whole fen, or None."""
        yuan = super().clean(value)
        return None if yuan is None else int(yuan * 100)
