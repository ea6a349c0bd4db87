"""The seals: what an intruder with full access to the database does is found, and an honest copy raises no alarm."""

import datetime as dt
import json
import random
import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from wushe.kernel import audit, sealing, triggers
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditBatch, AuditCheckpoint, AuditEvent, AuditLeaf

OPERATOR = Actor.operator("test operator")
EDITS = {"reduced": 48, "full": 240}
CLEAN_COPIES = {"reduced": 10, "full": 50}


def write_events(count: int, word: str = "v") -> None:
    with transaction.atomic():
        for number in range(count):
            audit.record(
                by=OPERATOR,
                verb=f"{word}.{number}",
                target=("a.B", number),
                before={"n": number},
                after={"n": -number},
            )


def sql(statement: str, *params: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)


def db(value: uuid.UUID) -> str:
    return value.hex if connection.vendor == "sqlite" else str(value)


@pytest.fixture
def trail(db: None) -> AuditCheckpoint:
    """About 150 records in 30 batches of many sizes, and a checkpoint of them kept outside; triggers out of the intruder's way."""
    dice = random.Random(1)
    for _ in range(29):
        write_events(dice.randint(1, 9))
        sealing.seal()
    outside = sealing.read_checkpoint(json.dumps(sealing.sign_checkpoint()))
    triggers.remove()
    return outside


# --- the tree ---------------------------------------------------------------------------------------------------------


def _mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    import hashlib

    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


def test_the_tree_is_that_of_rfc_6962() -> None:
    for size in range(1, 70):
        leaves = [bytes([i]) * 32 for i in range(size)]
        assert sealing.merkle_root(leaves, "sha256") == _mth(leaves)


# --- sealing ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_row_is_sealed_once_and_the_chain_holds() -> None:
    write_events(25)
    assert sealing.seal() == 25
    assert sealing.seal() == 0
    write_events(3)
    report = sealing.verify()
    assert (report.ok, report.sealed, report.unsealed, report.batches) == (True, 25, 3, 1)


@pytest.mark.django_db
def test_a_row_that_commits_late_with_an_older_id_is_not_missed() -> None:
    with transaction.atomic():
        early = new_id()
    write_events(3)
    assert sealing.seal() == 3
    # A slow transaction took its id first and commits only now.
    AuditEvent.objects.create(
        id=early,
        at=dt.datetime.now(dt.UTC),
        actor_kind="system",
        verb="late",
        target_label="a.B",
        place_path="/",
    )
    assert sealing.seal(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)) == 1
    assert sealing.verify().ok


@pytest.mark.django_db
def test_a_window_seals_the_new_and_a_full_pass_the_rest() -> None:
    old = uuid.UUID(
        int=(int((dt.datetime.now(dt.UTC) - dt.timedelta(minutes=30)).timestamp() * 1000) << 80) | 7
    )
    AuditEvent.objects.create(
        id=old,
        at=dt.datetime.now(dt.UTC),
        actor_kind="system",
        verb="late",
        target_label="a.B",
        place_path="/",
    )
    write_events(2)
    assert sealing.seal(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)) == 2
    assert sealing.seal() == 1


@pytest.mark.django_db
def test_a_long_backlog_becomes_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH_LIMIT", 16)
    write_events(50)
    assert sealing.seal() == 50
    report = sealing.verify()
    assert (report.ok, report.batches, report.sealed) == (True, 4, 50)


@pytest.mark.django_db(transaction=True)
def test_sealers_at_once_are_harmless() -> None:
    write_events(400)
    total: list[int] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        from django.db import OperationalError

        barrier.wait()
        for _ in range(20):
            try:
                total.append(sealing.seal())
            except OperationalError:
                continue
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        write_events(5)
    for thread in threads:
        thread.join()
    sealing.seal()
    report = sealing.verify()
    assert (report.ok, report.sealed, report.unsealed) == (True, 450, 0)
    assert AuditLeaf.objects.count() == 450


@pytest.mark.django_db
def test_forgetting_a_person_leaves_the_chain_whole() -> None:
    person = uuid.uuid4()
    audit.record(by=Actor(kind="account", person_id=person, label="N"), verb="x", target=("a.B", "1"))
    sealing.seal()
    audit.forget(person)
    assert sealing.verify().ok


# --- the intruder -----------------------------------------------------------------------------------------------------


def _event(dice: random.Random) -> uuid.UUID:
    return dice.choice(list(AuditEvent.objects.order_by("id").values_list("id", flat=True)))


def change(dice: random.Random) -> None:
    column, value = dice.choice(
        [("verb", "w"), ("note", "w"), ("after", '{"n":9999}'), ("before", None), ("target_id", "999"), ("actor_label", "w"),
         ("actor_kind", "system"), ("place_path", "/99/"), ("at", "2031-01-01 00:00:00+00:00")]
    )  # fmt: skip
    if column == "at" and connection.vendor == "sqlite":
        value = "2031-01-01 00:00:00"
    assert sql(f"UPDATE kernel_auditevent SET {column} = %s WHERE id = %s", value, db(_event(dice))) == 1


def delete(dice: random.Random) -> None:
    assert sql("DELETE FROM kernel_auditevent WHERE id = %s", db(_event(dice))) == 1


def delete_with_leaf(dice: random.Random) -> None:
    event = _event(dice)
    sql("DELETE FROM kernel_auditevent WHERE id = %s", db(event))
    assert sql("DELETE FROM kernel_auditleaf WHERE event_id = %s", db(event)) == 1


def insert_backdated(dice: random.Random) -> None:
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=dice.randint(1, 300))
    AuditEvent.objects.create(
        id=uuid.UUID(int=(int(moment.timestamp() * 1000) << 80) | dice.getrandbits(60)), at=moment, actor_kind="operator",
        verb="forged", target_label="a.B", target_id="1", place_path="/",
    )  # fmt: skip
    if dice.random() < 0.5:
        sealing.seal()


def insert_with_leaf(dice: random.Random) -> None:
    batch = dice.choice(list(AuditBatch.objects.all()))
    event = AuditEvent(
        id=new_id(),
        at=dt.datetime.now(dt.UTC),
        actor_kind="operator",
        verb="forged",
        target_label="a.B",
        place_path="/",
    )
    event.save()
    row = AuditEvent.objects.filter(pk=event.pk).values_list(*sealing._EVENT_COLUMNS)[0]
    AuditLeaf.objects.create(
        event_id=event.pk,
        batch_sequence=batch.sequence,
        position=batch.count,
        leaf_hash=sealing.leaf_hash(row, "sha256").hex(),
    )


def swap_contents(dice: random.Random) -> None:
    one, two = dice.sample(list(AuditEvent.objects.all()), 2)
    sql(
        "UPDATE kernel_auditevent SET verb = %s, after = %s WHERE id = %s",
        two.verb + "!",
        two.after,
        db(one.pk),
    )
    sql("UPDATE kernel_auditevent SET verb = %s, after = %s WHERE id = %s", one.verb, one.after, db(two.pk))


def reorder_leaves(dice: random.Random) -> None:
    batch = dice.choice([b for b in AuditBatch.objects.all() if b.count > 1])
    one, two = AuditLeaf.objects.filter(batch_sequence=batch.sequence).order_by("position")[:2]
    sql("UPDATE kernel_auditleaf SET position = 9999 WHERE event_id = %s", db(one.event_id))
    sql("UPDATE kernel_auditleaf SET position = %s WHERE event_id = %s", one.position, db(two.event_id))
    sql("UPDATE kernel_auditleaf SET position = %s WHERE event_id = %s", two.position, db(one.event_id))


def change_leaf_too(dice: random.Random) -> None:
    event = _event(dice)
    sql("UPDATE kernel_auditevent SET verb = 'w' WHERE id = %s", db(event))
    row = AuditEvent.objects.filter(pk=event).values_list(*sealing._EVENT_COLUMNS)[0]
    sql(
        "UPDATE kernel_auditleaf SET leaf_hash = %s WHERE event_id = %s",
        sealing.leaf_hash(row, "sha256").hex(),
        db(event),
    )


def change_batch(dice: random.Random) -> None:
    column, value = dice.choice(
        [
            ("root", "0" * 64),
            ("previous_hash", "0" * 63 + "1"),
            ("batch_hash", "1" * 64),
            ("count", 77),
            ("hash_name", "md5"),
        ]
    )
    batch = dice.choice(list(AuditBatch.objects.all()))
    assert sql(f"UPDATE kernel_auditbatch SET {column} = %s WHERE sequence = %s", value, batch.sequence) == 1


def delete_batch(dice: random.Random) -> None:
    batch = dice.choice(list(AuditBatch.objects.all()))
    for leaf in AuditLeaf.objects.filter(batch_sequence=batch.sequence):
        sql("DELETE FROM kernel_auditevent WHERE id = %s", db(leaf.event_id))
    sql("DELETE FROM kernel_auditleaf WHERE batch_sequence = %s", batch.sequence)
    sql("DELETE FROM kernel_auditbatch WHERE sequence = %s", batch.sequence)


def cut_tail(dice: random.Random) -> None:
    last = AuditBatch.objects.order_by("-sequence")[dice.randint(0, 5)]
    for leaf in AuditLeaf.objects.filter(batch_sequence__gte=last.sequence):
        sql("DELETE FROM kernel_auditevent WHERE id = %s", db(leaf.event_id))
    sql("DELETE FROM kernel_auditleaf WHERE batch_sequence >= %s", last.sequence)
    sql("DELETE FROM kernel_auditbatch WHERE sequence >= %s", last.sequence)
    sql("DELETE FROM kernel_auditcheckpoint")


def rebuild_chain(dice: random.Random) -> None:
    sql("UPDATE kernel_auditevent SET note = 'w' WHERE id = %s", db(_event(dice)))
    for table in ("kernel_auditleaf", "kernel_auditbatch", "kernel_auditcheckpoint"):
        sql(f"DELETE FROM {table}")
    sealing.seal()
    assert sealing.verify().ok, "by itself a rebuilt chain is flawless"


def forge_checkpoint(dice: random.Random) -> None:
    assert sql("UPDATE kernel_auditcheckpoint SET size = size - 1") == 1


INTRUSIONS: list[Callable[[random.Random], None]] = [
    change, delete, delete_with_leaf, insert_backdated, insert_with_leaf, swap_contents, reorder_leaves, change_leaf_too,
    change_batch, delete_batch, cut_tail, rebuild_chain,
]  # fmt: skip


@pytest.mark.django_db
def test_every_intrusion_is_found_and_no_honest_copy_raises_an_alarm(
    trail: AuditCheckpoint, size: str, fault_fired: Callable[[str], None]
) -> None:
    missed = []
    for number in range(EDITS[size]):
        intrusion = INTRUSIONS[number % len(INTRUSIONS)]
        with transaction.atomic():
            intrusion(random.Random(number))
            fault_fired(intrusion.__name__)
            report = sealing.verify(trail)
            if report.ok:
                missed.append((number, intrusion.__name__))
            else:
                assert report.findings[0].kind
            transaction.set_rollback(True)
    assert missed == []
    for number in range(CLEAN_COPIES[size]):
        with transaction.atomic():
            write_events(number % 3)
            if number % 2:
                sealing.seal()
            assert sealing.verify(trail).findings == []
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_the_first_bad_record_is_named(trail: AuditCheckpoint) -> None:
    event = AuditEvent.objects.order_by("id")[40]
    sql("UPDATE kernel_auditevent SET note = 'w' WHERE id = %s", db(event.pk))
    finding = sealing.verify().findings[0]
    assert (finding.kind, finding.event) == ("CHANGED", str(event.pk))


@pytest.mark.django_db
def test_a_cut_tail_and_a_rebuilt_chain_show_only_against_the_outside_checkpoint(
    trail: AuditCheckpoint,
) -> None:
    for intrusion in (cut_tail, rebuild_chain):
        with transaction.atomic():
            intrusion(random.Random(3))
            assert sealing.verify().ok
            assert [f.kind for f in sealing.verify(trail).findings] == ["CHECKPOINT"]
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_stored_checkpoint_that_was_changed_is_found(trail: AuditCheckpoint) -> None:
    forge_checkpoint(random.Random(1))
    assert [f.kind for f in sealing.verify().findings] == ["CHECKPOINT"]


@pytest.mark.django_db
def test_backdated_records_can_be_accounted_for(trail: AuditCheckpoint) -> None:
    insert_backdated(random.Random(5))
    assert [f.kind for f in sealing.verify().findings] == ["BACKDATED"]
    assert sealing.accept_late("the clock was wrong") == 1
    report = sealing.verify()
    assert (report.ok, report.late_accepted) == (True, 1)


@pytest.mark.django_db
def test_forged_checkpoint_files_are_refused() -> None:
    write_events(2)
    document = sealing.sign_checkpoint()
    assert sealing.verify(sealing.read_checkpoint(json.dumps(document))).ok
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    stranger = Ed25519PrivateKey.generate()
    for forged in (
        {**document, "size": document["size"] + 1},
        {**document, "batch_hash": "0" * 64},
        {**document, "signature": "AAAA"},
        {**document, "public_key": stranger.public_key().public_bytes_raw().hex(), "signature": "QUFB"},
        {"sequence": 1},
        [],
    ):
        with pytest.raises(sealing.BadCheckpoint):
            sealing.read_checkpoint(json.dumps(forged))
    with pytest.raises(sealing.BadCheckpoint):
        sealing.read_checkpoint("no json")


@pytest.mark.django_db
def test_checkpoints_are_signed_only_when_the_chain_grew() -> None:
    assert not sealing.sign_if_grown()
    with pytest.raises(sealing.NothingSealed):
        sealing.sign_checkpoint()
    write_events(1)
    sealing.seal()
    assert sealing.sign_if_grown()
    assert not sealing.sign_if_grown()
    assert AuditCheckpoint.objects.count() == 1
