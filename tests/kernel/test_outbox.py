"""Messages: sealed, sent once by two workers, retried, parked, and "reached" only when acknowledged."""

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from wushe.kernel import audit, crypto, outbox
from wushe.kernel.actor import Actor
from wushe.kernel.models import OutboxMessage
from wushe.kernel.outbox import Outgoing, State, Undeliverable

BY = Actor.system("test")


class Recorder:
    """An adapter that remembers, or fails as it is told to."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.fail: Exception | None = None

    def send(self, outgoing: Outgoing) -> None:
        if self.fail is not None:
            raise self.fail
        self.sent.append(outgoing)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    adapter = Recorder()
    outbox.register("SMS", adapter)
    yield adapter
    outbox._adapters().pop("SMS")


def send(**more: object) -> uuid.UUID:
    given = {"by": BY, "kind": "t", "subject": "题", "body": "正文", "to_person": uuid.uuid4(), **more}
    return outbox.send(**given)  # type: ignore[arg-type]  # the test's own shorthand


def state(message_id: uuid.UUID) -> str:
    return OutboxMessage.objects.values_list("state", flat=True).get(id=message_id)


@pytest.mark.django_db
def test_nothing_is_stored_in_clear_and_forgetting_the_person_ends_it() -> None:
    person = uuid.uuid4()
    send(to_person=person, subject="CANARY-S", body="CANARY-B")
    send(to_person=None, to_address="CANARY-13800138000", body="CANARY-G", channel="COPY_TEXT")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel_outboxmessage")
        assert "CANARY" not in str(cursor.fetchall())
    message = OutboxMessage.objects.get(person_id=person)
    assert outbox.read(message) == ("CANARY-S", "CANARY-B")
    assert outbox.read(OutboxMessage.objects.get(person_id=None))[1] == "CANARY-G"
    audit.forget(person)
    assert outbox.read(message) == ("", "")


@pytest.mark.django_db
def test_a_message_needs_someone_and_a_way() -> None:
    with pytest.raises(outbox.NoAddress):
        send(to_person=None)
    with pytest.raises(outbox.NoAdapter):
        send(channel="WECOM")
    assert outbox.channels() == ["IN_APP", "COPY_TEXT", "CONSOLE", "FILE"]


@pytest.mark.django_db
def test_people_see_their_own_messages_once_due() -> None:
    me, other = uuid.uuid4(), uuid.uuid4()
    mine = send(to_person=me)
    send(to_person=me, due_at=timezone.now() + timedelta(hours=1))
    send(to_person=other)
    canceled = send(to_person=me)
    assert outbox.cancel(message_id=canceled)
    actor = Actor(kind="account", person_id=me)
    assert [m.id for m in outbox.messages(actor)] == [mine]
    assert outbox.messages(actor, timezone.now() + timedelta(hours=2)).count() == 2
    assert not outbox.messages(Actor.anonymous()).exists()


@pytest.mark.django_db
def test_reached_means_acknowledged_by_the_person_themselves(recorder: Recorder) -> None:
    me = uuid.uuid4()
    message = send(to_person=me, channel="SMS")
    assert outbox.deliver_due() == 1
    assert OutboxMessage.objects.get(id=message).acknowledged_at is None
    assert not outbox.acknowledge(message_id=message, person_id=uuid.uuid4())
    assert outbox.acknowledge(message_id=message, person_id=me)
    assert not outbox.acknowledge(message_id=message, person_id=me)
    assert state(message) == State.ACKNOWLEDGED


@pytest.mark.django_db
def test_a_copied_text_is_noted_as_passed_on_not_as_reached() -> None:
    message = send(channel="COPY_TEXT")
    assert outbox.deliver_due() == 0
    assert outbox.mark_copied(message_id=message)
    assert not outbox.mark_copied(message_id=message)
    row = OutboxMessage.objects.get(id=message)
    assert row.sent_at is not None
    assert row.acknowledged_at is None


@pytest.mark.django_db
def test_failures_back_off_then_park_then_can_be_started_again(recorder: Recorder) -> None:
    recorder.fail = ConnectionError("the gateway said: CANARY 13800138000")
    message = send(channel="SMS")
    now = timezone.now()
    pauses = []
    for _ in range(outbox.MOST_ATTEMPTS):
        assert outbox.deliver_due(now) == 0
        row = OutboxMessage.objects.get(id=message)
        assert row.last_error == "ConnectionError", "a gateway's words may quote the message"
        pauses.append((row.due_at - now).total_seconds())
        assert outbox.deliver_due(now) == 0, "not before its time"
        now = row.due_at
    assert pauses == [60, 120, 240, 480, 960, 1920]
    assert state(message) == State.PARKED
    assert outbox.deliver_due(now + timedelta(days=1)) == 0
    recorder.fail = None
    assert outbox.retry(message_id=message)
    assert outbox.deliver_due() == 1
    assert state(message) == State.SENT


@pytest.mark.django_db
def test_the_undeliverable_is_parked_at_once_and_does_not_hold_up_others(recorder: Recorder) -> None:
    recorder.fail = Undeliverable("no such number")
    bad = send(channel="SMS")
    assert outbox.deliver_due() == 0
    assert state(bad) == State.PARKED
    recorder.fail = None
    send(channel="SMS")
    assert outbox.deliver_due() == 1


@pytest.mark.django_db
def test_a_forgotten_persons_message_never_goes_out(recorder: Recorder) -> None:
    person = uuid.uuid4()
    message = send(to_person=person, channel="SMS")
    audit.forget(person)
    assert outbox.deliver_due() == 0
    assert state(message) == State.CANCELED
    assert recorder.sent == []


@pytest.mark.django_db
def test_a_worker_killed_while_sending_leaves_a_message_that_is_sent_again(recorder: Recorder) -> None:
    message = send(channel="SMS")
    now = timezone.now()
    OutboxMessage.objects.filter(id=message).update(
        state=State.SENDING, attempts=1, claimed_until=now + timedelta(seconds=30)
    )
    assert outbox.deliver_due(now) == 0
    assert outbox.deliver_due(now + timedelta(seconds=31)) == 1
    assert recorder.sent[0].message_id == message


@pytest.mark.django_db
def test_the_file_adapter_writes_one_private_file_per_message() -> None:
    message = send(to_person=None, to_address="group 3", channel="FILE", link="/x/")
    assert outbox.deliver_due() == 1
    path = Path(crypto.data_folder()) / "outbox" / f"{message}.json"
    assert json.loads(path.read_text())["address"] == "group 3"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_a_message_of_a_change_that_rolled_back_does_not_exist() -> None:
    with transaction.atomic():
        send()
        transaction.set_rollback(True)
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(recorder: Recorder) -> None:
    for _ in range(40):
        send(channel="SMS", to_person=None, to_address="a")
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait()
        outbox.deliver_due()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.deliver_due()
    assert len(recorder.sent) == len({o.message_id for o in recorder.sent}) == 40
