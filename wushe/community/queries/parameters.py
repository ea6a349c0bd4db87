"""Read dated rule values (规则参数)."""

from collections.abc import Iterable
from datetime import date

from django.utils import timezone

from wushe.community.models import RuleValue
from wushe.kernel.actor import Actor


def rule_values(
    actor: Actor, codes: Iterable[str], *, place_path: str = "/", on: date | None = None
) -> dict[str, RuleValue]:
    """Return code → the value in force in a place on a day (today): the nearest area's, and of that the latest. One query.

    Codes without a value are missing from the answer.
    """
    day = on or timezone.localdate()
    regions = ["", *place_path.strip("/").split("/")]
    rows = RuleValue.objects.visible_to(actor).filter(
        code__in=list(codes), region__in=regions, valid_from__lte=day
    )
    found: dict[str, RuleValue] = {}
    for row in sorted(rows, key=lambda row: (len(row.region), row.valid_from)):
        found[row.code] = row
    return found
