"""Keep the tallies of the counties (地方汇总), from which the pages of cities, provinces and the nation are added up."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from wushe.community.models import PlaceTally
from wushe.community.queries import tallies as queries
from wushe.community.rules import places as levels
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent

OLDEST = timedelta(hours=6)
"""However quiet it was: qualifications run out by the calendar, so tallies older than this are counted again."""


def recount_places(*, by: Actor, at: datetime | None = None) -> int:
    """Count the whole nation by county and keep the result; return how many rows are kept.

    Counting reads only; the write that follows replaces a few thousand rows in one transaction.
    """
    policy.require(by, "edit", policy.Facts("platform"))
    now = at or timezone.now()
    found = queries.county_numbers()
    rows = [
        PlaceTally(path=path, numbers=dict(kept.numbers), shared=dict(kept.shared), counted_at=now)
        for path, kept in found.items()
    ]
    with transaction.atomic():
        PlaceTally.objects.all().delete()
        PlaceTally.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def recount_if_changed(*, by: Actor, at: datetime | None = None) -> bool:
    """Count again when anything was recorded in the audit trail since the last count, or when that is long ago; True if so."""
    policy.require(by, "edit", policy.Facts("platform"))
    last = PlaceTally.objects.filter(path=levels.NATION).values_list("counted_at", flat=True).first()
    now = at or timezone.now()
    # A change is written before its transaction commits: look back a little further than the count.
    recent = last is not None and now - last < OLDEST
    if recent and last and not AuditEvent.objects.filter(at__gte=last - timedelta(minutes=1)).exists():
        return False
    recount_places(by=by, at=now)
    return True


def differing_paths(*, by: Actor) -> list[str]:
    """Return the paths whose kept tallies differ from a recount, for `wushe summaries check`; [] when nothing is kept yet."""
    policy.require(by, "view", policy.Facts("platform"))
    kept = {row.path: (row.numbers, row.shared) for row in PlaceTally.objects.all()}
    if not kept:
        return []
    found = {path: (dict(now.numbers), dict(now.shared)) for path, now in queries.county_numbers().items()}
    return sorted(path for path in kept.keys() | found.keys() if kept.get(path) != found.get(path))
