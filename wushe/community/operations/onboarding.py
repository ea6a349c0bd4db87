"""Setting somebody up in one step: the person where they are new, the account, the role."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from wushe.community.models import Account, Organization, Person, Place, RoleGrant
from wushe.community.operations import accounts, grants, people
from wushe.community.rules.people import NewPerson
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem


class NobodyNamed(Problem):
    """Neither a person on record nor a name for a new one was given."""

    code = "onboarding.nobody_named"


@dataclass(frozen=True, slots=True)
class SetUp:
    """Somebody who can log in now. The password is shown once and stored nowhere."""

    person_id: UUID
    account: Account
    password: str
    grant: RoleGrant | None


@transaction.atomic
def set_up(
    *,
    by: Actor,
    name: str = "",
    person: Person | None = None,
    place: Place | None = None,
    organization: Organization | None = None,
    national: bool = False,
    role: str = "",
    phone: str = "",
    password: str = "",
    keep_password: bool = False,
    expires_at: datetime | None = None,
    at: datetime | None = None,
) -> SetUp:
    """Open an account for `person`, or for a new person called `name` who lives at `place` (else at the organization's place).

    With `role` also give it, for the organization where there is one, else for the nation if `national`, else for `place`.
    `keep_password` is for the machine's own command line alone: the first password then need not be changed.
    Raises what the three operations raise, and `NobodyNamed`.
    """
    home = place or (organization.place if organization else None)
    paths = frozenset({home.path} if home else ())
    policy.require(
        by, "create", person.facts("account") if person else policy.Facts("account", place_paths=paths)
    )
    if person is None:
        if home is None or not name.strip():
            raise NobodyNamed(_("请给出一个地方和姓名，或者一个已登记的人。"), field="name")
        person = people.create_person(by=by, values=NewPerson(name=name, place_id=home.pk), at=at)
    made = accounts.create_account(by=by, person=person, phone=phone, password=password, at=at)
    grant = None
    if role:
        in_place = None if organization or national else place
        grant = grants.give_grant(
            by=by,
            account=made.account,
            role=role,
            place=in_place,
            organization=organization,
            national=national and organization is None,
            expires_at=expires_at,
            at=at,
        ).grant
    if keep_password and by.is_trusted_local:
        Account.objects.filter(pk=made.account.pk).update(must_change_password=False, password_set_by=None)
        made.account.refresh_from_db()
    return SetUp(person.pk, made.account, made.password, grant)
