"""Values that the components of the design system draw. No markup, no queries."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise
StepState = Literal["done", "now", "next"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a time line: when, what, by which body. `on` is None for what has not happened yet."""

    on: date | datetime | None
    title: Text
    by: Text = ""
    note: Text = ""
    href: str = ""
    state: StepState = "done"


@dataclass(frozen=True, slots=True)
class Society:
    """One of the five societies: its fixed word, icon and hue."""

    key: str
    label: Promise
    icon: str


SOCIETIES: dict[str, Society] = {
    society.key: society
    for society in (
        Society("community", _("社区"), "house"),
        Society("social_workers", _("社会工作者"), "badge"),
        Society("organizations", _("社会组织"), "building"),
        Society("volunteers", _("社区志愿者"), "hand"),
        Society("charitable_resources", _("社会慈善资源"), "gift"),
    )
}

# Fill colors, as in static/css/wushe.css (a test compares the two). Chosen so that every pair stays apart
# for protan, deutan and tritan sight and each keeps 3:1 against the page.
HUES: dict[str, str] = {
    "community": "#2C8CDB",
    "social_workers": "#187973",
    "organizations": "#4F2D96",
    "volunteers": "#B8841B",
    "charitable_resources": "#7F1035",
}
