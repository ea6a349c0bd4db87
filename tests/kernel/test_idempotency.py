"""Sent twice, done once: retries, simultaneous duplicates, other requests under the same key."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from wushe.kernel import audit, idempotency
from wushe.kernel.actor import Actor
from wushe.kernel.idempotency import Answer, BadKey, KeyReused, digest, once
from wushe.kernel.models import AuditEvent, FirstAnswer

KEY = "key-0000001"
BY = Actor.operator("test operator")


def effect() -> None:
    """A countable effect in the caller's transaction."""
    audit.record(by=BY, verb="test.effect", target=("a.B", "1"))


def effects() -> int:
    return AuditEvent.objects.filter(verb="test.effect").count()


def post(body: str = "x", key: str = KEY, scope: str = "me /things", status: int = 201) -> Answer:
    with once(key, scope, digest("POST", body)) as claim:
        if claim.earlier is not None:
            return claim.earlier
        effect()
        answer = Answer(status, f"made {body}", {"Location": "/things/1"})
        claim.keep(answer)
        return answer


@pytest.mark.django_db
def test_a_retry_gets_the_first_answer_and_does_nothing() -> None:
    first = post()
    assert post() == first == Answer(201, "made x", {"Location": "/things/1"})
    assert effects() == 1


@pytest.mark.django_db
def test_another_request_under_the_same_key_is_refused() -> None:
    post()
    with pytest.raises(KeyReused) as refused:
        post("y")
    assert (refused.value.status, refused.value.code) == (409, "idempotency.key_reused")
    assert effects() == 1


@pytest.mark.django_db
def test_keys_of_two_scopes_never_meet() -> None:
    post(scope="one /things")
    post("y", scope="two /things")
    assert effects() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "short", "k" * 201, "with\nnewline"])
def test_unusable_keys_are_refused(key: str) -> None:
    with pytest.raises(BadKey):
        post(key=key)
    assert effects() == 0


@pytest.mark.django_db
def test_what_failed_leaves_nothing_and_may_be_tried_again() -> None:
    def fail() -> None:
        with once(KEY, "s", "d"):
            effect()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with once(KEY, "s", "d") as claim:
        effect()
        claim.give_up()
    assert (effects(), FirstAnswer.objects.count()) == (0, 0)
    with once(KEY, "s", "d") as claim:
        assert claim.earlier is None


@pytest.mark.django_db
def test_a_body_that_keeps_no_answer_keeps_its_effects() -> None:
    with once(KEY, "s", "d"):
        effect()
    assert (effects(), FirstAnswer.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_neither_key_nor_answer_is_stored_in_clear_and_old_ones_go() -> None:
    post("CANARY-BODY", key="CANARY-KEY-1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel_firstanswer")
        assert "CANARY" not in str(cursor.fetchall())
    assert idempotency.prune() == 0
    FirstAnswer.objects.update(created_at=timezone.now() - timedelta(hours=73))
    assert idempotency.prune() == 0, "kept for at least 72 hours"
    FirstAnswer.objects.update(created_at=timezone.now() - timedelta(days=8))
    assert idempotency.prune() == 1


def test_digests_keep_their_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest("a", "")


def at_once(work: Callable[[], Answer], racers: int) -> list[Answer]:
    barrier = threading.Barrier(racers)
    answers: list[Answer] = []
    failures: list[Exception] = []

    def run() -> None:
        barrier.wait()
        try:
            answers.append(work())
        except Exception as error:  # whatever happened is judged by the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return answers


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_duplicates_exactly_one_is_carried_out(size: str) -> None:
    turns = 20 if size == "full" else 3
    for turn in range(turns):
        answers = at_once(lambda turn=turn: post(key=f"{KEY}-{turn}"), 12)  # type: ignore[misc]  # a default binds the loop's value
        assert answers == [answers[0]] * 12
    assert effects() == turns


@pytest.mark.django_db(transaction=True)
def test_without_the_unique_row_simultaneous_duplicates_are_carried_out_twice(
    fault_fired: Callable[[str], None],
) -> None:
    """The control: look for an answer, find none, do it, note it: the same race then acts more than once."""

    def look_then_do() -> Answer:
        if not FirstAnswer.objects.filter(key_hash="control").exists():
            time.sleep(0.05)
            with transaction.atomic():
                effect()
                try:
                    with transaction.atomic():
                        FirstAnswer.objects.create(key_hash="control", request_digest="d")
                except IntegrityError:
                    pass
        return Answer(201)

    at_once(look_then_do, 12)
    fault_fired("unique row not asked first")
    assert effects() > 1


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_of_a_request_that_is_refused_is_carried_out() -> None:
    """The first holds the row, fails and lets go; the one that waited does the work."""
    started = threading.Event()

    def failing() -> None:
        with once(KEY, "s", "d") as claim:
            started.set()
            time.sleep(0.3)
            claim.give_up()
        connection.close()

    thread = threading.Thread(target=failing)
    thread.start()
    started.wait()
    with once(KEY, "s", "d") as claim:
        assert claim.earlier is None
        effect()
        claim.keep(Answer(200))
    thread.join()
    assert effects() == 1
