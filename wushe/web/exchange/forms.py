"""The two questions an import asks: which file, and which column means what."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import files, kinds, sheets
from wushe.kernel.actor import Actor
from wushe.web.forms import Form
from wushe.web.places.fields import PlaceField


def _default_place(actor: Actor) -> PlaceField:
    field = PlaceField(
        actor=actor,
        required=False,
        label=_("表里没有写社区的，都算在哪里"),
        help_text=_("表里有“所在社区”一列就不用填。"),
    )
    field.widget.attrs["class"] = "form-control"  # it comes too late to be dressed by the form
    return field


class UploadForm(Form):
    """One file, and where its rows belong when they do not say so themselves."""

    file = forms.FileField(
        label=_("表格文件"),
        help_text=_(".xlsx、.xls、.ods 或 .csv。第一行可以是标题，列的顺序和名称不限。"),
        widget=forms.ClearableFileInput(attrs={"accept": ".xlsx,.xls,.ods,.csv,.txt"}),
    )

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["place"] = _default_place(actor)

    def clean_file(self) -> Any:
        """Refuse what is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > files.size_limit():
            raise forms.ValidationError(sheets.too_big(files.size_limit()))
        return file


class ColumnsForm(Form):
    """One choice for each heading that was found, and the place for rows without one."""

    def __init__(
        self,
        *args: Any,
        actor: Actor,
        kind: str,
        sheets: list[dict[str, Any]],
        chosen: dict[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        about = kinds.kind(kind)
        choices = [("", _("不导入这一列")), *((column.code, column.title) for column in about.columns)]
        self.headings: list[tuple[str, dict[str, Any]]] = []
        self.found_in: dict[str, str] = {}
        for sheet in sheets:
            for heading in sheet["headings"]:
                key = heading["key"]
                if not key or key in self.found_in:
                    continue
                name = f"column_{len(self.headings)}"
                self.found_in[key] = name
                self.headings.append((name, heading))
                self.fields[name] = forms.ChoiceField(
                    label=heading["text"],
                    choices=choices,
                    required=False,
                    initial=chosen[key] if key in chosen else heading["column"] or heading["suggestion"],
                    widget=forms.Select(attrs={"class": "form-select"}),
                )
        self.fields["place"] = _default_place(actor)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The headings for the page: what is written, examples below it, the choice, and why it was made."""
        return [
            {"field": self[name], "heading": heading, "samples": " · ".join(filter(None, heading["samples"]))}
            for name, heading in self.headings
        ]

    @property
    def chosen(self) -> dict[str, str]:
        """Folded heading → column code, as posted."""
        return {heading["key"]: self.cleaned_data[name] for name, heading in self.headings}
