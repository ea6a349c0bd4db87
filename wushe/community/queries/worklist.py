"""What waits for somebody on the desk today, and the search box over everything they may see."""

from dataclasses import dataclass
from datetime import datetime

from django_tasks_db.models import DBTaskResult

from wushe.community.models import Account, Organization, Person, Place
from wushe.community.queries import accounts, organizations, people, places, stations
from wushe.kernel import background, policy
from wushe.kernel.actor import Actor

_PAIRS_WINDOW = 200
_FOUND = 10


@dataclass(frozen=True, slots=True)
class WorkList:
    """What waits. `is_first_day`: nobody and nothing is on record yet where the actor works."""

    gaps: stations.Gaps
    accounts: accounts.AccountsWaiting
    pairs: tuple[people.LikelyPair, ...]
    failed_tasks: tuple[DBTaskResult, ...]
    is_first_day: bool

    @property
    def is_empty(self) -> bool:
        """True when nothing waits."""
        return not (
            self.gaps.total
            or self.accounts.invitations
            or self.accounts.first_passwords
            or self.pairs
            or self.failed_tasks
        )


def work_list(actor: Actor, *, at: datetime | None = None) -> WorkList:
    """Return what waits for the actor; the number of queries (at most 13) does not depend on how much it is.

    Possible duplicates are looked for among the first people of the actor's places only; the page of duplicates goes through all.
    """
    may_merge = policy.allows_somewhere(actor, "merge", "person")
    may_mend = policy.allows_somewhere(actor, "view", "platform")
    sweep = people.duplicate_sweep(actor, window=_PAIRS_WINDOW) if may_merge else people.Sweep((), 0, None)
    return WorkList(
        gaps=stations.gaps(actor),
        accounts=accounts.waiting(actor, at=at),
        pairs=sweep.pairs,
        failed_tasks=tuple(background.parked()[:_FOUND]) if may_mend else (),
        # Whoever sees more than one person sees somebody besides themselves.
        is_first_day=sweep.looked_at <= 1 and _nothing_on_record(actor),
    )


def _nothing_on_record(actor: Actor) -> bool:
    return (
        policy.allows_somewhere(actor, "create", "import")
        and not Person.objects.visible_to(actor).exclude(pk=actor.person_id or accounts.NOBODY).exists()
        and not Organization.objects.visible_to(actor, "edit").exists()
    )


def own_places(actor: Actor) -> list[Place]:
    """Return the places of the actor's grants, the widest first, at most five."""
    paths = [grant.place_path for grant in actor.grants if grant.place_path]
    return list(Place.objects.visible_to(actor).filter(path__in=paths).order_by("level", "path")[:5])


@dataclass(frozen=True, slots=True)
class Found:
    """Answers of the search box, each list at most ten long."""

    people: tuple[people.PersonRow, ...]
    organizations: tuple[Organization, ...]
    places: tuple[places.PlaceHit, ...]
    accounts: tuple[tuple[Account, str], ...]

    @property
    def total(self) -> int:
        return len(self.people) + len(self.organizations) + len(self.places) + len(self.accounts)


def search_everything(actor: Actor, text: str) -> Found:
    """Return what the actor may see and `text` may mean: people, organizations, places, and accounts by number."""
    text = text.strip()[:60].replace("\x00", "")
    if not text:
        return Found((), (), (), ())
    sees_people = policy.allows_somewhere(actor, "view", "person")
    digits = "".join(text.split())
    numbered = (
        tuple((row, accounts.shown_name(row)) for row in accounts.accounts(actor, text=digits)[:_FOUND])
        if digits.isdigit() and len(digits) >= 4
        else ()
    )
    return Found(
        people=tuple(people.search_people(actor, text, limit=_FOUND)) if sees_people else (),
        organizations=tuple(organizations.organizations(actor, text=text)[:_FOUND]),
        places=tuple(places.search_places(actor, text, limit=_FOUND)),
        accounts=numbered,
    )
