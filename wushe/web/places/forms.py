"""Forms that change the tree of places."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor
from wushe.web.forms import FilterForm, Form
from wushe.web.places.fields import PlaceField


def _since() -> forms.DateField:
    return forms.DateField(
        label=_("从哪天起"), initial=timezone.localdate, help_text=_("以前的名称和归属仍可按日期查到。")
    )


class PlaceSearchForm(FilterForm):
    """Find a place to work on."""

    q = forms.CharField(
        label=_("地方的名字"), max_length=60, widget=forms.TextInput(attrs={"type": "search"})
    )


class AddForm(Form):
    """A place below another one."""

    name = forms.CharField(label=_("名称"), max_length=200)
    level = forms.TypedChoiceField(label=_("级别"), coerce=int)
    code = forms.CharField(
        label=_("区划代码"), required=False, max_length=12, help_text=_("正式区划才有；网格和楼栋不填。")
    )
    kind = forms.ChoiceField(
        label=_("城乡"), required=False, choices=(("", _("未分")), ("URBAN", _("城镇")), ("RURAL", _("乡村")))
    )
    on = _since()
    folded = ("code", "kind")
    draft = "place-new"

    def __init__(self, *args: Any, levels: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["level"].choices = levels  # type: ignore[attr-defined]  # a choice field


class RenameForm(Form):
    """A new name, perhaps a new code, from a day on."""

    name = forms.CharField(label=_("新名称"), max_length=200)
    code = forms.CharField(
        label=_("新区划代码"), required=False, max_length=12, help_text=_("没有变就不用填。")
    )
    on = _since()
    folded = ("code",)


class PointForm(Form):
    """The point that stands for a place on the map."""

    latitude = forms.FloatField(
        label=_("纬度"), required=False, help_text=_("WGS-84 坐标，例如 39.60812。两项都空就是不标。")
    )
    longitude = forms.FloatField(label=_("经度"), required=False)


class TargetForm(Form):
    """Into or under which place."""

    on = _since()
    field_order = ("to", "on")

    def __init__(self, *args: Any, actor: Actor, label: Any, **kwargs: Any) -> None:
        self.base_fields = {**type(self).base_fields, "to": PlaceField(actor=actor, label=label)}  # type: ignore[misc]  # the constructor reads it from the instance
        super().__init__(*args, **kwargs)


class CloseForm(Form):
    """The day from which a place no longer exists."""

    on = _since()


class SplitForm(Form):
    """Two new places out of one, with what goes into each; the rest stays where `keep` is set."""

    PARTS = 2

    keep = forms.BooleanField(
        label=_("保留原来的地方"),
        required=False,
        initial=True,
        help_text=_("不保留时，每个下级都要分到新的地方。"),
    )
    on = _since()

    def __init__(self, *args: Any, children: Any = (), **kwargs: Any) -> None:
        choices = [(str(child.pk), child.name) for child in children]
        parts: dict[str, forms.Field] = {}
        for number in range(1, self.PARTS + 1):
            parts[f"name_{number}"] = forms.CharField(
                label=_("新地方 %(n)d 的名称") % {"n": number}, required=number == 1, max_length=200
            )
            parts[f"code_{number}"] = forms.CharField(
                label=_("新地方 %(n)d 的区划代码") % {"n": number}, required=False, max_length=12
            )
            if choices:
                parts[f"children_{number}"] = forms.MultipleChoiceField(
                    label=_("分给新地方 %(n)d 的下级") % {"n": number},
                    required=False,
                    choices=choices,
                    widget=forms.CheckboxSelectMultiple,
                )
        self.base_fields = {**parts, **type(self).base_fields}  # type: ignore[misc]  # the constructor reads it from the instance
        super().__init__(*args, **kwargs)
