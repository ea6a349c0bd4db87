"""What people may ask for: a copy of their data, and to be forgotten (删除) without a total changing."""

import secrets
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.models import (
    Account,
    ApiToken,
    Consent,
    Guardianship,
    Invitation,
    LoginCard,
    Membership,
    Person,
    RecoveryCode,
    RoleGrant,
)
from wushe.community.operations import accounts
from wushe.community.queries import people as queries
from wushe.community.queries import personal_data, references
from wushe.community.rules import people as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.append_only import AppendOnlyModel
from wushe.kernel.problems import Problem


class AlreadyErased(Problem):
    """The person's data are gone already, or the record was merged into another."""

    code = "person.already_erased"
    status = 409


@transaction.atomic
def export_person(*, by: Actor, person_id: UUID) -> personal_data.OwnData:
    """Return everything stored about a person (`queries.personal_data.own_data`); leaves an audit row, for it leaves the house."""
    row = queries.person(by, person_id)
    policy.require(by, "export", row.facts())
    found = personal_data.own_data(by, person_id)
    audit.record(by=by, verb="export", target=row)
    return found


@transaction.atomic
def erase_person(*, by: Actor, person_id: UUID) -> Person:
    """Erase a person: every identifier goes, the row stays as a pseudonym so that hours, money and counts do not change.

    Gone afterwards: name, sex, birth date, numbers, address, note, contacts, search keys, log-in with cards, tokens and
    messages, and (their key being destroyed) every personal value in the audit trail and in earlier merges, also of records
    merged into this one. Ended: memberships, guardianships, consents. It cannot be undone. Raises `queries.PersonNotFound`,
    `policy.Refused`, `AlreadyErased`, `accounts.RightsAboveYours`.
    """
    row = queries.person(by, person_id)
    policy.require(by, "erase", row.facts())
    if row.status != Person.Status.ACTIVE:
        raise AlreadyErased(_("这份记录已经删除或合并过。"))
    found = list(Account.objects.filter(person=row).select_related("person"))
    if by.person_id != row.pk:
        for account in found:
            accounts.require_cover(by, account)
    place_path = row.place.path
    ids = [row.pk, *Person.objects.filter(merged_into=row).values_list("pk", flat=True)]
    if not Person.objects.filter(pk=row.pk, status=Person.Status.ACTIVE).update(status=Person.Status.ERASED):
        raise AlreadyErased(_("这份记录已经删除或合并过。"))
    _end(ids)
    _close_accounts(ids)
    _wipe(ids)
    Person.objects.filter(pk__in=ids).update(
        name=rules.ERASED_NAME, name_key="", sex=Person.Sex.UNKNOWN, birth_on=None, volunteer_number=None, address="",
        identity_number="", identity_index="", note="", updated_at=timezone.now(),
    )  # fmt: skip
    for erased_id in ids:
        audit.forget(erased_id)
    row.refresh_from_db()
    audit.record(
        by=by, verb="erase", target=row, place_path=place_path, after={"rows": [str(pk) for pk in ids]}
    )
    return row


def _end(ids: list[UUID]) -> None:
    today, now = timezone.localdate(), timezone.now()
    open_ones = Membership.objects.filter(person_id__in=ids, ended_on__isnull=True)
    open_ones.filter(started_on__gt=today).update(ended_on=F("started_on"))
    open_ones.update(ended_on=today)
    for side in ("ward_id__in", "guardian_id__in"):
        Guardianship.objects.filter(**{side: ids}, ended_on__isnull=True, started_on__gt=today).update(
            ended_on=F("started_on")
        )
        Guardianship.objects.filter(**{side: ids}, ended_on__isnull=True).update(ended_on=today)
    for side in ("person_id__in", "given_by_id__in"):
        Consent.objects.filter(**{side: ids}, withdrawn_at__isnull=True, given_at__gt=now).update(
            withdrawn_at=F("given_at")
        )
        Consent.objects.filter(**{side: ids}, withdrawn_at__isnull=True).update(withdrawn_at=now)


def _close_accounts(ids: list[UUID]) -> None:
    now = timezone.now()
    for account in Account.objects.filter(person_id__in=ids):
        # The number is known to others and on cards; a random one in its place names nobody.
        Account.objects.filter(pk=account.pk).update(
            number=f"x{secrets.token_hex(9)}", phone_index=None, password=make_password(None), second_factor="",
            second_factor_at=None, is_active=False, session_round=F("session_round") + 1,
        )  # fmt: skip
        RoleGrant.objects.filter(account=account, revoked_at__isnull=True).update(revoked_at=now)
        LoginCard.objects.filter(account=account, revoked_at__isnull=True).update(revoked_at=now)
        Invitation.objects.filter(account=account, accepted_at__isnull=True, revoked_at__isnull=True).update(
            revoked_at=now
        )
        ApiToken.objects.filter(grant__account=account, revoked_at__isnull=True).update(revoked_at=now)
        RecoveryCode.objects.filter(account=account).delete()


def _wipe(ids: list[UUID]) -> None:
    """Delete or blank the personal columns of every row that belongs to these people, in this room and in later ones."""
    for model, rows in references.rows_about(list(ids)):
        if model is Person or issubclass(model, AppendOnlyModel):
            continue
        if getattr(model, "on_person_erased", "blank") == "delete":
            model._base_manager.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
            continue
        columns = references.personal_columns(model)
        if not columns:
            continue
        blank = {column.attname: _blank(column) for column in columns}
        owned = [one.pk for one in rows if getattr(one, "personal_owner_id", lambda: None)() in (None, *ids)]
        for start in range(0, len(owned), 500):
            model._base_manager.filter(pk__in=owned[start : start + 500]).update(**blank)


def _blank(column: models.Field[Any, Any]) -> Any:
    if column.null:
        return None
    if column.has_default():
        return column.get_default()
    return ""
