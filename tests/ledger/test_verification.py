"""`verify` finds what is planted, whichever way the book was bent, and names the record; a sound book passes."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection

from tests.ledger.book import OPERATOR, holder, make_account, make_source, pay
from tests.support.queries import QueryCounter
from wushe.kernel import policy, triggers
from wushe.kernel.policy import Refused
from wushe.ledger.models import Entry, LedgerAccount, Transfer
from wushe.ledger.operations import transfers
from wushe.ledger.queries.verification import verify

pytestmark = pytest.mark.django_db


class Sound:
    """Three accounts, three transfers, one of them reversed."""

    def __init__(self) -> None:
        self.source, self.fund, self.project = make_source(), make_account(), make_account()
        pay(self.source, self.fund, 100)
        self.spent = pay(self.fund, self.project, 40)
        wrong = pay(self.fund, self.project, 10)
        self.undone = transfers.reverse_transfer(
            by=OPERATOR, transfer_id=wrong.pk, key="reversal-1", reason="重复登记"
        )

    def leg(self, transfer: Transfer, account: LedgerAccount) -> UUID:
        return Entry.objects.get(transfer=transfer, account=account).pk


@pytest.fixture
def sound() -> Sound:
    return Sound()


def damage(table: type, change: str, record: UUID) -> None:
    """Bend one row as somebody would who owns the database: triggers lifted."""
    with triggers.lifted(), connection.cursor() as cursor:
        statement = change.format(f'"{table._meta.db_table}"')  # type: ignore[attr-defined]  # a model
        cursor.execute(
            f"{statement} WHERE id = %s", [record.hex if connection.vendor == "sqlite" else record]
        )
        assert cursor.rowcount == 1


def kinds(record: UUID | None = None) -> set[str]:
    report = verify(OPERATOR)
    assert report.ok == (not report.findings)
    assert report.found >= len(report.findings)
    return {f.kind for f in report.findings if record is None or f.record == str(record)}


def test_a_sound_book_passes(sound: Sound) -> None:
    report = verify(OPERATOR)
    assert report.ok, report.findings
    assert (report.accounts, report.transfers, report.entries) == (3, 4, 8)


def test_an_empty_book_balances() -> None:
    assert verify(OPERATOR).ok


def test_a_changed_amount_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    leg = sound.leg(sound.spent, sound.project)
    damage(Entry, "UPDATE {} SET amount = 41", leg)
    fault_fired("an amount was changed")
    assert kinds(sound.spent.pk) == {"TRANSFER_NOT_ZERO"}
    assert kinds(leg) == {"ENTRY_BALANCE"}
    assert kinds(sound.project.pk) == {"ACCOUNT_BALANCE"}


def test_a_missing_leg_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    damage(Entry, "DELETE FROM {}", sound.leg(sound.spent, sound.project))
    fault_fired("a leg was deleted")
    assert kinds(sound.spent.pk) == {"TRANSFER_NOT_ZERO", "LEG_MISSING"}
    assert kinds(sound.project.pk) == {"ENTRY_GAP", "ACCOUNT_BALANCE", "ACCOUNT_COUNT"}


def test_a_transfer_without_legs_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    for account in (sound.fund, sound.project):
        damage(Entry, "DELETE FROM {}", sound.leg(sound.undone, account))
    fault_fired("the last legs of two accounts were deleted")
    assert "LEG_MISSING" in kinds(sound.undone.pk)
    assert kinds(sound.project.pk) == {"ACCOUNT_BALANCE", "ACCOUNT_COUNT"}


def test_a_changed_balance_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    damage(LedgerAccount, "UPDATE {} SET balance = balance + 1", sound.fund.pk)
    fault_fired("a cached balance was changed")
    assert kinds() == kinds(sound.fund.pk) == {"ACCOUNT_BALANCE"}
    (finding,) = verify(OPERATOR).findings
    assert finding.model == "ledger.LedgerAccount"
    assert finding.detail == "its balance reads 61, its entries add up to 60"


def test_a_changed_count_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    damage(LedgerAccount, "UPDATE {} SET entry_count = 9", sound.fund.pk)
    fault_fired("a count was changed")
    assert kinds() == kinds(sound.fund.pk) == {"ACCOUNT_COUNT"}


def test_a_floor_raised_over_the_past_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    damage(LedgerAccount, "UPDATE {} SET floor = NULL", sound.fund.pk)
    pay(sound.fund, sound.project, 100)
    pay(sound.source, sound.fund, 100)
    damage(LedgerAccount, "UPDATE {} SET floor = 0", sound.fund.pk)
    fault_fired("a floor was lifted for one transfer")
    assert kinds() == {"BELOW_FLOOR"}


def test_a_reversal_of_something_else_is_found(sound: Sound, fault_fired: Callable[[str], None]) -> None:
    value = sound.spent.pk.hex if connection.vendor == "sqlite" else str(sound.spent.pk)
    damage(Transfer, f"UPDATE {{}} SET reverses_id = '{value}'", sound.undone.pk)
    fault_fired("a reversal was bent")
    assert kinds() == kinds(sound.undone.pk) == {"REVERSAL_DIFFERS"}


def test_every_bad_record_is_counted_though_not_each_is_named(fault_fired: Callable[[str], None]) -> None:
    accounts = [make_account() for _ in range(25)]
    for account in accounts:
        damage(LedgerAccount, "UPDATE {} SET balance = 1", account.pk)
    fault_fired("25 balances were changed")
    report = verify(OPERATOR)
    assert (report.found, len(report.findings)) == (25, 20)
    assert report.findings[0].record == str(min(account.pk for account in accounts))


def test_only_who_sees_the_platform_may_add_up_the_book(sound: Sound, query_counter: QueryCounter) -> None:
    with pytest.raises(Refused):
        verify(holder(policy.DISTRICT_ADMIN, "/"))
    assert verify(holder(policy.PLATFORM_OPERATOR, "/")).ok
    with query_counter.count() as small:
        verify(OPERATOR)
    for _ in range(10):
        pay(sound.source, make_account(), 5)
    with query_counter.count() as large:
        verify(OPERATOR)
    assert large.count == small.count
