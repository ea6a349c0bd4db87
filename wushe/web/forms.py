"""Forms of the design system: labels, help, errors and the summary above them are drawn in one place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.forms.boundfield import BoundField
from django.forms.renderers import DjangoTemplates
from django.utils.functional import Promise, cached_property
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")  # zh: what people type


class Renderer(DjangoTemplates):
    """Draws every form with the templates in templates/forms."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"


@dataclass(frozen=True, slots=True)
class Section:
    """A run of fields under one heading ("" for none)."""

    heading: str | Promise
    fields: tuple[BoundField, ...]
    folded: bool = False

    @property
    def open(self) -> bool:
        """A folded section is shown open when something in it is wrong or already filled."""
        return any(field.errors or field.value() for field in self.fields)


class Form(forms.Form):
    """Base of every form that a person fills.

    `groups` puts headings over fields; `folded` names optional fields kept closed until wanted; `draft` names the form so
    that the browser keeps what was typed until it is sent (never passwords, files or hidden fields; leave it empty
    where the text is about other people's lives).
    """

    default_renderer = Renderer
    groups: ClassVar[Sequence[tuple[str | Promise, Sequence[str]]]] = ()
    folded: ClassVar[Sequence[str]] = ()
    draft: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.use_required_attribute = (
            False  # the server explains what is missing, in words and beside the field
        )
        for field in self.fields.values():
            _dress(field)
            _name_what_is_missing(field)

    @property
    def field_count(self) -> int:
        """How many questions the form asks."""
        return len(self.visible_fields())

    @property
    def required_count(self) -> int:
        return sum(field.field.required for field in self.visible_fields())

    @cached_property
    def sections(self) -> list[Section]:
        """The visible fields in drawing order: ungrouped first, then the groups, then the folded ones."""
        named = {name for _heading, names in self.groups for name in names} | set(self.folded)
        visible = {field.name: field for field in self.visible_fields()}
        sections = [Section("", tuple(field for name, field in visible.items() if name not in named))]
        sections += [
            Section(heading, tuple(visible[name] for name in names if name in visible))
            for heading, names in self.groups
        ]
        sections.append(Section("", tuple(visible[n] for n in self.folded if n in visible), folded=True))
        return [section for section in sections if section.fields]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (id to jump to, message) of every error, in drawing order, for the summary on top."""
        for message in self.non_field_errors():
            yield "", str(message)
        for section in self.sections:
            for field in section.fields:
                for message in field.errors:
                    yield _target(field), str(message)
        for field in self.hidden_fields():
            for message in field.errors:
                yield "", str(message)


class FilterForm(Form):
    """The filters above a list. Always bound to the address; what is not understood is shown beside its field and left out."""

    def __init__(self, data: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data if data is not None else {}, *args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def values(self) -> dict[str, Any]:
        """Return what was chosen and understood: only the filters in use."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [], ())}

    @property
    def is_active(self) -> bool:
        return any(field.value() not in (None, "", [], (), False) for field in self.visible_fields())


def _name_what_is_missing(field: forms.Field) -> None:
    """Let the message of an empty required field name it, so that the summary on top can be read on its own."""
    if (
        field.error_messages.get("required") is not forms.Field.default_error_messages["required"]
        or not field.label
    ):
        return
    if isinstance(field, forms.BooleanField):
        text = _("请勾选“{label}”。")
    elif isinstance(field, forms.ChoiceField | forms.FileField):
        text = _("请选择“{label}”。")
    else:
        text = _("请填写“{label}”。")
    field.error_messages["required"] = format_lazy(text, label=field.label)


def _dress(field: forms.Field) -> None:
    """Give a field's widget the classes and input types of the design system, unless it has its own."""
    widget = field.widget
    if isinstance(field, forms.DateField) and type(widget) is forms.DateInput:
        widget.input_type = "date"
        widget.format = "%Y-%m-%d"
        field.input_formats = DATE_FORMATS
    if isinstance(field, forms.TimeField) and type(widget) is forms.TimeInput:
        widget.input_type = "time"
        widget.format = "%H:%M"
    if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
        css = "form-check-input"
        widget.option_template_name = "forms/choice.html"
        widget.template_name = "forms/choices.html"
    elif isinstance(widget, forms.CheckboxInput):
        css = "form-check-input"
    elif isinstance(widget, forms.Select):
        css = "form-select"
    else:
        css = "form-control"
    if isinstance(widget, forms.Textarea):
        widget.attrs.setdefault("rows", "4")
    widget.attrs.setdefault("class", css)


def _target(field: BoundField) -> str:
    if isinstance(field.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return f"{field.auto_id}_0"
    return field.id_for_label or field.auto_id
