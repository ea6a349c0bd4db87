"""Many at once: never below the floor, one effect per key, one reversal; and each guard missed when it is taken out."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections

from tests.ledger.book import (
    OPERATOR,
    balance,
    make_account,
    make_source,
    new_account,
    new_transfer,
    pay,
    recounted,
)
from wushe.kernel.problems import Problem
from wushe.ledger.models import Entry, LedgerAccount, Transfer
from wushe.ledger.operations import accounts, transfers
from wushe.ledger.queries.verification import verify

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each on its own connection; return results, codes of problems, names of other errors."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[number] = work()
        except Problem as problem:
            results[number] = problem.code
        except Exception as error:  # judged by the test
            results[number] = type(error).__name__
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_transfers_only_as_many_pass_as_the_account_covers(size: str) -> None:
    racers, covered, rounds = (50, 10, 5) if size == "full" else (24, 6, 2)
    for _ in range(rounds):
        source, fund, project = make_source(), make_account(), make_account()
        pay(source, fund, covered * 7)
        results = at_once(*[lambda f=fund, p=project: pay(f, p, 7)] * racers)
        assert sum(isinstance(result, Transfer) for result in results) == covered
        assert results.count("ledger.transfer.below_floor") == racers - covered, results
        assert (balance(fund), balance(project)) == (0, covered * 7)
    assert verify(OPERATOR).ok


def test_transfers_in_both_directions_never_wait_in_a_circle() -> None:
    one, other = make_source(), make_source()
    results = at_once(*[lambda: pay(one, other, 1), lambda: pay(other, one, 1)] * 10)
    assert all(isinstance(result, Transfer) for result in results), results
    assert balance(one) == recounted(one) == 0
    assert verify(OPERATOR).ok


def test_simultaneous_retries_make_one_transfer(size: str) -> None:
    source, fund = make_source(), make_account()
    for turn in range(10 if size == "full" else 3):
        new = new_transfer((source, -5), (fund, 5), key=f"same-key-{turn}")
        results = at_once(*[lambda n=new: transfers.post_transfer(by=OPERATOR, transfer=n)] * 12)
        assert len({result.pk for result in results}) == 1
        assert balance(fund) == (turn + 1) * 5
    assert verify(OPERATOR).ok


def test_one_key_on_different_accounts_at_once_belongs_to_one() -> None:
    pairs = [(make_source(), make_account()) for _ in range(8)]
    news = [new_transfer((a, -5), (b, 5), key="contested-key") for a, b in pairs]
    results = at_once(*[lambda n=new: transfers.post_transfer(by=OPERATOR, transfer=n) for new in news])
    assert sum(isinstance(result, Transfer) for result in results) == 1
    assert results.count("ledger.key_reused") == 7, results
    assert sum(balance(b) for _, b in pairs) == 5
    assert verify(OPERATOR).ok


def test_simultaneous_reversals_take_back_once() -> None:
    source, fund = make_source(), make_account()
    made = pay(source, fund, 5)
    pay(source, fund, 50)

    def reverse(number: int) -> Transfer:
        return transfers.reverse_transfer(
            by=OPERATOR, transfer_id=made.pk, key=f"reversal-{number}", reason="x"
        )

    results = at_once(*[lambda n=n: reverse(n) for n in range(8)])
    assert sum(isinstance(result, Transfer) for result in results) == 1
    assert results.count("ledger.already_reversed") == 7, results
    assert balance(fund) == 50
    assert verify(OPERATOR).ok


def test_an_account_opened_by_many_at_once_is_one() -> None:
    new = new_account()
    results = at_once(*[lambda: accounts.open_account(by=OPERATOR, account=new)] * 12)
    assert len({result.pk for result in results}) == 1, results
    assert LedgerAccount.objects.count() == 1


# --- the controls: with a guard taken out the same race goes wrong ----------------------------------------------------


@contextmanager
def without_floor() -> Iterator[None]:
    """Run the block without the floor in the table of accounts."""
    meta: Any = LedgerAccount._meta
    every = list(meta.constraints)
    (floor,) = [constraint for constraint in every if constraint.name == "ledger_account_floor"]

    def change(act: str, left: list[Any]) -> None:
        meta.constraints = left  # SQLite makes the table anew from these
        with connection.schema_editor() as editor:
            getattr(editor, act)(LedgerAccount, floor)

    change("remove_constraint", [constraint for constraint in every if constraint is not floor])
    try:
        yield
    finally:
        LedgerAccount.objects.filter(floor__isnull=False, balance__lt=0).update(balance=0)
        change("add_constraint", every)


def look_before_the_race(monkeypatch: pytest.MonkeyPatch, *found: LedgerAccount) -> None:
    """Take the lock out: every transfer judges by what the accounts held before any of them began."""
    seen = {row.pk: row for row in LedgerAccount.objects.filter(pk__in=[account.pk for account in found])}
    monkeypatch.setattr(transfers, "_locked", lambda ids: {pk: seen[pk] for pk in ids})


def test_control_without_the_lock_the_database_refuses_with_an_error(
    monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    source, fund, project = make_source(), make_account(), make_account()
    pay(source, fund, 10)
    look_before_the_race(monkeypatch, fund, project)
    results = at_once(*[lambda: pay(fund, project, 7)] * 8)
    fault_fired("transfers without the lock of their accounts")
    assert sum(isinstance(result, Transfer) for result in results) == 1
    assert results.count("IntegrityError") == 7, "nobody could act on that"
    assert balance(fund) == 3
    assert verify(OPERATOR).ok


def test_control_without_lock_and_constraints_the_account_is_overdrawn(
    monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    source, fund, project = make_source(), make_account(), make_account()
    pay(source, fund, 10)
    look_before_the_race(monkeypatch, fund, project)
    # The place of an entry in its account is a second guard; let each find a place of its own.
    lock, numbers = threading.Lock(), iter(range(100, 1000))
    plain = transfers._insert

    def renumbered(made: Any, entries: list[Entry]) -> None:
        with lock:
            for entry in entries:
                entry.sequence = next(numbers)
        plain(made, entries)

    monkeypatch.setattr(transfers, "_insert", renumbered)
    with without_floor():
        results = at_once(*[lambda: pay(fund, project, 7)] * 8)
        fault_fired("an overdrawn account")
        assert sum(isinstance(result, Transfer) for result in results) == 8, results
        assert balance(fund) == 10 - 8 * 7
        assert "BELOW_FLOOR" in {finding.kind for finding in verify(OPERATOR).findings}


def test_control_without_the_look_for_the_key_a_retry_ends_in_an_error(
    monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    source, fund = make_source(), make_account()
    new = new_transfer((source, -5), (fund, 5))
    transfers.post_transfer(by=OPERATOR, transfer=new)
    monkeypatch.setattr(transfers, "_earlier", lambda drafts: {})
    with pytest.raises(IntegrityError):
        transfers.post_transfer(by=OPERATOR, transfer=new)
    fault_fired("a retry that nobody looked for")
    assert balance(fund) == 5


def test_control_without_an_order_of_locks_transfers_wait_in_a_circle(
    monkeypatch: pytest.MonkeyPatch, database: str, fault_fired: Callable[[str], None]
) -> None:
    """On PostgreSQL one of two is thrown out; SQLite has one lock for all, so that there is no order to lose."""
    one, other = make_source(), make_source()
    both = threading.Barrier(2)

    def unordered(ids: Any) -> dict[Any, LedgerAccount]:
        found = {}
        for number, pk in enumerate(sorted(ids, reverse=threading.current_thread().name == "turned")):
            if number and database == "postgresql":
                both.wait(timeout=10)
            found[pk] = LedgerAccount.objects.select_for_update().get(pk=pk)
        return found

    def turned() -> Transfer:
        threading.current_thread().name = "turned"
        return pay(one, other, 1)

    monkeypatch.setattr(transfers, "_locked", unordered)
    results = at_once(turned, lambda: pay(one, other, 1))
    fault_fired("two locks in two orders")
    expected = 1 if database == "postgresql" else 2
    assert sum(isinstance(result, Transfer) for result in results) == expected
    assert results.count("OperationalError") == 2 - expected, results
    assert balance(one) == recounted(one) == -expected
