"""Add the whole book up again and compare (核账): the database counts, set by set, so that a city's book takes seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.ledger.models import Entry, LedgerAccount, Transfer

SHOWN: Final = 20
"""At most so many findings of each kind are named; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One bad record: `kind` (a stable code), the label and id of the row, and what is wrong in numbers."""

    kind: str
    model: str
    record: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a recount found. `found` counts every bad record, `findings` names the first of each kind, in the order of the checks."""

    accounts: int
    transfers: int
    entries: int
    found: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True when the book balances."""
        return not self.found


@dataclass(frozen=True, slots=True)
class _Check:
    kind: str
    model: Any
    detail: str
    """Filled with the columns after the first."""
    sql: str
    """Yields one row per bad record: its id, then the columns of `detail`."""


_CHECKS: Final = (
    _Check(
        "TRANSFER_NOT_ZERO",
        Transfer,
        "its legs in {} add up to {}",
        """SELECT e.transfer_id, a.unit, SUM(e.amount) FROM {entry} e JOIN {account} a ON a.id = e.account_id
           GROUP BY e.transfer_id, a.unit, a.item_id HAVING SUM(e.amount) <> 0""",
    ),
    _Check(
        "LEG_MISSING",
        Transfer,
        "it has {} legs",
        """SELECT t.id, COUNT(e.id) FROM {transfer} t LEFT JOIN {entry} e ON e.transfer_id = t.id
           GROUP BY t.id HAVING COUNT(e.id) < 2""",
    ),
    _Check(
        "ENTRY_GAP",
        LedgerAccount,
        "it has {} entries, numbered up to {}",
        """SELECT account_id, COUNT(*), MAX(sequence) FROM {entry} GROUP BY account_id
           HAVING COUNT(*) <> MAX(sequence) OR MIN(sequence) <> 1""",
    ),
    _Check(
        "ENTRY_BALANCE",
        Entry,
        "the balance after it reads {}, its account's entries up to it add up to {}",
        """SELECT id, balance, running FROM (
             SELECT id, balance, SUM(amount) OVER (PARTITION BY account_id ORDER BY sequence) AS running FROM {entry}
           ) counted WHERE balance <> running""",
    ),
    _Check(
        "ACCOUNT_BALANCE",
        LedgerAccount,
        "its balance reads {}, its entries add up to {}",
        """SELECT a.id, a.balance, COALESCE(e.total, 0) FROM {account} a
           LEFT JOIN (SELECT account_id, SUM(amount) AS total FROM {entry} GROUP BY account_id) e ON e.account_id = a.id
           WHERE a.balance <> COALESCE(e.total, 0)""",
    ),
    _Check(
        "ACCOUNT_COUNT",
        LedgerAccount,
        "it counts {} entries, there are {}",
        """SELECT a.id, a.entry_count, COALESCE(e.n, 0) FROM {account} a
           LEFT JOIN (SELECT account_id, COUNT(*) AS n FROM {entry} GROUP BY account_id) e ON e.account_id = a.id
           WHERE a.entry_count <> COALESCE(e.n, 0)""",
    ),
    _Check(
        "BELOW_FLOOR",
        Entry,
        "the balance after it is {}, the floor {}",
        """SELECT e.id, e.balance, a.floor FROM {entry} e JOIN {account} a ON a.id = e.account_id
           WHERE e.amount < 0 AND e.balance < a.floor""",
    ),
    _Check(
        "BELOW_FLOOR",
        LedgerAccount,
        "its balance is {}, the floor {}",
        "SELECT id, balance, floor FROM {account} WHERE balance < floor",
    ),
    _Check(
        "REVERSAL_DIFFERS",
        Transfer,
        "{} of its legs do not take back one of the transfer it reverses",
        """SELECT r.id, COUNT(*) FROM {transfer} r JOIN {entry} e ON e.transfer_id IN (r.id, r.reverses_id)
           LEFT JOIN {entry} o ON o.account_id = e.account_id AND o.amount = -e.amount
             AND o.transfer_id = CASE WHEN e.transfer_id = r.id THEN r.reverses_id ELSE r.id END
           WHERE r.reverses_id IS NOT NULL AND o.id IS NULL GROUP BY r.id""",
    ),
)


def verify(actor: Actor) -> Verification:
    """Recount the whole book at one moment and say what does not agree; for whoever may see the platform.

    Transfers sum to zero in each unit and have at least two legs; the entries of an account are numbered without gaps, and the
    balance after each, the account's balance and its count follow from the amounts; nothing was taken out below a floor; a reversal is the
    opposite of what it reverses.
    """
    policy.require(actor, "view", policy.Facts("platform"))
    found, findings = 0, []
    with transaction.atomic():
        if connection.vendor == "postgresql" and not connection.savepoint_ids:
            with connection.cursor() as cursor:
                # One moment for all checks, although transfers go on meanwhile.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in _CHECKS:
            number = 0
            for finding in _bad_records(check):
                number += 1
                if number <= SHOWN:
                    findings.append(finding)
            found += number
        counted = [model._default_manager.count() for model in (LedgerAccount, Transfer, Entry)]
    return Verification(counted[0], counted[1], counted[2], found, tuple(findings))


def _bad_records(check: _Check) -> Iterator[Finding]:
    names = {
        "entry": connection.ops.quote_name(Entry._meta.db_table),
        "account": connection.ops.quote_name(LedgerAccount._meta.db_table),
        "transfer": connection.ops.quote_name(Transfer._meta.db_table),
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({check.sql.format(**names)}) bad ORDER BY 1")  # noqa: S608 - tables of our own models
        for record, *numbers in iter(cursor.fetchone, None):
            identifier = check.model._meta.pk.to_python(record)
            yield Finding(check.kind, check.model._meta.label, str(identifier), check.detail.format(*numbers))
