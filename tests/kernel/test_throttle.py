"""Slowing guesses down: exactly so many tries, however many come at once, and no name stored."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection, transaction

from wushe.kernel import throttle
from wushe.kernel.models import ThrottleBucket
from wushe.kernel.throttle import TooManyTries


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The throttle's clock in microseconds, to be moved by hand."""
    now = [1_800_000_000_000_000]
    monkeypatch.setattr(throttle, "_now", lambda: now[0])
    return now


def spend(key: str = "a", limit: int = 3, per_seconds: int = 90) -> bool:
    try:
        throttle.spend(bucket="login", key=key, limit=limit, per_seconds=per_seconds)
    except TooManyTries:
        return False
    return True


@pytest.mark.django_db
def test_the_bucket_holds_so_many_tries_and_refills_evenly(clock: list[int]) -> None:
    assert [spend() for _ in range(5)] == [True, True, True, False, False]
    clock[0] += 29_000_000
    assert not spend()
    clock[0] += 1_000_000
    assert [spend(), spend()] == [True, False]
    clock[0] += 1_000_000_000
    assert [spend() for _ in range(4)] == [True, True, True, False]


@pytest.mark.django_db
def test_the_refusal_says_when_to_come_back(clock: list[int]) -> None:
    for _ in range(3):
        spend()
    with pytest.raises(TooManyTries) as refused:
        throttle.spend(bucket="login", key="a", limit=3, per_seconds=90)
    assert (refused.value.retry_after, refused.value.status, refused.value.code) == (
        30,
        429,
        "too_many_tries",
    )
    assert "30" in refused.value.message
    clock[0] += refused.value.retry_after * 1_000_000
    assert spend()


@pytest.mark.django_db
def test_buckets_and_keys_are_apart_and_can_be_refilled(clock: list[int]) -> None:
    for _ in range(4):
        spend()
    assert spend("b")
    throttle.spend(bucket="pin", key="a", limit=1, per_seconds=60)
    assert throttle.left(bucket="login", key="a", limit=3, per_seconds=90) == 0
    throttle.refill(bucket="login", key="a")
    assert throttle.left(bucket="login", key="a", limit=3, per_seconds=90) == 3
    assert spend()


@pytest.mark.django_db
def test_no_name_or_address_is_stored() -> None:
    spend("CANARY-13800138000")
    assert "CANARY" not in str(list(ThrottleBucket.objects.values()))


@pytest.mark.django_db
def test_full_buckets_are_pruned(clock: list[int]) -> None:
    spend()
    assert throttle.prune() == 0
    clock[0] += 31_000_000
    assert throttle.prune() == 1


@pytest.mark.django_db(transaction=True)
def test_a_try_inside_a_transaction_is_an_error_because_it_would_roll_back_with_it() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        spend()


def race(work: Callable[[], bool], racers: int) -> int:
    """Run `work` in so many threads at once; return how many got through."""
    barrier = threading.Barrier(racers)
    through: list[bool] = []

    def run() -> None:
        barrier.wait()
        try:
            through.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) == racers
    return sum(through)


@pytest.mark.django_db(transaction=True)
def test_racers_never_spend_the_same_try(size: str) -> None:
    for turn in range(20 if size == "full" else 3):
        key = f"turn {turn}"
        assert race(lambda key=key: spend(key, limit=5, per_seconds=3600), 24) == 5  # type: ignore[misc]  # a default binds the loop's value


@pytest.mark.django_db(transaction=True)
def test_without_the_condition_in_the_update_racers_do_spend_the_same_try(
    monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    """The control: the same race with the guard taken out (look first, then write) lets more through."""

    def look_then_write(bucket: str, hashed: str, now: int, step: int, per_seconds: int) -> bool:
        row = ThrottleBucket.objects.filter(bucket=bucket, key_hash=hashed).first()
        if row is None or row.full_at_us > now + per_seconds * 1_000_000 - step:
            return False
        time.sleep(0.02)
        ThrottleBucket.objects.filter(pk=row.pk).update(full_at_us=max(row.full_at_us, now) + step)
        return True

    def unguarded() -> bool:
        hashed = throttle._hashed("login", "control")
        for _ in range(50):
            try:
                return look_then_write("login", hashed, throttle._now(), 720_000_000, 3600)
            except OperationalError:
                time.sleep(0.02)
        raise AssertionError("the database stayed locked")

    ThrottleBucket.objects.create(bucket="login", key_hash=throttle._hashed("login", "control"), full_at_us=0)
    through = race(unguarded, 24)
    fault_fired("guard taken out")
    assert through > 5
