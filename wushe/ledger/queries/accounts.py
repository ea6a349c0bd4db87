"""Read accounts (账户): a balance, a statement, what a holder has, what a place has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.ledger.models import Entry, LedgerAccount

MOST_LINES = 200


class AccountNotFound(Problem):
    """There is no such account, or the actor may not see it."""

    code = "ledger.account_not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a statement: `amount` was added, `balance` was then there, both in the account's unit.

    `reverses_id` is set on the line that takes an earlier transfer back, `reversed_by_id` on the one that was taken back.
    """

    entry_id: UUID
    account_id: UUID
    transfer_id: UUID
    sequence: int
    amount: int
    balance: int
    effective_at: datetime
    recorded_at: datetime
    purpose: str
    note: str
    reverses_id: UUID | None
    reversed_by_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One page of an account's entries, the latest first; `next_before` asks for the page after it, None on the last."""

    account: LedgerAccount
    lines: tuple[Line, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """What the accounts of one kind of holder have together, in one unit (of one kind of goods where `item_code` is set)."""

    holder_kind: str
    unit: str
    item_code: str
    accounts: int
    balance: int


def account(actor: Actor, ledger_account_id: UUID) -> LedgerAccount:
    """Return one account with its balance and item. Raises `AccountNotFound`."""
    rows = LedgerAccount.objects.visible_to(actor).select_related("item")
    found = rows.filter(pk=ledger_account_id).first()
    if found is None:
        raise AccountNotFound(_("没有找到这个账户，或不在您的权限范围内。"))
    return found


def accounts_of(
    actor: Actor, holder_id: UUID, *, unit: str = "", purpose: str | None = None
) -> QuerySet[LedgerAccount]:
    """Return the accounts of one holder that the actor may see, in all places, with their items; `purpose` "" asks for those without one."""
    found = LedgerAccount.objects.visible_to(actor).filter(holder_id=holder_id).select_related("item")
    if unit:
        found = found.filter(unit=unit)
    if purpose is not None:
        found = found.filter(purpose=purpose)
    return found.order_by("opened_at", "pk")


def statement(
    actor: Actor, ledger_account_id: UUID, *, before: int | None = None, limit: int = 50
) -> Statement:
    """Return one page of at most `limit` entries (up to 200) of an account, those before sequence `before`. Raises `AccountNotFound`."""
    row = account(actor, ledger_account_id)
    found = Entry.objects.filter(account=row)
    if before is not None:
        found = found.filter(sequence__lt=before)
    limit = max(1, min(limit, MOST_LINES))
    entries = list(found.select_related("transfer__reversed_by").order_by("-sequence")[: limit + 1])
    shown = entries[:limit]
    return Statement(
        row, tuple(lines_of(shown)), shown[-1].sequence if len(entries) > limit and shown else None
    )


def totals(actor: Actor, place_path: str) -> list[Total]:
    """Return what is held at and below a place ("/15/1506/"; "/" for all), by kind of holder and unit, of what the actor may count.

    Sources stand below zero by what was given; over a whole book each unit adds up to zero.
    """
    found = LedgerAccount.objects.visible_to(actor, "view", "ledger.totals").filter(
        place_path__prefix=place_path
    )
    rows = found.values("holder_kind", "unit", "item__code").annotate(
        accounts=Count("pk"), total=Sum("balance")
    )
    return [
        Total(row["holder_kind"], row["unit"], row["item__code"] or "", row["accounts"], row["total"])
        for row in rows.order_by("holder_kind", "unit", "item__code")
    ]


def lines_of(entries: Sequence[Entry]) -> list[Line]:
    """Return entries that came with `transfer__reversed_by` as lines."""
    return [_line(entry) for entry in entries]


def _line(entry: Entry) -> Line:
    transfer = entry.transfer
    # A missing one-to-one raises where it was looked up; it was, by the join.
    undone = getattr(transfer, "reversed_by", None)
    return Line(
        entry_id=entry.pk, account_id=entry.account_id, transfer_id=transfer.pk, sequence=entry.sequence, amount=entry.amount,
        balance=entry.balance, effective_at=transfer.effective_at, recorded_at=transfer.recorded_at, purpose=transfer.purpose,
        note=transfer.note, reverses_id=transfer.reverses_id, reversed_by_id=undone.pk if undone else None, reason=transfer.reason,
    )  # fmt: skip
