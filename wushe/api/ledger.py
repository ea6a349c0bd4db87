"""The book, read: balances, statements, transfers, what a place has. What is written into it comes through the rooms above."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ninja import Router, Schema

from wushe.api.auth import ApiRequest
from wushe.api.declares import declares
from wushe.community.queries import places
from wushe.ledger.queries import accounts, goods, transfers

router = Router(tags=["ledger"])


class LedgerAccountOut(Schema):
    """One account. `balance` and `floor` are minutes, fen, or units of the item; `floor` null: a source. Empty texts: no condition."""

    id: UUID
    holder_kind: str
    holder: UUID
    place: UUID
    unit: str
    item: str | None
    purpose: str
    floor: int | None
    spend_until: date | None
    balance: int
    entries: int
    opened_at: datetime


class LedgerLineOut(Schema):
    """One entry: `amount` was added, `balance` was then there. `reversed_by` is the transfer that took it back."""

    id: UUID
    account: UUID
    transfer: UUID
    sequence: int
    amount: int
    balance: int
    effective_at: datetime
    recorded_at: datetime
    purpose: str
    note: str
    reverses: UUID | None
    reversed_by: UUID | None
    reason: str


class StatementOut(Schema):
    """One page of an account, the latest first; ask again with `before` = `next_before` until that is null."""

    account: LedgerAccountOut
    lines: list[LedgerLineOut]
    next_before: int | None


class MovementsOut(Schema):
    """One page of a holder's movements, the latest first; ask again with `before` = `next_before` until that is null."""

    lines: list[LedgerLineOut]
    next_before: UUID | None


class TransferOut(Schema):
    """One transfer with those of its lines that the caller may see."""

    id: UUID
    effective_at: datetime
    recorded_at: datetime
    place: UUID
    purpose: str
    note: str
    reverses: UUID | None
    reason: str
    lines: list[LedgerLineOut]


class LedgerTotalOut(Schema):
    """What the accounts of one kind of holder have together, in one unit, of one kind of goods where `item` is set."""

    holder_kind: str
    unit: str
    item: str | None
    accounts: int
    balance: int


class GoodsItemOut(Schema):
    """One kind of goods and what one of it is."""

    code: str
    name: str
    name_en: str
    unit_name: str
    unit_name_en: str


@router.get("/ledger/items", response=list[GoodsItemOut])
@declares(public=True)
def goods_items(request: ApiRequest) -> list[dict[str, Any]]:
    """The kinds of goods that the book counts."""
    names = ("code", "name", "name_en", "unit_name", "unit_name_en")
    return [{name: getattr(row, name) for name in names} for row in goods.goods_items(request.actor)]


@router.get("/ledger/accounts/{uuid:ledger_account_id}", response=LedgerAccountOut)
@declares("view", "ledger")
def account(request: ApiRequest, ledger_account_id: UUID) -> dict[str, Any]:
    """One account with its balance."""
    return _account(accounts.account(request.actor, ledger_account_id))


@router.get("/ledger/accounts/{uuid:ledger_account_id}/entries", response=StatementOut)
@declares("view", "ledger")
def statement(
    request: ApiRequest, ledger_account_id: UUID, before: int | None = None, limit: int = 50
) -> dict[str, Any]:
    """The entries of an account, page by page (at most 200)."""
    page = accounts.statement(request.actor, ledger_account_id, before=before, limit=limit)
    return {
        "account": _account(page.account),
        "lines": [_line(line) for line in page.lines],
        "next_before": page.next_before,
    }


@router.get("/ledger/holders/{uuid:holder_id}/accounts", response=list[LedgerAccountOut])
@declares("view", "ledger")
def accounts_of(request: ApiRequest, holder_id: UUID) -> list[dict[str, Any]]:
    """What a person, project, fund … has, in all places the caller may look into."""
    return [_account(row) for row in accounts.accounts_of(request.actor, holder_id)]


@router.get("/ledger/holders/{uuid:holder_id}/entries", response=MovementsOut)
@declares("view", "ledger")
def movements(
    request: ApiRequest, holder_id: UUID, before: UUID | None = None, limit: int = 50
) -> dict[str, Any]:
    """What moved on all accounts of a holder, page by page (at most 200)."""
    page = transfers.transfers_of(request.actor, holder_id, before=before, limit=limit)
    return {"lines": [_line(line) for line in page.lines], "next_before": page.next_before}


@router.get("/ledger/transfers/{uuid:transfer_id}", response=TransferOut)
@declares("view", "ledger")
def transfer(request: ApiRequest, transfer_id: UUID) -> dict[str, Any]:
    """One transfer."""
    seen = transfers.transfer(request.actor, transfer_id)
    names = ("id", "effective_at", "recorded_at", "purpose", "note", "reason")
    return {
        **{name: getattr(seen.transfer, name) for name in names},
        "place": seen.transfer.place_id,
        "reverses": seen.transfer.reverses_id,
        "lines": [_line(line) for line in seen.lines],
    }


@router.get("/ledger/places/{uuid:place_id}/totals", response=list[LedgerTotalOut])
@declares("view", "ledger.totals")
def totals(request: ApiRequest, place_id: UUID) -> list[dict[str, Any]]:
    """What is held at and below a place, by kind of holder and unit."""
    found = accounts.totals(request.actor, places.place(request.actor, place_id).path)
    return [
        {
            "holder_kind": total.holder_kind,
            "unit": total.unit,
            "item": total.item_code or None,
            "accounts": total.accounts,
            "balance": total.balance,
        }
        for total in found
    ]


def _account(row: Any) -> dict[str, Any]:
    plain = ("id", "holder_kind", "unit", "purpose", "floor", "spend_until", "balance", "opened_at")
    return {
        **{name: getattr(row, name) for name in plain},
        "holder": row.holder_id,
        "place": row.place_id,
        "item": row.item.code if row.item else None,
        "entries": row.entry_count,
    }


def _line(line: accounts.Line) -> dict[str, Any]:
    plain = ("sequence", "amount", "balance", "effective_at", "recorded_at", "purpose", "note", "reason")
    return {
        **{name: getattr(line, name) for name in plain},
        "id": line.entry_id,
        "account": line.account_id,
        "transfer": line.transfer_id,
        "reverses": line.reverses_id,
        "reversed_by": line.reversed_by_id,
    }
