"""The audit trail: one row per change, no personal value in clear, append-only in code and in the database."""

import json
import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from wushe.kernel import audit, personal, triggers
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.append_only import AppendOnlyViolation
from wushe.kernel.models import AuditEvent, OutboxMessage, PersonalKey

OPERATOR = Actor.operator("test operator")


def _message(person_id: uuid.UUID | None, address: str = "13800001111") -> OutboxMessage:
    from django.utils import timezone

    return OutboxMessage(
        kind="t", channel="IN_APP", person_id=person_id, address=address, sealed_subject="s", sealed_body="b",
        due_at=timezone.now(), place_path="/15/1506/",
    )  # fmt: skip


class _Owned(OutboxMessage):
    """A row with personal fields and an owner, as the rooms' models have them."""

    personal_fields = ("kind",)

    class Meta:
        proxy = True
        app_label = "kernel"

    def personal_owner_id(self) -> uuid.UUID | None:
        return self.person_id


def _owned(person_id: uuid.UUID | None, kind: str = "CANARY-KIND") -> _Owned:
    row = _Owned(
        **{f.attname: getattr(_message(person_id), f.attname) for f in OutboxMessage._meta.concrete_fields}
    )
    row.kind = kind
    return row


@pytest.mark.django_db
def test_a_row_says_who_when_what_before_and_after() -> None:
    target = uuid.uuid4()
    actor = Actor(kind="account", account_id=uuid.uuid4(), label="office account")
    with transaction.atomic():
        event = audit.record(
            by=actor, verb="station.rename", target=("community.Station", target), before={"name": "旧"},
            after={"name": "新\x00"}, note="n", place_path="/15/",
        )  # fmt: skip
    row = AuditEvent.objects.get(pk=event.pk)
    assert (row.actor_kind, row.actor_id, row.actor_label) == (
        "account",
        str(actor.account_id),
        "office account",
    )
    assert (row.target_label, row.target_id, row.place_path) == ("community.Station", str(target), "/15/")
    assert row.before == '{"name":"旧"}'
    assert audit.readable(row.after) == {"name": "新\u2400"}


@pytest.mark.django_db
def test_an_actors_name_is_sealed_and_dies_with_the_person() -> None:
    person = uuid.uuid4()
    event = audit.record(
        by=Actor(kind="account", account_id=uuid.uuid4(), person_id=person, label="CANARY-NAME"),
        verb="x", target=("a.B", ""),
    )  # fmt: skip
    assert "CANARY-NAME" not in str(AuditEvent.objects.filter(pk=event.pk).values()[0])
    assert audit.actor_label(event) == "CANARY-NAME"
    audit.forget(person)
    assert audit.actor_label(event) == ""


@pytest.mark.django_db(transaction=True)
def test_a_row_outside_the_transaction_of_its_change_is_refused() -> None:
    with pytest.raises(audit.NotInTransaction):
        audit.record(by=OPERATOR, verb="x", target=("a.B", "1"))
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
def test_images_hold_no_personal_value_in_clear() -> None:
    image = audit.image(_owned(uuid.uuid4()))
    text = audit.canonical(image)
    assert "CANARY-KIND" not in text
    assert "13800001111" not in text  # an encrypted column is personal without being named
    assert image["place_path"] == "/15/1506/"


@pytest.mark.django_db
def test_images_open_until_the_person_is_forgotten() -> None:
    person, other = uuid.uuid4(), uuid.uuid4()
    stored = [audit.canonical(image) for image in audit.images([_owned(person), _owned(other, "OTHER")])]
    opened = audit.readable(stored[0])
    assert opened is not None
    assert opened["_personal"] == {"kind": "CANARY-KIND", "address": "13800001111"}
    audit.forget(person)
    audit.forget(person)
    assert audit.readable(stored[0])["_personal"] == "ERASED"  # type: ignore[index]  # an image was stored
    assert audit.readable(stored[1])["_personal"]["kind"] == "OTHER"  # type: ignore[index]  # an image was stored
    assert PersonalKey.objects.get(person_id=person).wrapped_key == ""


@pytest.mark.django_db
def test_no_image_is_kept_of_a_forgotten_person_or_of_nobody() -> None:
    person = uuid.uuid4()
    audit.forget(person)
    assert audit.image(_owned(person))["_personal"] == "ERASED"
    assert audit.image(_owned(None))["_personal"] == {"withheld": ["address", "kind"]}
    assert personal.seal(person, "x", "p") == ""


@pytest.mark.django_db
def test_many_images_cost_as_many_queries_as_one(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]  # pytest's fixture
    with django_assert_max_num_queries(5):  # SQLite takes the inserts in several statements
        assert len(audit.images([_owned(uuid.uuid4()) for _ in range(300)])) == 300


@pytest.mark.django_db
def test_images_survive_awkward_values() -> None:
    stored = audit._stored(
        {"n": float("inf"), "s": "\ud800", "l": [uuid.UUID(int=1), None, b"x"], "d": {1: True}}
    )
    assert stored is not None
    assert json.loads(stored)["l"][0] == "00000000-0000-0000-0000-000000000001"


@pytest.mark.django_db
def test_events_are_read_through_the_gate() -> None:
    for place in ("/15/1506/", "/15/1507/", ""):
        audit.record(by=OPERATOR, verb="x", target=("a.B", "1"), place_path=place)
    district = Actor(kind="account", grants=(Grant("AUDITOR", "/15/1506/"),))
    nation = Actor(kind="account", grants=(Grant("AUDITOR", "/"),))
    worker = Actor(kind="account", grants=(Grant("COMMUNITY_WORKER", "/15/1506/"),))
    assert [e.place_path for e in audit.events(district)] == ["/15/1506/"]
    assert audit.events(nation).count() == 3
    assert not audit.events(worker).exists()
    assert audit.events(OPERATOR, target=("a.B", "1"), verb="x").count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["UPDATE kernel_auditevent SET note = 'x'", "DELETE FROM kernel_auditevent"]
)
def test_the_database_itself_refuses_to_change_the_trail(statement: str) -> None:
    audit.record(by=OPERATOR, verb="x", target=("a.B", "1"))
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    # The control: without the trigger the same statement goes through, so it is the trigger that refuses.
    triggers.remove()
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1
    triggers.install()
    audit.record(by=OPERATOR, verb="x", target=("a.B", "1"))
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db
def test_every_append_only_table_has_its_triggers() -> None:
    wanted = {m._meta.db_table for m in triggers.append_only_models()}
    assert "kernel_auditevent" in wanted
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger WHERE tgname LIKE 'append_only%%' GROUP BY 1"
            )
        else:
            cursor.execute("SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY 1")
        guarded = {table for table, count in cursor.fetchall() if count == 2}
    assert wanted <= guarded


@pytest.mark.django_db
def test_code_cannot_change_the_trail() -> None:
    event = audit.record(by=OPERATOR, verb="x", target=("a.B", "1"))
    for attempt in (event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(AppendOnlyViolation):
            attempt()
    with pytest.raises(AppendOnlyViolation):
        AuditEvent.objects.visible_to(OPERATOR).update(note="x")
