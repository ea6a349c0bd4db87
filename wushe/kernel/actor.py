"""Who acts: a value that travels from the edge (page, API, command, task) to the two gates. Knows nothing of Django."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

ActorKind = Literal["anonymous", "account", "operator", "system"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One role held in one place subtree or one organization subtree.

    `place_path` and `organization_path` are materialised paths ("/15/1506/"); "/" is the whole nation.
    """

    role: str
    place_path: str | None = None
    organization_path: str | None = None
    grant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, with the grants in force at this instant. Build one per request; never store one."""

    kind: ActorKind
    label: str = ""
    account_id: UUID | None = None
    person_id: UUID | None = None
    grants: tuple[Grant, ...] = field(default=())

    @classmethod
    def anonymous(cls) -> "Actor":
        """Someone who is not signed in: sees what is public."""
        return cls(kind="anonymous")

    @classmethod
    def operator(cls, label: str = "local operator") -> "Actor":
        """The person at the machine's own command line: may do everything, audited as such."""
        return cls(kind="operator", label=label)

    @classmethod
    def system(cls, label: str) -> "Actor":
        """A scheduled task acting for nobody in particular."""
        return cls(kind="system", label=label)

    @property
    def is_signed_in(self) -> bool:
        return self.kind == "account"

    @property
    def is_trusted_local(self) -> bool:
        """True for the command line and for tasks, which stand outside roles."""
        return self.kind in ("operator", "system")
