"""Move minutes, money and goods from account to account (转账), and take a movement back.

One path for one transfer and for ten thousand: lock the accounts in the order of their ids, look for what came before under the same
keys, judge, write transfers and entries, move the balances. On PostgreSQL the lock is the rows'; on SQLite it is the write lock
that `BEGIN IMMEDIATE` took. Neither is what the book rests on: the floor is a constraint of the account's row, the balance is moved relative
to what it is, an entry's place in its account and a transfer's key are unique.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.bulk import insert_rows
from wushe.kernel.ids import new_id
from wushe.kernel.problems import Problem
from wushe.ledger import rules
from wushe.ledger.models import Entry, LedgerAccount, Transfer
from wushe.ledger.rules import Leg

_CHUNK: Final = 5000
_SINGLE: Final = 20
"""Up to so many transfers are inserted by Django itself, one statement for each table."""


class TransferInvalid(Problem):
    """The legs, the key or the texts cannot be: see `code`, which begins with "ledger.transfer."."""

    code = "ledger.transfer.invalid"


class TransferRefused(Problem):
    """The terms of an account forbid the transfer: see `code`, which begins with "ledger.transfer."."""

    code = "ledger.transfer.refused"
    status = 409


class AccountUnknown(Problem):
    """There is no such account."""

    code = "ledger.account_unknown"
    status = 404


class TransferUnknown(Problem):
    """There is no such transfer."""

    code = "ledger.transfer_unknown"
    status = 404


class TransferKeyReused(Problem):
    """The key was used before for a transfer that says something else."""

    code = "ledger.key_reused"
    status = 409


class TransferReversed(Problem):
    """The transfer was reversed before, or is itself a reversal."""

    code = "ledger.already_reversed"
    status = 409


_SENTENCES: Final = {
    rules.TOO_FEW_LEGS: gettext_lazy("一笔转账至少要有一个转出账户和一个转入账户：请补全后重试。"),
    rules.ACCOUNT_TWICE: gettext_lazy("同一账户在一笔转账里出现了两次：请合并成一项。"),
    rules.AMOUNT_INVALID: gettext_lazy("数额须为不等于零的整数，且不超过一万亿：请检查后重试。"),
    rules.NOT_ZERO: gettext_lazy("转出与转入不相等：每种单位的合计必须为零，请检查数额。"),
    rules.BELOW_FLOOR: gettext_lazy("账户余额不足：请减少数额，或先补足余额。"),
    rules.TOO_MUCH_HELD: gettext_lazy("账户余额将超出可记录的范围：请检查数额。"),
    rules.WRONG_PURPOSE: gettext_lazy("这个账户只能用于指定用途：请改用其他账户，或按指定用途支出。"),
    rules.WRONG_PLACE: gettext_lazy("这个账户只能用于指定地区：请改用其他账户。"),
    rules.TOO_LATE: gettext_lazy("这个账户的使用期限已过：请改用其他账户。"),
}
_OF_TERMS: Final = {
    rules.BELOW_FLOOR,
    rules.TOO_MUCH_HELD,
    rules.WRONG_PURPOSE,
    rules.WRONG_PLACE,
    rules.TOO_LATE,
}


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """One transfer about to be made.

    `key` is the idempotency key, 8 to 200 visible characters, unique in the book: name the fact it stands for
    ("service.record:<id>"). `legs` add up to zero in each unit. `effective_at` (with a zone, not in the future) is when it happened;
    `place_id` and `place_path` where. `purpose` is the code of what it is for; `note` must hold no personal data.
    """

    key: str
    legs: tuple[Leg, ...]
    effective_at: datetime
    place_id: UUID
    place_path: str
    purpose: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Draft:
    new: NewTransfer
    digest: str
    reverses_id: UUID | None = None
    reason: str = ""


@transaction.atomic
def post_transfer(*, by: Actor, transfer: NewTransfer, at: datetime | None = None) -> Transfer:
    """Make one transfer; a retry under the same key with the same content returns the first and changes nothing.

    Needs the right to create at every account that something is taken out of. Raises `TransferInvalid`, `TransferRefused`,
    `TransferKeyReused`, `AccountUnknown`.
    """
    now = at or timezone.now()
    return _post(by, "create", [_draft(transfer, now)], now)[0]


@transaction.atomic
def post_transfers(
    *, by: Actor, transfers: Sequence[NewTransfer], at: datetime | None = None
) -> list[Transfer]:
    """Make many transfers in the given order, all or none, under the same rules; return them, in that order.

    Those that came before under the same key with the same content are returned as they are. One audit row for the whole
    batch; the number of queries grows by thousands of transfers, not by each. Raises like `post_transfer`.
    """
    now = at or timezone.now()
    return _post(by, "create", [_draft(new, now) for new in transfers], now)


@transaction.atomic
def reverse_transfer(
    *, by: Actor, transfer_id: UUID, key: str, reason: str, at: datetime | None = None
) -> Transfer:
    """Take a transfer back by the opposite one, which points at it; both stay. `reason` must hold no personal data.

    The reversal takes effect when the original did, so that the sums of that month are right; when it was recorded stands beside it.

    A retry under the same key returns the first reversal. Purpose, place and day of the accounts do not bind a reversal, their floors
    do. Needs the right to edit at every account that something is taken back out of. Raises `TransferReversed`,
    `TransferRefused` (what was received is spent), `TransferUnknown`, `TransferInvalid`, `TransferKeyReused`.
    """
    now = at or timezone.now()
    original = Transfer.objects.filter(pk=transfer_id).first()
    if original is None:
        raise TransferUnknown(_("没有找到这笔转账：请刷新页面后重试。"))
    if original.reverses_id is not None:
        raise TransferReversed(_("这笔本身就是冲正，不能再冲正：请重新登记一笔转账。"))
    legs = rules.opposite(
        Leg(account_id, amount)
        for account_id, amount in Entry.objects.filter(transfer=original).values_list("account_id", "amount")
    )
    reason = reason.strip()
    new = NewTransfer(key, legs, original.effective_at, original.place_id, "", original.purpose)
    digest = rules.digest(
        legs,
        effective_at=new.effective_at,
        place_id=new.place_id,
        purpose=new.purpose,
        note=reason,
        reverses=original.pk,
    )
    if not reason or len(reason) > rules.NOTE_LENGTH:
        raise TransferInvalid(_("请写明冲正的原因（500 字以内）。"), field="reason")
    _check_key(key)
    return _post(by, "edit", [_Draft(new, digest, original.pk, reason)], now)[0]


# --- the one path -----------------------------------------------------------------------------------------------------


def _post(by: Actor, verb: str, drafts: list[_Draft], now: datetime) -> list[Transfer]:
    touched = {leg.account_id for draft in drafts for leg in draft.new.legs}
    drained = {leg.account_id for draft in drafts for leg in draft.new.legs if leg.amount < 0}
    accounts = _locked(touched)
    for account_id in touched:
        if account_id not in accounts:
            raise AccountUnknown(_("没有找到账户：请刷新页面后重试。"))
    for facts in {accounts[account_id].facts() for account_id in drained}:
        policy.require(by, verb, facts)
    earlier = _earlier(drafts)
    if len(earlier) == len(drafts):
        return [earlier[draft.new.key] for draft in drafts]
    try:
        # A savepoint: somebody may use one of the keys, on other accounts, between the look above and the insert.
        with transaction.atomic():
            made = _write([draft for draft in drafts if draft.new.key not in earlier], accounts, now)
    except IntegrityError:
        if not _earlier(drafts).keys() - earlier.keys():
            raise
        return _post(by, verb, drafts, now)
    _record(by, made, drafts, accounts)
    known = earlier | {transfer.key: transfer for transfer in made}
    return [known[draft.new.key] for draft in drafts]


def _locked(account_ids: Iterable[UUID]) -> dict[UUID, LedgerAccount]:
    """Return the accounts, locked until the transaction ends, always in the same order so that nobody waits in a circle."""
    ids = sorted(account_ids)
    found: dict[UUID, LedgerAccount] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = LedgerAccount.objects.filter(pk__in=ids[start : start + _CHUNK])
        found |= {row.pk: row for row in rows.order_by("pk").select_for_update()}
    return found


def _earlier(drafts: Sequence[_Draft]) -> dict[str, Transfer]:
    """Return what came before under the same keys; raises `TransferKeyReused` where it says something else."""
    digests: dict[str, str] = {}
    for draft in drafts:
        if digests.setdefault(draft.new.key, draft.digest) != draft.digest:
            _key_reused(draft.new.key)
    keys, found = list(digests), {}
    for start in range(0, len(keys), _CHUNK):
        for row in Transfer.objects.filter(key__in=keys[start : start + _CHUNK]):
            if row.digest != digests[row.key]:
                _key_reused(row.key)
            found[row.key] = row
    return found


def _key_reused(key: str) -> None:
    raise TransferKeyReused(
        _("编号“%(key)s”已用于内容不同的另一笔转账：请核对，或换一个编号。") % {"key": key}
    )


def _write(drafts: Sequence[_Draft], accounts: Mapping[UUID, LedgerAccount], now: datetime) -> list[Transfer]:
    targets = [draft.reverses_id for draft in drafts if draft.reverses_id]
    reversed_before = set(
        Transfer.objects.filter(reverses__in=targets).values_list("reverses_id", flat=True) if targets else ()
    )
    terms = {key: _terms(account) for key, account in accounts.items()}
    balances = {key: account.balance for key, account in accounts.items()}
    counts = {key: account.entry_count for key, account in accounts.items()}
    batch_id = new_id() if len(drafts) > 1 else None
    made: dict[str, Transfer] = {}
    entries: list[Entry] = []
    for draft in drafts:
        if draft.new.key in made:
            continue  # the same one twice in one batch
        if draft.reverses_id in reversed_before:
            raise TransferReversed(_("这笔转账已经冲正过，不能再次冲正。"))
        _check_allowed(draft, terms, balances)
        transfer = _transfer(draft, now, batch_id)
        made[transfer.key] = transfer
        for leg in draft.new.legs:
            balances[leg.account_id] += leg.amount
            counts[leg.account_id] += 1
            entries.append(
                Entry(
                    transfer=transfer,
                    account_id=leg.account_id,
                    sequence=counts[leg.account_id],
                    amount=leg.amount,
                    balance=balances[leg.account_id],
                )
            )
    transfers = list(made.values())
    _insert(transfers, entries)
    _move_balances(accounts, balances, counts)
    return transfers


def _check_allowed(draft: _Draft, terms: Mapping[UUID, rules.Terms], balances: Mapping[UUID, int]) -> None:
    new = draft.new
    refusal = rules.refusal(
        new.legs,
        terms,
        balances,
        purpose=new.purpose,
        place_path=new.place_path,
        on=timezone.localdate(new.effective_at),
        is_reversal=draft.reverses_id is not None,
    )
    if refusal is not None:
        kind = TransferRefused if refusal.code in _OF_TERMS else TransferInvalid
        raise kind(_SENTENCES[refusal.code], code=f"ledger.transfer.{refusal.code}")


def _terms(account: LedgerAccount) -> rules.Terms:
    return rules.Terms(
        measure=f"{account.unit}:{account.item_id}" if account.item_id else account.unit,
        floor=account.floor,
        purpose=account.purpose,
        spend_place_path=account.spend_place_path,
        spend_until=account.spend_until,
    )


def _transfer(draft: _Draft, now: datetime, batch_id: UUID | None) -> Transfer:
    new = draft.new
    return Transfer(
        key=new.key, digest=draft.digest, effective_at=new.effective_at, recorded_at=now, place_id=new.place_id,
        purpose=new.purpose, note=new.note, reverses_id=draft.reverses_id, reason=draft.reason, batch_id=batch_id,
    )  # fmt: skip


def _insert(transfers: Sequence[Transfer], entries: Sequence[Entry]) -> None:
    for model, rows in ((Transfer, transfers), (Entry, entries)):
        if len(transfers) <= _SINGLE:
            model._default_manager.bulk_create(rows)  # type: ignore[arg-type]  # rows of that very model
            continue
        names = [field.attname for field in model._meta.concrete_fields]
        columns = [str(field.column) for field in model._meta.concrete_fields]
        insert_rows(model, columns, ([getattr(row, name) for name in names] for row in rows))


def _move_balances(
    accounts: Mapping[UUID, LedgerAccount], balances: Mapping[UUID, int], counts: Mapping[UUID, int]
) -> None:
    """Move balances by what was entered, relative to what they are: a lost lock then breaks a constraint, never a sum."""
    quote = connection.ops.quote_name
    is_sqlite = connection.vendor == "sqlite"  # where ids are text
    changes = [
        (balances[key] - account.balance, counts[key] - account.entry_count, key.hex if is_sqlite else key)
        for key, account in sorted(accounts.items())
        if counts[key] != account.entry_count
    ]
    table, balance, count = quote(LedgerAccount._meta.db_table), quote("balance"), quote("entry_count")
    with connection.cursor() as cursor:
        cursor.executemany(
            # Only the model's own names; the values are parameters.
            f"UPDATE {table} SET {balance} = {balance} + %s, {count} = {count} + %s WHERE id = %s",  # noqa: S608 - see above
            changes,
        )


def _record(
    by: Actor, made: Sequence[Transfer], drafts: Sequence[_Draft], accounts: Mapping[UUID, LedgerAccount]
) -> None:
    by_key = {draft.new.key: draft for draft in drafts}
    legs = [leg for transfer in made for leg in by_key[transfer.key].new.legs]
    place_path = rules.shared_root({accounts[leg.account_id].place_path for leg in legs})
    if len(made) == 1:
        after: dict[str, Any] = audit.image(made[0])
        after["legs"] = [[str(leg.account_id), leg.amount] for leg in legs]
        verb = "reverse" if made[0].reverses_id else "post"
        audit.record(by=by, verb=verb, target=made[0], after=after, place_path=place_path)
        return
    measures = {key: _terms(account).measure for key, account in accounts.items()}
    moved: dict[str, int] = {}
    for leg in legs:
        if leg.amount > 0:
            moved[measures[leg.account_id]] = moved.get(measures[leg.account_id], 0) + leg.amount
    audit.record(
        by=by,
        verb="post_many",
        target=("ledger.Transfer", made[0].batch_id),
        after={"transfers": len(made), "first": str(made[0].pk), "last": str(made[-1].pk), "moved": moved},
        place_path=place_path,
    )


# --- what a transfer must be by itself --------------------------------------------------------------------------------


def _draft(new: NewTransfer, now: datetime) -> _Draft:
    _check_key(new.key)
    if timezone.is_naive(new.effective_at) or new.effective_at > now:
        raise TransferInvalid(
            _("发生时间不能晚于现在：请检查时间。"),
            code="ledger.transfer.time_invalid",
            field="effective_at",
        )
    if len(new.purpose) > rules.CODE_LENGTH or len(new.note) > rules.NOTE_LENGTH:
        raise TransferInvalid(_("用途编码最多 60 字，说明最多 500 字：请缩短后重试。"), field="note")
    refusal = rules.shape_refusal(new.legs)
    if refusal is not None:
        raise TransferInvalid(_SENTENCES[refusal.code], code=f"ledger.transfer.{refusal.code}")
    legs = tuple(new.legs)
    return _Draft(
        replace(new, legs=legs),
        rules.digest(
            legs,
            effective_at=new.effective_at,
            place_id=new.place_id,
            purpose=new.purpose,
            note=new.note,
        ),
    )


def _check_key(key: str) -> None:
    if not rules.KEY_LENGTH[0] <= len(key) <= rules.KEY_LENGTH[1] or not key.isprintable():
        raise TransferInvalid(
            _("转账编号须为 8 至 200 个可见字符。"), code="ledger.transfer.key_invalid", field="key"
        )
