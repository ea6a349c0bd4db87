"""Accounts and role grants by API."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query, Router, Schema, Status

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.operations import accounts as operations
from wushe.community.operations import grants as grant_operations
from wushe.community.queries import accounts as queries
from wushe.community.queries import organizations as organization_queries
from wushe.community.queries import people as people_queries
from wushe.community.queries import places as place_queries

router = Router(tags=["accounts"])


class Holding(Schema):
    """A role the token stands for. Paths are materialised: "/" is the nation."""

    role: str
    place_path: str | None
    organization_path: str | None


class Me(Schema):
    """Who the token stands for."""

    kind: str
    label: str
    read_only: bool
    holdings: list[Holding]


class AccountOut(Schema):
    """One account. The name is masked where the caller may not read the person."""

    id: UUID
    number: str
    name: str
    person: UUID
    place: str
    active: bool
    second_factor: bool
    roles: int


class AccountPage(Schema):
    """A stretch of accounts by number."""

    rows: list[AccountOut]
    more: bool


class AccountIn(Schema):
    """An account to open for a person on record."""

    person: UUID
    phone: str = ""
    way: Literal["PASSWORD", "INVITATION", "CARD"] = "PASSWORD"


class AccountMade(Schema):
    """A new account and its way in, shown once: a first password, a link's token, or a card's token and PIN."""

    id: UUID
    number: str
    password: str = ""
    token: str = ""
    pin: str = ""


class GrantOut(Schema):
    """One role grant."""

    id: UUID
    account: UUID
    number: str
    role: str
    place: UUID | None
    organization: UUID | None
    national: bool
    granted_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class GrantPage(Schema):
    """A stretch of grants, the latest first."""

    rows: list[GrantOut]
    more: bool


class GrantIn(Schema):
    """A role to give for a place or for an organization."""

    account: UUID
    role: str
    place: UUID | None = None
    organization: UUID | None = None
    expires_at: datetime | None = None


class Stretch(Schema):
    """Which part of a list."""

    offset: int = 0
    limit: int = 100

    def of(self, rows: QuerySet[Any]) -> tuple[list[Any], bool]:
        """Return the rows and whether there are more."""
        start, size = max(self.offset, 0), max(1, min(self.limit, 500))
        found = list(rows[start : start + size + 1])
        return found[:size], len(found) > size


def _account(row: Any) -> AccountOut:
    return AccountOut(
        id=row.pk,
        number=row.number,
        name=queries.shown_name(row),
        person=row.person_id,
        place=row.person.place.name,
        active=row.is_active,
        second_factor=row.second_factor_at is not None,
        roles=row.live_roles,
    )


def _grant(row: Any) -> GrantOut:
    return GrantOut(
        id=row.pk,
        account=row.account_id,
        number=row.account.number,
        role=row.role,
        place=row.place_id,
        organization=row.organization_id,
        national=row.is_national,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


@router.get("/me", response=Me)
@declares(public=True)
def me(request: ApiRequest) -> Me:
    """Who this token stands for, and which role it may use."""
    actor, bearer = request.actor, request.bearer
    return Me(
        kind=actor.kind,
        label=actor.label,
        read_only=bearer is None or bearer.is_read_only,
        holdings=[
            Holding(role=g.role, place_path=g.place_path, organization_path=g.organization_path)
            for g in actor.grants
        ],
    )


@router.get("/accounts", response=AccountPage)
@declares("view", "account")
def account_list(
    request: ApiRequest, stretch: Query[Stretch], text: str = "", role: str = "", state: str = ""
) -> AccountPage:
    """The accounts of the token's place or organization, by number."""
    rows, more = stretch.of(queries.accounts(request.actor, text=text, role=role, state=state))
    return AccountPage(rows=[_account(row) for row in rows], more=more)


@router.get("/accounts/{uuid:account_id}", response=AccountOut)
@declares("view", "account")
def account_one(request: ApiRequest, account_id: UUID) -> AccountOut:
    """One account."""
    found = queries.account(request.actor, account_id)
    return _account(queries.accounts(request.actor).get(pk=found.pk))


@router.post("/accounts", response={201: AccountMade})
@declares("create", "account")
def account_open(request: ApiRequest, data: AccountIn) -> Status:
    """Open an account for a person on record. The way in is answered once."""
    person = people_queries.person(request.actor, data.person)
    made = operations.open_account(by=request.actor, person=person, phone=data.phone, way=data.way)
    return Status(
        201,
        AccountMade(
            id=made.account.pk,
            number=made.account.number,
            password=made.password,
            token=made.token,
            pin=made.pin,
        ),
    )


@router.post("/accounts/{uuid:account_id}/close", response=AccountOut)
@declares("edit", "account")
def account_close(request: ApiRequest, account_id: UUID) -> AccountOut:
    """Close an account; its sessions and tokens die at once."""
    operations.close_account(by=request.actor, account=queries.account(request.actor, account_id))
    return _account(queries.accounts(request.actor).get(pk=account_id))


@router.get("/grants", response=GrantPage)
@declares("view", "grant")
def grant_list(request: ApiRequest, stretch: Query[Stretch], role: str = "", state: str = "") -> GrantPage:
    """The grants of the token's place or organization, the latest first."""
    rows, more = stretch.of(queries.grants(request.actor, role=role, state=state))
    return GrantPage(rows=[_grant(row) for row in rows], more=more)


@router.get("/grants/{uuid:grant_id}", response=GrantOut)
@declares("view", "grant")
def grant_one(request: ApiRequest, grant_id: UUID) -> GrantOut:
    """One grant."""
    return _grant(queries.grant(request.actor, grant_id))


@router.post("/grants", response={201: GrantOut})
@declares("create", "grant")
def grant_give(request: ApiRequest, data: GrantIn) -> Status:
    """Give a role for a place or an organization."""
    actor = request.actor
    given = grant_operations.give_grant(
        by=actor,
        account=queries.account(actor, data.account),
        role=data.role,
        place=place_queries.place(actor, data.place) if data.place else None,
        organization=organization_queries.organization(actor, data.organization)
        if data.organization
        else None,
        expires_at=data.expires_at,
    )
    return Status(201, _grant(given.grant))


@router.post("/grants/{uuid:grant_id}/end", response=GrantOut)
@declares("edit", "grant")
def grant_end(request: ApiRequest, grant_id: UUID) -> GrantOut:
    """End a grant; it counts no more from the holder's next request on."""
    grant = queries.grant(request.actor, grant_id)
    grant_operations.end_grant(by=request.actor, grant=grant)
    return _grant(grant)
