"""What people may ask for: a complete copy, and to be forgotten while every total stays."""

import json
from datetime import date

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection

from tests.factories.accounts import give, make_account, sign_in
from tests.factories.organizations import District, make_member, make_organization
from tests.factories.people import OPERATOR, identity, make_guardian, make_person
from wushe.community.models import (
    Account,
    Consent,
    ContactPoint,
    Membership,
    Person,
    PersonKey,
    RoleGrant,
    Skill,
)
from wushe.community.operations import accounts, merging, privacy
from wushe.community.operations import people as operations
from wushe.community.queries import people as queries
from wushe.community.queries import personal_data, references
from wushe.kernel import audit, outbox, policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db
SECRETS = ("王甲子", "13800001234", "东街1号", "机密备注", "QUAL-77", "wx_secret", "1960-01-02")


@pytest.fixture
def district() -> District:
    return District()


def full_person(district: District) -> Person:
    """Somebody with something in every table that knows people."""
    place = district["150603001001"]
    person = make_person(
        place, "王甲子", phone="13800001234", identity_number=identity(serial=2), address="东街1号", note="机密备注",
        wechat="wx_secret", is_volunteer=True,
    )  # fmt: skip
    skill = Skill.objects.create(code="driving", name="驾驶", name_en="Driving")
    operations.add_qualification(by=OPERATOR, person_id=person.pk, skill_id=skill.pk, number="QUAL-77")
    make_member(person, make_organization(district["150603001"]), "VOLUNTEER")
    make_guardian(make_person(place, "测青", birth_on=date(2011, 1, 1)), person)
    operations.give_consent(by=OPERATOR, person_id=person.pk, purpose="CONTACT", means="PAPER")
    account, _actor = make_account(person=person, phone="13800001234")
    give(account, policy.COMMUNITY_WORKER, place=place)
    outbox.send(
        by=OPERATOR, to_person=person.pk, kind="test", subject="通知王甲子", body="请联系 13800001234"
    )
    return person


def database_text() -> str:
    """Everything readable in the database, opened with this installation's keys."""
    rows = []
    for model in apps.get_models():
        if model._meta.app_label in ("community", "kernel"):
            rows.append(serializers.serialize("json", model._base_manager.all(), ensure_ascii=False))
    events = [
        audit.readable(stored) for event in AuditEvent.objects.all() for stored in (event.before, event.after)
    ]
    return "".join(rows) + json.dumps(events, ensure_ascii=False, default=str)


def test_the_copy_holds_everything_and_nothing_that_opens_a_door(district: District) -> None:
    person = full_person(district)
    data = privacy.export_person(by=OPERATOR, person_id=person.pk)
    text = json.dumps(data.as_json(), ensure_ascii=False)
    for secret in (*SECRETS, identity(serial=2), person.volunteer_number, "通知王甲子"):
        assert secret in text, secret
    account = Account.objects.get(person=person)
    assert account.password not in text
    assert "phone_index" not in text
    assert "测青" not in text  # somebody else's name
    kinds = {section.label for section in data.sections}
    assert kinds >= {
        "community.Person", "community.ContactPoint", "community.HeldQualification", "community.Membership",
        "community.Guardianship", "community.Consent", "community.Account", "community.RoleGrant", "kernel.OutboxMessage",
        "kernel.AuditEvent",
    }  # fmt: skip
    assert AuditEvent.objects.filter(verb="export", target_id=str(person.pk)).exists()


def test_no_table_that_points_at_people_is_left_out_of_the_copy(district: District) -> None:
    pointing = {model for model, _column in references.person_references()}
    walked = {model for model, _rows in references.rows_about([new_id()])}
    assert pointing - walked == set()
    assert pointing >= personal_data.DERIVED


def test_the_copy_holds_what_was_merged_in(district: District) -> None:
    place = district["150603001001"]
    kept, gone = (
        make_person(place, "王甲子", phone="13800001234"),
        make_person(place, "王甲紫", phone="13800001234"),
    )
    merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk)
    assert "王甲紫" in json.dumps(
        privacy.export_person(by=OPERATOR, person_id=kept.pk).as_json(), ensure_ascii=False
    )


def test_who_may_take_a_copy(district: District) -> None:
    account, own = make_account(place=district["150603001001"])
    other = make_person(district["150603001001"])
    privacy.export_person(by=own, person_id=account.person_id)
    with pytest.raises(queries.PersonNotFound):
        privacy.export_person(by=own, person_id=other.pk)
    worker = Actor(
        "account",
        "测试",
        new_id(),
        new_id(),
        (Grant(policy.COMMUNITY_WORKER, place_path=district["150603"].path),),
    )
    with pytest.raises(policy.Refused):
        privacy.export_person(by=worker, person_id=other.pk)
    with pytest.raises(policy.Refused):
        privacy.erase_person(by=worker, person_id=other.pk)


def test_after_an_erasure_nothing_of_the_person_can_be_read_and_the_totals_stay(district: District) -> None:
    person = full_person(district)
    double = make_person(district["150603001001"], "王甲紫", phone="13800001234", address="东街1号")
    merging.merge_people(by=OPERATOR, kept_id=person.pk, gone_id=double.pk)
    number = person.volunteer_number
    assert all(secret in database_text() for secret in ("王甲子", "13800001234", "东街1号"))
    totals = {
        model: model._base_manager.count() for model in (Person, Membership, Consent, RoleGrant, AuditEvent)
    }

    privacy.erase_person(by=OPERATOR, person_id=person.pk)

    text = database_text()
    for secret in (*SECRETS, "王甲紫", identity(serial=2), number):
        assert secret not in text, secret
    person.refresh_from_db()
    assert (person.name, person.status, person.volunteer_number) == ("已删除", "ERASED", None)
    totals[AuditEvent] += 1
    assert totals == {model: model._base_manager.count() for model in totals}
    assert not PersonKey.objects.filter(person=person).exists()
    assert not ContactPoint.objects.filter(person=person).exists()
    assert not Membership.objects.filter(person=person, ended_on__isnull=True).exists()
    assert not queries.has_consent(OPERATOR, person.pk, "CONTACT")
    account = Account.objects.get(person=person)
    assert not account.is_active
    assert account.phone_index is None
    assert not RoleGrant.objects.filter(account=account, revoked_at__isnull=True).exists()
    assert queries.search_people(OPERATOR, "王甲") == []
    assert queries.search_people(OPERATOR, "1234") == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, address, identity_number, note FROM community_person WHERE status <> 'ACTIVE'"
        )
        assert {tuple(row) for row in cursor.fetchall()} == {("已删除", "", "", "")}


def test_an_erased_person_is_not_edited_merged_undone_or_erased_again(district: District) -> None:
    place = district["150603001001"]
    person, double, other = (make_person(place, name) for name in ("王甲子", "王甲紫", "李乙丑"))
    merge = merging.merge_people(by=OPERATOR, kept_id=person.pk, gone_id=double.pk)
    erased = privacy.erase_person(by=OPERATOR, person_id=person.pk)
    with pytest.raises(privacy.AlreadyErased):
        privacy.erase_person(by=OPERATOR, person_id=person.pk)
    with pytest.raises(operations.PersonGone):
        operations.edit_person(
            by=OPERATOR, person_id=person.pk, seen=operations.seen_token(erased), name="王甲子"
        )
    with pytest.raises(merging.MergeRefused):
        merging.merge_people(by=OPERATOR, kept_id=other.pk, gone_id=person.pk)
    with pytest.raises(merging.MergeCannotBeUndone):
        merging.undo_merge(by=OPERATOR, merge_id=merge.pk)


def test_people_may_erase_themselves_and_are_signed_out(district: District, client) -> None:
    account, own = make_account(place=district["150603001001"], name="王自己")
    sign_in(client, account)
    privacy.erase_person(by=own, person_id=account.person_id)
    account.refresh_from_db()
    assert not account.is_active
    assert "王自己" not in database_text()


def test_nobody_erases_somebody_with_rights_above_their_own(district: District) -> None:
    from wushe.community.queries.accounts import actor_for_account

    chief, _actor = make_account(
        role=policy.DISTRICT_ADMIN, place=district["150603"], person=make_person(district["150603001001"])
    )
    account, _ = make_account(place=district["150603001001"])
    give(account, policy.STREET_SUPERVISOR, place=district["150603001"])
    with pytest.raises(accounts.RightsAboveYours):
        privacy.erase_person(by=actor_for_account(account), person_id=chief.person_id)
    assert Person.objects.get(pk=chief.person_id).status == "ACTIVE"
