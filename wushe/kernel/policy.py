"""Who may do what: the only place that says so. Pure values in, pure answers out.

Three ideas:

* A **data class** names what is touched ("person", "person.contact", "station"). Classes with a dot are parts of a
  record that need a right of their own.
* A **relation** says by which tie an actor reaches a row: it is their own, they are assigned to it, it lies in the subtree
  of a place or of an organization they hold a role in, it is public, or it is anything at all.
* A **rule** maps (role, data class, verb) to one relation. What is not written is refused.

Role codes are stored in rows; their meaning is here, so that a rename never breaks stored data.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID

from wushe.kernel.actor import Actor, Grant
from wushe.kernel.problems import Problem


class Relation(Enum):
    """By which tie a row is reached."""

    OWN = "own"
    ASSIGNED = "assigned"
    PLACE = "place"
    ORGANIZATION = "organization"
    PLACE_OR_ORGANIZATION = "place_or_organization"
    PUBLIC = "public"
    ANY = "any"


class Refused(Problem):
    """The actor holds no right to this. The message names the act, never the row."""

    code = "refused"
    status = 403


@dataclass(frozen=True, slots=True)
class Facts:
    """What the policy needs to know of one target row (or of one about to be made)."""

    data_class: str
    own: frozenset[UUID] = frozenset()
    assigned: frozenset[UUID] = frozenset()
    place_paths: frozenset[str] = frozenset()
    organization_paths: frozenset[str] = frozenset()
    public: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything of one data class that an actor may touch with one verb; `kernel.scoping` turns it into SQL."""

    everything: bool = False
    public: bool = False
    own: UUID | None = None
    assigned: UUID | None = None
    place_paths: frozenset[str] = field(default=frozenset())
    organization_paths: frozenset[str] = field(default=frozenset())

    @property
    def is_empty(self) -> bool:
        return not (
            self.everything
            or self.public
            or self.own
            or self.assigned
            or self.place_paths
            or self.organization_paths
        )


# --- roles ------------------------------------------------------------------------------------------------------------

PLATFORM_OPERATOR: Final = "PLATFORM_OPERATOR"
DISTRICT_ADMIN: Final = "DISTRICT_ADMIN"
DISTRICT_VIEWER: Final = "DISTRICT_VIEWER"
STREET_SUPERVISOR: Final = "STREET_SUPERVISOR"
COMMUNITY_WORKER: Final = "COMMUNITY_WORKER"
SOCIAL_WORKER: Final = "SOCIAL_WORKER"
ORGANIZATION_MANAGER: Final = "ORGANIZATION_MANAGER"
EVALUATOR: Final = "EVALUATOR"
AUDITOR: Final = "AUDITOR"

# Pseudo-roles that nobody is granted: everyone holds the first, everyone signed in the second as well.
EVERYONE: Final = "EVERYONE"
SELF: Final = "SELF"

GRANTABLE_ROLES: Final = (
    PLATFORM_OPERATOR,
    DISTRICT_ADMIN,
    DISTRICT_VIEWER,
    STREET_SUPERVISOR,
    COMMUNITY_WORKER,
    SOCIAL_WORKER,
    ORGANIZATION_MANAGER,
    EVALUATOR,
    AUDITOR,
)

# --- the matrix -------------------------------------------------------------------------------------------------------

_PLACE, _ORG, _BOTH, _OWN, _PUBLIC, _ANY = (
    Relation.PLACE,
    Relation.ORGANIZATION,
    Relation.PLACE_OR_ORGANIZATION,
    Relation.OWN,
    Relation.PUBLIC,
    Relation.ANY,
)

Rules = dict[str, dict[str, dict[str, Relation]]]


def _verbs(relation: Relation, *verbs: str) -> dict[str, Relation]:
    return dict.fromkeys(verbs, relation)


_WRITE: Final = ("view", "create", "edit")

RULES: Final[Rules] = {
    EVERYONE: {
        "place": _verbs(_ANY, "view"),
        "skill": _verbs(_ANY, "view"),
        "rule": _verbs(_ANY, "view"),
        "organization": _verbs(_PUBLIC, "view"),
        "station": _verbs(_PUBLIC, "view"),
        "venue": _verbs(_PUBLIC, "view"),
        "statistics": _verbs(_ANY, "view"),
        "ledger.item": _verbs(_ANY, "view"),
    },
    SELF: {
        "person": _verbs(_OWN, "view", "edit", "export", "erase"),
        "person.contact": _verbs(_OWN, "view", "edit"),
        "person.identity": _verbs(_OWN, "view"),
        "consent": _verbs(_OWN, "view", "create", "edit"),
        "membership": _verbs(_OWN, "view"),
        "qualification": _verbs(_OWN, "view"),
        "guardianship": _verbs(_OWN, "view"),
        "account": _verbs(_OWN, "view", "edit"),
        "grant": _verbs(_OWN, "view"),
        "message": _verbs(_OWN, "view", "edit"),
        "ledger": _verbs(_OWN, "view"),
    },
    PLATFORM_OPERATOR: {
        "place": _verbs(_PLACE, *_WRITE),
        "skill": _verbs(_ANY, *_WRITE),
        "rule": _verbs(_ANY, *_WRITE),
        "account": _verbs(_PLACE, "view"),
        "grant": _verbs(_PLACE, "view"),
        "audit": _verbs(_PLACE, "view"),
        "platform": _verbs(_ANY, "view", "edit"),
        "desk": _verbs(_PLACE, "view"),
        "ledger.item": _verbs(_ANY, "view", "create"),
    },
    DISTRICT_ADMIN: {
        "place": _verbs(_PLACE, *_WRITE),
        "organization": _verbs(_PLACE, *_WRITE),
        "organization.contact": _verbs(_PLACE, "view", "edit"),
        "station": _verbs(_PLACE, *_WRITE),
        "venue": _verbs(_PLACE, *_WRITE),
        "person": _verbs(_PLACE, *_WRITE, "merge", "export", "erase"),
        "person.contact": _verbs(_PLACE, "view", "edit"),
        "person.identity": _verbs(_PLACE, "view", "edit"),
        "membership": _verbs(_PLACE, *_WRITE),
        "qualification": _verbs(_PLACE, *_WRITE),
        "guardianship": _verbs(_PLACE, *_WRITE),
        "consent": _verbs(_PLACE, *_WRITE),
        "account": _verbs(_PLACE, *_WRITE),
        "grant": _verbs(_PLACE, *_WRITE),
        "duty": _verbs(_PLACE, *_WRITE),
        "import": _verbs(_PLACE, *_WRITE),
        "audit": _verbs(_PLACE, "view"),
        "desk": _verbs(_PLACE, "view"),
        "ledger": _verbs(_PLACE, *_WRITE),
        "ledger.totals": _verbs(_PLACE, "view"),
    },
    DISTRICT_VIEWER: {
        "organization": _verbs(_PLACE, "view"),
        "station": _verbs(_PLACE, "view"),
        "venue": _verbs(_PLACE, "view"),
        "duty": _verbs(_PLACE, "view"),
        "desk": _verbs(_PLACE, "view"),
        "ledger.totals": _verbs(_PLACE, "view"),
    },
    STREET_SUPERVISOR: {
        "place": _verbs(_PLACE, *_WRITE),
        "organization": _verbs(_PLACE, *_WRITE),
        "organization.contact": _verbs(_PLACE, "view", "edit"),
        "station": _verbs(_PLACE, *_WRITE),
        "venue": _verbs(_PLACE, *_WRITE),
        "person": _verbs(_PLACE, *_WRITE, "merge", "export", "erase"),
        "person.contact": _verbs(_PLACE, "view", "edit"),
        "person.identity": _verbs(_PLACE, "edit"),
        "membership": _verbs(_PLACE, *_WRITE),
        "qualification": _verbs(_PLACE, *_WRITE),
        "guardianship": _verbs(_PLACE, *_WRITE),
        "consent": _verbs(_PLACE, *_WRITE),
        "account": _verbs(_PLACE, *_WRITE),
        "grant": _verbs(_PLACE, *_WRITE),
        "duty": _verbs(_PLACE, "view"),
        "import": _verbs(_PLACE, *_WRITE),
        "desk": _verbs(_PLACE, "view"),
        "ledger": _verbs(_PLACE, *_WRITE),
        "ledger.totals": _verbs(_PLACE, "view"),
    },
    COMMUNITY_WORKER: {
        "place": _verbs(_PLACE, "view", "create", "edit"),
        "organization": _verbs(_PLACE, *_WRITE),
        "organization.contact": _verbs(_PLACE, "view", "edit"),
        "station": _verbs(_PLACE, "view"),
        "venue": _verbs(_PLACE, *_WRITE),
        "person": _verbs(_PLACE, *_WRITE, "merge"),
        "person.contact": _verbs(_PLACE, "view", "edit"),
        "person.identity": _verbs(_PLACE, "edit"),
        "membership": _verbs(_PLACE, *_WRITE),
        "qualification": _verbs(_PLACE, *_WRITE),
        "guardianship": _verbs(_PLACE, *_WRITE),
        "consent": _verbs(_PLACE, *_WRITE),
        "account": _verbs(_PLACE, *_WRITE),
        "duty": _verbs(_PLACE, "view"),
        "import": _verbs(_PLACE, *_WRITE),
        "desk": _verbs(_PLACE, "view"),
        "ledger": _verbs(_PLACE, *_WRITE),
        "ledger.totals": _verbs(_PLACE, "view"),
    },
    SOCIAL_WORKER: {
        "organization": _verbs(_BOTH, "view"),
        "station": _verbs(_BOTH, "view"),
        "venue": _verbs(_BOTH, "view"),
        "person": _verbs(_BOTH, *_WRITE),
        "person.contact": _verbs(_BOTH, "view", "edit"),
        "membership": _verbs(_BOTH, "view"),
        "qualification": _verbs(_BOTH, "view"),
        "guardianship": _verbs(_BOTH, "view"),
        "consent": _verbs(_BOTH, *_WRITE),
        "duty": _verbs(_BOTH, "view"),
        "desk": _verbs(_BOTH, "view"),
        "ledger": _verbs(_BOTH, "view", "create"),
        "ledger.totals": _verbs(_BOTH, "view"),
    },
    ORGANIZATION_MANAGER: {
        "organization": _verbs(_ORG, "view", "edit"),
        "organization.contact": _verbs(_ORG, "view", "edit"),
        "station": _verbs(_ORG, "view", "edit"),
        "venue": _verbs(_ORG, *_WRITE),
        "person": _verbs(_ORG, *_WRITE),
        "person.contact": _verbs(_ORG, "view", "edit"),
        "membership": _verbs(_ORG, *_WRITE),
        "qualification": _verbs(_ORG, *_WRITE),
        "consent": _verbs(_ORG, *_WRITE),
        "account": _verbs(_ORG, *_WRITE),
        "grant": _verbs(_ORG, *_WRITE),
        "import": _verbs(_ORG, *_WRITE),
        "desk": _verbs(_ORG, "view"),
        "ledger": _verbs(_ORG, *_WRITE),
        "ledger.totals": _verbs(_ORG, "view"),
    },
    EVALUATOR: {
        "organization": _verbs(_BOTH, "view"),
        "station": _verbs(_BOTH, "view"),
        "venue": _verbs(_BOTH, "view"),
        "desk": _verbs(_BOTH, "view"),
        "ledger.totals": _verbs(_BOTH, "view"),
    },
    AUDITOR: {
        "audit": _verbs(_PLACE, "view"),
        "account": _verbs(_PLACE, "view"),
        "grant": _verbs(_PLACE, "view"),
        "desk": _verbs(_PLACE, "view"),
        "ledger": _verbs(_PLACE, "view"),
        "ledger.totals": _verbs(_PLACE, "view"),
    },
}

# Which roles a holder may hand on, inside their own subtree. Nobody hands on what is not listed, not even their own role.
MAY_GRANT: Final[dict[str, frozenset[str]]] = {
    DISTRICT_ADMIN: frozenset(
        {
            DISTRICT_VIEWER,
            STREET_SUPERVISOR,
            COMMUNITY_WORKER,
            SOCIAL_WORKER,
            ORGANIZATION_MANAGER,
            EVALUATOR,
        }
    ),
    STREET_SUPERVISOR: frozenset({COMMUNITY_WORKER, SOCIAL_WORKER, ORGANIZATION_MANAGER}),
    ORGANIZATION_MANAGER: frozenset({ORGANIZATION_MANAGER, SOCIAL_WORKER}),
}


def data_classes() -> frozenset[str]:
    """Every data class that any rule names."""
    return frozenset(name for rules in RULES.values() for name in rules)


def _relation(role: str, data_class: str, verb: str) -> Relation | None:
    return RULES.get(role, {}).get(data_class, {}).get(verb)


def _holdings(actor: Actor) -> list[tuple[Grant | None, str]]:
    held: list[tuple[Grant | None, str]] = [(None, EVERYONE)]
    if actor.is_signed_in:
        held.append((None, SELF))
    held.extend((grant, grant.role) for grant in actor.grants)
    return held


def reach(actor: Actor, verb: str, data_class: str) -> Reach:
    """Return everything of `data_class` that `actor` may touch with `verb`."""
    if actor.is_trusted_local:
        return Reach(everything=True)
    everything = public = False
    own: UUID | None = None
    assigned: UUID | None = None
    places: set[str] = set()
    organizations: set[str] = set()
    for grant, role in _holdings(actor):
        relation = _relation(role, data_class, verb)
        if relation is None:
            continue
        if relation is Relation.ANY:
            everything = True
        elif relation is Relation.PUBLIC:
            public = True
        elif relation is Relation.OWN:
            own = actor.person_id
        elif relation is Relation.ASSIGNED:
            assigned = actor.person_id
        elif grant is not None:
            if grant.place_path and relation in (Relation.PLACE, Relation.PLACE_OR_ORGANIZATION):
                places.add(grant.place_path)
            if grant.organization_path and relation in (
                Relation.ORGANIZATION,
                Relation.PLACE_OR_ORGANIZATION,
            ):
                organizations.add(grant.organization_path)
    return Reach(everything, public, own, assigned, _outermost(places), _outermost(organizations))


def _outermost(paths: set[str]) -> frozenset[str]:
    return frozenset(p for p in paths if not any(p != q and p.startswith(q) for q in paths))


def allows(actor: Actor, verb: str, facts: Facts) -> bool:
    """True when `actor` may `verb` the row that `facts` describe."""
    by = reach(actor, verb, facts.data_class)
    return (
        by.everything
        or (by.public and facts.public)
        or (by.own is not None and by.own in facts.own)
        or (by.assigned is not None and by.assigned in facts.assigned)
        or any(path.startswith(root) for root in by.place_paths for path in facts.place_paths)
        or any(path.startswith(root) for root in by.organization_paths for path in facts.organization_paths)
    )


def allows_somewhere(actor: Actor, verb: str, data_class: str) -> bool:
    """True when there may be some row of `data_class` that `actor` can `verb` (for menus and page doors)."""
    return not reach(actor, verb, data_class).is_empty


def require(actor: Actor, verb: str, facts: Facts) -> None:
    """Raise `Refused` unless `actor` may `verb` the row that `facts` describe. The first line of every operation."""
    if not allows(actor, verb, facts):
        raise Refused(code=f"refused.{facts.data_class}.{verb}")


def may_grant(actor: Actor, role: str, *, place_path: str | None, organization_path: str | None) -> bool:
    """True when `actor` may hand `role` on for this place or organization: one they hold the right to give, inside their own subtree."""
    if actor.is_trusted_local:
        return True
    for grant in actor.grants:
        if role not in MAY_GRANT.get(grant.role, frozenset()):
            continue
        if grant.place_path and place_path and place_path.startswith(grant.place_path):
            return True
        if (
            grant.organization_path
            and organization_path
            and organization_path.startswith(grant.organization_path)
        ):
            return True
    return False
