"""Repeated work of the community room. Imported by every worker."""

from datetime import timedelta

from wushe.community.exchange import runs
from wushe.community.operations import tallies
from wushe.kernel.actor import Actor
from wushe.kernel.schedule import scheduled


@scheduled(every=timedelta(minutes=5))
def recount_places() -> None:
    """Renew the tallies behind the pages of cities, provinces and the nation, when anything changed."""
    tallies.recount_if_changed(by=Actor.system("recount places"))


@scheduled(every=timedelta(hours=1))
def forget_old_imports() -> None:
    """Delete uploaded files and staged rows that nobody came back to for a day."""
    runs.expire()
