"""A small book to test on: accounts of made-up holders in made-up places, and transfers between them."""

import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from wushe.kernel.actor import Actor, Grant
from wushe.ledger.models import Entry, LedgerAccount
from wushe.ledger.operations import accounts, transfers
from wushe.ledger.operations.accounts import NewAccount
from wushe.ledger.operations.transfers import NewTransfer
from wushe.ledger.rules import Leg

OPERATOR = Actor.operator("test")
PLACE = UUID(int=150603)
PATH = "/15/1506/150603/"
WHEN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_numbers = itertools.count()


def new_account(**fields: Any) -> NewAccount:
    """Return an account of minutes, kept in the one place, of a holder nobody else has."""
    given = {
        "holder_kind": "PROJECT", "holder_id": uuid4(), "place_id": PLACE, "place_path": PATH, "unit": "MINUTES", **fields,
    }  # fmt: skip
    return NewAccount(**given)


def make_account(**fields: Any) -> LedgerAccount:
    """Open such an account."""
    return accounts.open_account(by=OPERATOR, account=new_account(**fields))


def make_source(**fields: Any) -> LedgerAccount:
    """Open an account that may go below zero without end."""
    return make_account(floor=None, holder_kind="PERSON", **fields)


def new_transfer(*legs: tuple[LedgerAccount, int], key: str = "", **fields: Any) -> NewTransfer:
    """Return a transfer over `legs`, (account, amount) each."""
    given = {
        "key": key or f"test-transfer-{next(_numbers)}",
        "legs": tuple(Leg(account.pk, amount) for account, amount in legs),  # unless given as they are
        "effective_at": WHEN, "place_id": PLACE, "place_path": PATH, **fields,
    }  # fmt: skip
    return NewTransfer(**given)


def pay(source: LedgerAccount, target: LedgerAccount, amount: int, **fields: Any) -> Any:
    """Move `amount` from one account to the other."""
    return transfers.post_transfer(
        by=OPERATOR, transfer=new_transfer((source, -amount), (target, amount), **fields)
    )


def balance(account: LedgerAccount) -> int:
    """Return the balance as it stands in the row now."""
    return LedgerAccount.objects.values_list("balance", flat=True).get(pk=account.pk)


def recounted(account: LedgerAccount) -> int:
    """Return the balance added up from the entries, in Python, by another road than the program's."""
    return sum(Entry.objects.filter(account=account).values_list("amount", flat=True))


def holder(role: str, place_path: str | None = PATH, organization_path: str | None = None) -> Actor:
    """Return somebody who holds `role`."""
    return Actor("account", "x", uuid4(), uuid4(), (Grant(role, place_path, organization_path),))
