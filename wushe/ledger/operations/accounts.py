"""Open accounts (账户), and let them follow the places and organizations they hang on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat, Substr
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.fields import KeyField
from wushe.kernel.ids import new_id
from wushe.kernel.problems import Problem
from wushe.ledger import rules
from wushe.ledger.models import GoodsItem, LedgerAccount

_CHUNK = 5000


class AccountInvalid(Problem):
    """Holder, unit, item, purpose or floor cannot be."""

    code = "ledger.account_invalid"


class AccountDiffers(Problem):
    """The account is there on other terms."""

    code = "ledger.account_differs"
    status = 409


@dataclass(frozen=True, slots=True)
class NewAccount:
    """One account about to be opened.

    `holder_kind` is a code of the room that owns the holder ("PERSON", "PROJECT", "FUND", "ORGANIZATION" …). `place_id` and `place_path` say
    where the account is kept: a volunteer has one account per place in which time is given. `unit` is MINUTES, FEN or GOODS, the last
    with `item`. `floor` is the least balance: 0, less for a credit, None for a source that may go below zero without end. What is in the account
    may be spent for `purpose` only, at or below `spend_place_path` only, up to and including the day `spend_until` only; "" and None: no condition.
    """

    holder_kind: str
    holder_id: UUID
    place_id: UUID
    place_path: str
    unit: str
    item: GoodsItem | None = None
    purpose: str = ""
    floor: int | None = 0
    spend_place_path: str = ""
    spend_until: date | None = None
    organization_path: str = ""


@transaction.atomic
def open_account(*, by: Actor, account: NewAccount, at: datetime | None = None) -> LedgerAccount:
    """Open an account, or return the one that is there on the same terms. Raises `AccountInvalid`, `AccountDiffers`."""
    return open_accounts(by=by, accounts=[account], at=at)[0]


@transaction.atomic
def open_accounts(
    *, by: Actor, accounts: Sequence[NewAccount], at: datetime | None = None
) -> list[LedgerAccount]:
    """Open those accounts that are not there yet; return all, in the given order. All or none; one audit row for all that were opened.

    The number of queries grows by thousands of accounts, not by each. Raises `AccountInvalid`, `AccountDiffers`.
    """
    for path, organization in sorted({(new.place_path, new.organization_path) for new in accounts}):
        policy.require(by, "create", _facts(path, organization))
    now = at or timezone.now()
    for new in accounts:
        _check(new)
    known = _existing(accounts)
    missing = {_key(new): new for new in accounts if _key(new) not in known}
    opened: list[LedgerAccount] = []
    if missing:
        # By key, so that two who open the same accounts at once wait for each other in the same order.
        rows = [_row(new, now) for _name, new in sorted(missing.items(), key=lambda pair: str(pair[0]))]
        LedgerAccount.objects.bulk_create(rows, batch_size=_CHUNK, ignore_conflicts=True)
        known |= _existing(list(missing.values()))
        opened = [row for row in rows if known[_key(row)].pk == row.pk]
    for new in accounts:
        _check_terms(known[_key(new)], new)
    if len(opened) == 1:
        audit.record(by=by, verb="open", target=opened[0], after=opened[0])
    elif opened:
        audit.record(
            by=by,
            verb="open_many",
            target=("ledger.LedgerAccount", new_id()),
            place_path=rules.shared_root(row.place_path for row in opened),
            after={"accounts": [str(row.pk) for row in opened]},
        )
    return [known[_key(new)] for new in accounts]


def accounts_follow_places(old: str, new: str) -> None:
    """Let the accounts kept at or below the path `old` lie below `new`; to be called in the transaction that moved the places."""
    for column in ("place_path", "spend_place_path"):
        _follow(LedgerAccount.objects.filter(**{f"{column}__prefix": old}), column, old, new)


def accounts_follow_organizations(old: str, new: str) -> None:
    """The same for the path of an organization that was moved."""
    _follow(LedgerAccount.objects.filter(organization_path__prefix=old), "organization_path", old, new)


def _follow(found: QuerySet[LedgerAccount], column: str, old: str, new: str) -> None:
    found.update(
        **{column: Concat(Value(new), Substr(F(column), len(old) + 1), output_field=KeyField(max_length=255))}
    )


def _facts(place_path: str, organization_path: str) -> policy.Facts:
    return policy.Facts(
        "ledger",
        place_paths=frozenset({place_path}),
        organization_paths=frozenset({organization_path} if organization_path else ()),
    )


def _key(account: NewAccount | LedgerAccount) -> tuple[Any, ...]:
    item = account.item_id if isinstance(account, LedgerAccount) else account.item and account.item.pk
    return (
        account.holder_id,
        account.holder_kind,
        account.place_id,
        str(account.unit),
        item,
        account.purpose,
    )


def _existing(accounts: Sequence[NewAccount]) -> dict[tuple[Any, ...], LedgerAccount]:
    holders = sorted({new.holder_id for new in accounts})
    found: dict[tuple[Any, ...], LedgerAccount] = {}
    for start in range(0, len(holders), _CHUNK):
        rows = LedgerAccount.objects.filter(holder_id__in=holders[start : start + _CHUNK])
        found |= {_key(row): row for row in rows.select_related("item")}
    return found


def _row(new: NewAccount, now: datetime) -> LedgerAccount:
    return LedgerAccount(
        holder_kind=new.holder_kind, holder_id=new.holder_id, place_id=new.place_id, place_path=new.place_path,
        organization_path=new.organization_path, unit=new.unit, item=new.item, purpose=new.purpose, floor=new.floor,
        spend_place_path=new.spend_place_path, spend_until=new.spend_until, opened_at=now,
    )  # fmt: skip


def _check(new: NewAccount) -> None:
    if not new.holder_kind or len(new.holder_kind) > 30 or not new.place_path.startswith("/"):
        raise AccountInvalid(_("账户要有持有者类型（30 字以内）和所在地：请补全后重试。"))
    if new.unit not in rules.UNITS or (new.unit == rules.GOODS) != (new.item is not None):
        raise AccountInvalid(_("账户单位须为分钟、分（人民币）或某一种物品：请重新选择。"), field="unit")
    if len(new.purpose) > rules.CODE_LENGTH:
        raise AccountInvalid(_("用途编码最多 60 字：请缩短后重试。"), field="purpose")
    if new.floor is not None and not -rules.MOST_HELD <= new.floor <= 0:
        raise AccountInvalid(_("账户的最低余额只能是零、负数，或不设下限：请重新填写。"), field="floor")


def _check_terms(row: LedgerAccount, new: NewAccount) -> None:
    terms = ("floor", "spend_place_path", "spend_until")
    if any(getattr(row, name) != getattr(new, name) for name in terms):
        raise AccountDiffers(_("这个账户已按另外的条件开立：请使用原来的条件，或另立用途。"))
