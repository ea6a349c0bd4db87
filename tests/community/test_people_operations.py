"""Changing people: what is refused and why, edits that do not overwrite each other, contacts, guardians, consents, many at once."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from tests.factories.accounts import make_account
from tests.factories.organizations import District, make_organization
from tests.factories.people import OPERATOR, identity, make_guardian, make_minor, make_person
from wushe.community.models import Consent, ContactPoint, Guardianship, Membership, Person, PersonKey, Skill
from wushe.community.operations import people as operations
from wushe.community.queries import people as queries
from wushe.community.rules.people import NewPerson
from wushe.kernel import audit, crypto, policy, throttle
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


def acting(role: str, path: str) -> Actor:
    return Actor("account", "测试", new_id(), new_id(), (Grant(role, place_path=path),))


def age(years: int) -> date:
    today = timezone.localdate()
    return date(today.year - years, today.month, min(today.day, 28))


# --- new ---


def test_a_new_person_is_stored_sealed_keyed_and_audited(district: District) -> None:
    person = make_person(
        district["150603001001"],
        "王甲子",
        phone="138 0000 1234",
        identity_number=identity(serial=2),
        address="东街1号",
        note="备注",
    )
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT address, identity_number, note FROM community_person")
        stored = cursor.fetchone()
        cursor.execute("SELECT value, value_index, tail_index FROM community_contactpoint")
        contact = cursor.fetchone()
    assert all(value.startswith("v1.") for value in stored)
    assert contact[0].startswith("v1.")
    assert "13800001234" not in "".join(contact)
    assert contact[1] == crypto.blind_index("13800001234", "person.phone")
    assert (person.address, person.sex, person.birth_on) == ("东街1号", "FEMALE", date(1960, 1, 2))
    event = AuditEvent.objects.get(target_label="community.Person", verb="create")
    assert event.place_path == district["150603001001"].path
    assert "王甲子" not in event.after
    assert "东街" not in event.after
    assert audit.readable(event.after)["_personal"]["name"] == "王甲子"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "王" * 10_000}, "name"),
        ({"name": ""}, "name"),
        ({"name": "王\x00甲"}, "name"),
        ({"birth_on": date(1800, 1, 1)}, "birth_on"),
        ({"birth_on": date(2999, 1, 1)}, "birth_on"),
        ({"phones": ("110",)}, "phones"),
        ({"identity_number": "123"}, "identity_number"),
        ({"sex": "X"}, "sex"),
        ({"address": "路" * 301}, "address"),
        ({"note": "注" * 2001}, "note"),
        ({"volunteer_number": "A" * 21}, "volunteer_number"),
        ({"email": "no mail"}, "email"),
        ({"place_id": new_id()}, "place_id"),
        ({"organization_id": new_id(), "capacity": "VOLUNTEER"}, "organization_id"),
        ({"birth_on": age(7)}, "guardian_name"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_at_its_field_and_nothing_is_stored(
    district: District, values: dict, field: str
) -> None:
    with pytest.raises(operations.PersonInvalid) as refused:
        operations.create_person(
            by=OPERATOR,
            values=NewPerson(**{"name": "王甲子", "place_id": district["150603001001"].pk, **values}),
        )
    assert refused.value.field == field
    assert refused.value.message
    assert not Person.objects.exists()
    assert not PersonKey.objects.exists()
    assert not ContactPoint.objects.exists()


def test_a_place_outside_ones_reach_is_refused(district: District) -> None:
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    values = NewPerson("王甲子", district["150603002001"].pk)
    with pytest.raises(policy.Refused):
        operations.create_person(by=worker, values=values)
    with pytest.raises(policy.Refused):
        operations.create_person(by=acting(policy.DISTRICT_VIEWER, "/"), values=values)
    with pytest.raises(policy.Refused):
        operations.create_person(by=Actor.anonymous(), values=values)
    assert not Person.objects.exists()


def test_an_organizations_manager_adds_people_to_it_and_only_to_it(district: District) -> None:
    own, foreign = (
        make_organization(district["150603001"], name, "VOLUNTEER_TEAM") for name in ("合成甲队", "合成乙队")
    )
    manager = Actor(
        "account",
        "队长",
        new_id(),
        new_id(),
        (Grant(policy.ORGANIZATION_MANAGER, organization_path=own.path),),
    )
    values = {
        "name": "王甲子",
        "place_id": district["150603001001"].pk,
        "capacity": "VOLUNTEER",
        "is_volunteer": True,
    }
    person = operations.create_person(by=manager, values=NewPerson(**values, organization_id=own.pk))
    assert Membership.objects.get(person=person).organization == own
    assert len(person.volunteer_number or "") == 10
    with pytest.raises(policy.Refused):
        operations.create_person(by=manager, values=NewPerson(**values, organization_id=foreign.pk))
    with pytest.raises(policy.Refused):
        operations.create_person(by=manager, values=NewPerson("王乙丑", district["150603001001"].pk))


def test_two_people_cannot_have_one_volunteer_number(district: District) -> None:
    make_person(district["150603001001"], volunteer_number="A-1")
    with pytest.raises(operations.PersonInvalid) as refused:
        make_person(district["150603001001"], volunteer_number="a-1")
    assert refused.value.code == "person.number_taken"


def test_a_drawn_number_that_is_taken_meanwhile_is_drawn_again(district: District, monkeypatch) -> None:
    taken = make_person(district["150603001001"], is_volunteer=True)
    numbers = iter([taken.volunteer_number, "9000000003"])
    monkeypatch.setattr(operations.rules, "new_volunteer_number", lambda: next(numbers))
    monkeypatch.setattr(
        operations, "_in_use", lambda numbers: set()
    )  # as if the other one came between look and write
    assert make_person(district["150603001001"], "李乙丑", is_volunteer=True).volunteer_number == "9000000003"


# --- many ---


def test_many_are_stored_all_or_none(district: District) -> None:
    place = district["150603001001"].pk
    good = [NewPerson(f"王甲{n}", place, phones=(f"1380000{n:04d}",), is_volunteer=True) for n in range(25)]
    with pytest.raises(operations.PeopleInvalid) as refused:
        operations.create_people_bulk(
            by=OPERATOR, rows=[*good, NewPerson("", place), NewPerson("王乙", place, phones=("1",))], batch=10
        )
    assert {position: [fault.code for fault in faults] for position, faults in refused.value.faults.items()} == {
        25: ["person.name_empty"], 26: ["person.phone_form"],
    }  # fmt: skip
    assert not Person.objects.exists()
    assert not PersonKey.objects.exists()
    result = operations.create_people_bulk(by=OPERATOR, rows=iter(good), batch=10)
    assert [Person.objects.get(pk=pk).name for pk in result.created] == [row.name for row in good]
    assert AuditEvent.objects.filter(verb="create_many").count() == 3
    assert Person.objects.exclude(volunteer_number=None).count() == 25
    assert len(queries.search_people(OPERATOR, "wangjia")) == 25


def test_one_and_many_store_the_same(district: District) -> None:
    values = {
        "phones": ("13800001234", "0477-8888888"), "identity_number": identity(), "address": "东街1号", "note": "备注",
        "email": "Some@Example.org", "wechat": "wx_1", "volunteer_number": "B-1",
    }  # fmt: skip
    place = district["150603001001"].pk
    one = operations.create_person(by=OPERATOR, values=NewPerson("阿依·古丽", place, **values))
    (many,) = operations.create_people_bulk(
        by=OPERATOR, rows=[NewPerson("阿依·古丽", place, **{**values, "volunteer_number": "B-2"})]
    ).created

    def stored(person_id) -> tuple:
        row = Person.objects.get(pk=person_id)
        return (
            row.name, row.name_key, row.sex, row.birth_on, row.address, row.identity_number, row.identity_index, row.note,
            sorted(ContactPoint.objects.filter(person=row).values_list("kind", "value", "value_index", "tail_index", "is_primary")),
            sorted(PersonKey.objects.filter(person=row).values_list("kind", "key", "county", "street")),
        )  # fmt: skip

    assert stored(one.pk) == stored(many)


def test_many_outside_ones_reach_are_refused_row_by_row(district: District) -> None:
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    rows = [NewPerson("王甲", district["150603001001"].pk), NewPerson("王乙", district["150603002001"].pk)]
    with pytest.raises(operations.PeopleInvalid) as refused:
        operations.create_people_bulk(by=worker, rows=rows)
    assert list(refused.value.faults) == [1]
    assert not Person.objects.exists()


def test_keys_written_beforehand_find_nobody_until_the_people_are_there(district: District) -> None:
    prepared = operations.prepare_people(by=OPERATOR, rows=[NewPerson("王甲子", district["150603001001"].pk)])
    operations.write_keys(prepared)
    assert queries.search_people(OPERATOR, "王甲") == []
    operations.write_people(by=OPERATOR, prepared=prepared, keys=False)
    assert len(queries.search_people(OPERATOR, "王甲")) == 1
    again = operations.prepare_people(by=OPERATOR, rows=[NewPerson("李乙丑", district["150603001001"].pk)])
    operations.write_keys(again)
    operations.drop_keys(again)
    assert not PersonKey.objects.filter(person_id__in=again.ids).exists()


def test_children_of_one_sheet_share_the_guardian_named_beside_them(district: District) -> None:
    place = district["150603001001"].pk
    guardian = {
        "guardian_name": "测母",
        "guardian_phone": "13800009999",
        "guardian_relation": "母亲",
        "consent_means": "PAPER",
    }
    rows = [NewPerson(name, place, birth_on=age(8), **guardian) for name in ("测童一", "测童二")]
    result = operations.create_people_bulk(by=OPERATOR, rows=rows)
    assert result.guardians == 1
    assert Person.objects.count() == 3
    mother = Person.objects.get(name="测母")
    assert set(Guardianship.objects.values_list("ward_id", flat=True)) == set(result.created)
    assert set(Consent.objects.values_list("purpose", "given_by_id")) == {
        ("MINOR", mother.pk),
        ("SERVICE", mother.pk),
    }
    third = operations.create_person(
        by=OPERATOR, values=NewPerson("测童三", place, birth_on=age(9), **guardian)
    )
    assert Guardianship.objects.get(ward=third).guardian == mother


# --- edits ---


def test_an_edit_changes_what_is_named_and_leaves_the_rest(district: District) -> None:
    person = make_person(district["150603001001"], "王甲子", address="东街1号", birth_on=date(1960, 1, 2))
    changed = operations.edit_person(
        by=OPERATOR, person_id=person.pk, seen=operations.seen_token(person), note="新备注"
    )
    assert (changed.name, changed.address, changed.note, changed.birth_on) == (
        "王甲子",
        "东街1号",
        "新备注",
        date(1960, 1, 2),
    )


def test_the_second_of_two_edits_from_one_state_is_told_and_overwrites_nothing(district: District) -> None:
    person = make_person(district["150603001001"], "王甲子")
    seen = operations.seen_token(person)
    operations.edit_person(by=OPERATOR, person_id=person.pk, seen=seen, name="王甲丑")
    with pytest.raises(operations.EditConflict) as conflict:
        operations.edit_person(by=OPERATOR, person_id=person.pk, seen=seen, name="王甲寅")
    assert conflict.value.current.name == "王甲丑"
    assert Person.objects.get().name == "王甲丑"
    again = operations.seen_token(conflict.value.current)
    assert (
        operations.edit_person(by=OPERATOR, person_id=person.pk, seen=again, name="王甲寅").name == "王甲寅"
    )


@pytest.mark.parametrize("seen", ["", "nonsense", "2026-01-01", "9999-12-31T00:00:00+00:00"])
def test_a_forged_state_is_a_conflict(district: District, seen: str) -> None:
    person = make_person(district["150603001001"])
    with pytest.raises(operations.EditConflict):
        operations.edit_person(by=OPERATOR, person_id=person.pk, seen=seen, name="王甲丑")


def test_moving_somebody_needs_the_right_at_both_ends(district: District) -> None:
    person = make_person(district["150603001001"])
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    with pytest.raises(policy.Refused):
        operations.edit_person(
            by=worker,
            person_id=person.pk,
            seen=operations.seen_token(person),
            place_id=district["150603002001"].pk,
        )
    with pytest.raises(queries.PersonNotFound):
        operations.edit_person(
            by=acting(policy.COMMUNITY_WORKER, district["150603002001"].path), person_id=person.pk,
            seen=operations.seen_token(person), name="王甲丑",
        )  # fmt: skip


def test_an_edit_cannot_make_a_child_of_somebody_without_a_guardian(district: District) -> None:
    person = make_person(district["150603001001"])
    with pytest.raises(operations.PersonInvalid) as refused:
        operations.edit_person(
            by=OPERATOR, person_id=person.pk, seen=operations.seen_token(person), birth_on=age(6)
        )
    assert refused.value.code == "person.guardian_required"
    make_guardian(person, make_person(district["150603001001"], "测母", birth_on=age(40)))
    operations.edit_person(
        by=OPERATOR, person_id=person.pk, seen=operations.seen_token(person), birth_on=age(6)
    )


# --- contacts ---


def test_contacts_are_added_preferred_and_removed_and_one_stays_primary(district: District) -> None:
    person = make_person(district["150603001001"], phone="13800001234")
    second = operations.add_contact(by=OPERATOR, person_id=person.pk, kind="PHONE", value="13900005678")
    assert not second.is_primary
    operations.prefer_contact(by=OPERATOR, person_id=person.pk, contact_id=second.pk)
    assert ContactPoint.objects.get(is_primary=True).pk == second.pk
    operations.remove_contact(by=OPERATOR, person_id=person.pk, contact_id=second.pk)
    assert ContactPoint.objects.get().is_primary
    with pytest.raises(operations.ContactKnown):
        operations.add_contact(by=OPERATOR, person_id=person.pk, kind="PHONE", value="+86 13800001234")
    with pytest.raises(operations.PersonInvalid):
        operations.add_contact(by=OPERATOR, person_id=person.pk, kind="EMAIL", value="not an address")
    for number in range(4):
        operations.add_contact(by=OPERATOR, person_id=person.pk, kind="PHONE", value=f"1390000000{number}")
    with pytest.raises(operations.TooManyContacts):
        operations.add_contact(by=OPERATOR, person_id=person.pk, kind="PHONE", value="13900000009")


def test_a_contact_is_shown_masked_and_revealed_only_with_a_trace(district: District) -> None:
    person = make_person(district["150603001001"], phone="13800001234", identity_number=identity())
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    assert [contact.masked for contact in queries.contacts(worker, person.pk)] == ["138****1234"]
    assert [contact.value for contact in operations.reveal_contact(by=worker, person_id=person.pk)] == [
        "13800001234"
    ]
    event = AuditEvent.objects.get(verb="reveal_contact")
    assert (event.target_id, event.actor_id) == (str(person.pk), str(worker.account_id))
    with pytest.raises(policy.Refused):
        operations.reveal_identity(by=worker, person_id=person.pk)
    admin = acting(policy.DISTRICT_ADMIN, district["150603"].path)
    assert operations.reveal_identity(by=admin, person_id=person.pk) == identity()
    assert AuditEvent.objects.filter(verb="reveal_identity").count() == 1


def test_nobody_reads_a_whole_districts_phones_by_clicking(district: District, monkeypatch) -> None:
    monkeypatch.setattr(operations, "REVEALS_PER_HOUR", 3)
    person = make_person(district["150603001001"], phone="13800001234")
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    for _time in range(3):
        operations.reveal_contact(by=worker, person_id=person.pk)
    with pytest.raises(throttle.TooManyTries):
        operations.reveal_contact(by=worker, person_id=person.pk)


# --- guardians and consents ---


def test_who_cannot_be_a_guardian(district: District) -> None:
    place = district["150603001001"]
    mother = make_person(place, "测母", birth_on=age(40))
    child = make_minor(place, birth_on=age(8), guardian=mother)
    young = make_person(place, "测少", birth_on=age(16))
    for guardian in (child, mother, young):
        with pytest.raises(operations.GuardianRefused):
            operations.start_guardianship(
                by=OPERATOR, ward_id=child.pk, guardian_id=guardian.pk, relation="亲属"
            )
    with pytest.raises(operations.GuardianRefused):
        operations.start_guardianship(by=OPERATOR, ward_id=mother.pk, guardian_id=child.pk, relation="子女")


def test_consent_for_a_child_is_the_guardians_to_give_and_ends_with_the_guardianship(
    district: District,
) -> None:
    place = district["150603001001"]
    mother = make_person(place, "测母", birth_on=age(40))
    child = make_minor(place, birth_on=age(8), guardian=mother)
    stranger = make_person(place, "测路人")
    assert queries.has_consent(OPERATOR, child.pk, "MINOR")
    for giver in (None, stranger.pk):
        with pytest.raises(operations.ConsentRefused):
            operations.give_consent(
                by=OPERATOR, person_id=child.pk, purpose="PUBLIC_NAME", means="PAPER", given_by_id=giver
            )
    operations.give_consent(
        by=OPERATOR, person_id=child.pk, purpose="PUBLIC_NAME", means="PAPER", given_by_id=mother.pk
    )
    with pytest.raises(operations.ConsentRefused):
        operations.give_consent(by=OPERATOR, person_id=mother.pk, purpose="MINOR", means="PAPER")
    operations.end_guardianship(by=OPERATOR, guardianship_id=Guardianship.objects.get().pk)
    assert not queries.has_consent(OPERATOR, child.pk, "MINOR")
    assert not Consent.objects.filter(person=child, withdrawn_at__isnull=True).exists()


def test_a_withdrawal_counts_at_once_and_stays_on_record(district: District) -> None:
    person = make_person(district["150603001001"], phone="13800001234")
    worker = acting(policy.COMMUNITY_WORKER, district["150603001001"].path)
    consent = operations.give_consent(by=worker, person_id=person.pk, purpose="CONTACT", means="PAPER")
    assert (
        operations.give_consent(by=worker, person_id=person.pk, purpose="CONTACT", means="SPOKEN").pk
        == consent.pk
    )
    assert queries.has_consent(worker, person.pk, "CONTACT")
    operations.withdraw_consent(by=worker, consent_id=consent.pk)
    assert not queries.has_consent(worker, person.pk, "CONTACT")
    assert queries.consenting(worker, [person.pk], "CONTACT") == set()
    with pytest.raises(operations.ContactBarred):
        operations.reveal_contact(by=worker, person_id=person.pk)
    with pytest.raises(operations.AlreadyEnded):
        operations.withdraw_consent(by=worker, consent_id=consent.pk)
    operations.give_consent(by=worker, person_id=person.pk, purpose="CONTACT", means="PAPER")
    assert operations.reveal_contact(by=worker, person_id=person.pk)
    assert Consent.objects.count() == 2


def test_people_give_and_withdraw_their_own_consent_but_nobody_does_it_online_for_them(
    district: District,
) -> None:
    account, self_actor = make_account(place=district["150603001001"])
    own = operations.give_consent(
        by=self_actor, person_id=account.person_id, purpose="RESEARCH", means="SELF"
    )
    operations.withdraw_consent(by=self_actor, consent_id=own.pk)
    with pytest.raises(operations.ConsentRefused):
        operations.give_consent(by=OPERATOR, person_id=account.person_id, purpose="RESEARCH", means="SELF")


def test_the_age_of_consent_is_a_dated_value_of_the_region(district: District) -> None:
    from wushe.community.models import RuleValue

    RuleValue.objects.create(
        code="GUARDIAN_CONSENT_AGE", region="", value=16, valid_from=date(2020, 1, 1), source="测试"
    )
    with pytest.raises(operations.PersonInvalid):
        make_person(district["150603001001"], birth_on=age(15))
    RuleValue.objects.create(
        code="GUARDIAN_CONSENT_AGE",
        region="",
        value=14,
        valid_from=timezone.localdate() - timedelta(days=1),
        source="测试",
    )
    make_person(district["150603001001"], birth_on=age(15))


def test_qualifications_are_recorded_once(district: District) -> None:
    person = make_person(district["150603001001"])
    skill = Skill.objects.create(code="first_aid", name="急救", name_en="First aid")
    held = operations.add_qualification(
        by=OPERATOR, person_id=person.pk, skill_id=skill.pk, issuer="合成红会"
    )
    with pytest.raises(operations.QualificationKnown):
        operations.add_qualification(by=OPERATOR, person_id=person.pk, skill_id=skill.pk, issuer="合成红会")
    with pytest.raises(policy.Problem):
        operations.add_qualification(
            by=OPERATOR,
            person_id=person.pk,
            skill_id=skill.pk,
            issued_on=date(2020, 1, 2),
            valid_until=date(2020, 1, 1),
        )
    operations.remove_qualification(by=OPERATOR, qualification_id=held.pk)
    assert not person.qualifications.exists()


def test_a_persons_file_costs_the_same_however_much_is_in_it(district: District, query_counter) -> None:
    place = district["150603001001"]
    person = make_person(place, "王甲子", phone="13800001234", birth_on=date(1960, 1, 2))
    worker = acting(policy.STREET_SUPERVISOR, district["150603001"].path)
    with query_counter.count() as few:
        queries.person_file(worker, person.pk)
    for number in range(6):
        other = make_person(place, "王甲子", phone="13800001234", birth_on=date(1960, 1, 2))
        make_guardian(person, other)
        operations.give_consent(
            by=OPERATOR, person_id=person.pk, purpose=Consent.Purpose.values[number % 3], means="PAPER"
        )
    with query_counter.at_most(12) as many:
        file = queries.person_file(worker, person.pk)
    assert len(file.duplicates) == 5
    assert len(file.ties) == 6
    assert many.count <= few.count + 2  # the two that compare duplicates
