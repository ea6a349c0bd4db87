"""Merging: everything follows whatever the schema is, nothing is lost, an undo restores the state, two at once do not both win."""

import json
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection, connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories.accounts import give, make_account
from tests.factories.organizations import District, make_member, make_organization
from tests.factories.people import OPERATOR, make_guardian, make_person
from wushe.community.models import Account, Consent, ContactPoint, Person, PersonMerge, Skill
from wushe.community.operations import accounts, merging
from wushe.community.operations import people as operations
from wushe.community.queries import people as queries
from wushe.community.queries import references
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.append_only import AppendOnlyModel
from wushe.kernel.ids import new_id
from wushe.kernel.models import AuditEvent

_UNORDERED = {
    "updated_at"
}  # a merge and its undo are changes: the token of optimistic edits must differ afterwards


@pytest.fixture
def district(db: None) -> District:
    return District()


def state() -> dict[str, Any]:
    """Every row of the community, as data, but for the merges themselves and derived ids."""
    found: dict[str, Any] = {}
    for model in apps.get_app_config("community").get_models():
        if model is PersonMerge or issubclass(model, AppendOnlyModel):
            continue
        for row in json.loads(serializers.serialize("json", model._base_manager.order_by("pk"))):
            row["fields"] = {name: value for name, value in row["fields"].items() if name not in _UNORDERED}
            key = row["pk"]
            if row["model"] == "community.personkey":
                key = json.dumps([row["fields"]["person"], row["fields"]["kind"], row["fields"]["key"]])
            found[f"{row['model']}:{key}"] = row["fields"]
    return found


def test_everything_follows_and_what_cannot_is_reported(district: District) -> None:
    place, team = district["150603001001"], make_organization(district["150603001"])
    kept = make_person(place, "王甲子", phone="13800001234", is_volunteer=True)
    gone = make_person(
        place, "王甲紫", phone="13800001234", is_volunteer=True, address="东街1号", birth_on=date(1960, 1, 2)
    )
    child = make_person(place, "测青", birth_on=date(2011, 1, 1))
    operations.add_contact(by=OPERATOR, person_id=gone.pk, kind="PHONE", value="13900005678", primary=True)
    make_member(kept, team, "VOLUNTEER")
    make_member(gone, team, "VOLUNTEER")
    leads = make_member(gone, team, "LEADER")
    make_guardian(child, gone)
    skill = Skill.objects.create(code="driving", name="驾驶", name_en="Driving")
    held = operations.add_qualification(by=OPERATOR, person_id=gone.pk, skill_id=skill.pk)
    account, _actor = make_account(person=gone)

    merge = merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk, choices={"name": "gone"})

    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (gone.status, gone.merged_into_id) == ("MERGED", kept.pk)
    assert (kept.name, kept.address, kept.birth_on) == ("王甲紫", "东街1号", date(1960, 1, 2))
    held.refresh_from_db()
    leads.refresh_from_db()
    account.refresh_from_db()
    assert held.person_id == leads.person_id == account.person_id == kept.pk
    assert account.is_active
    phones = ContactPoint.objects.filter(person=kept)
    assert {contact.value for contact in phones} == {"13800001234", "13900005678"}
    assert [contact.value for contact in phones if contact.is_primary] == ["13800001234"]
    stayed = {entry["model"]: len(entry["stayed"]) for entry in merge.moved["rows"] if entry["stayed"]}
    assert stayed == {"community.ContactPoint": 1, "community.Membership": 1}
    assert [row.id for row in queries.search_people(OPERATOR, "王甲")] == [kept.pk]
    for number in (kept.volunteer_number, gone.volunteer_number):
        assert [row.id for row in queries.search_people(OPERATOR, number)] == [kept.pk]
    assert AuditEvent.objects.filter(verb__in=("merge", "merge_away")).count() == 2
    assert "东街" not in json.dumps(merge.moved)
    assert "东街" not in merge.sealed


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "sex": st.sampled_from(["FEMALE", "MALE"]), "birth_on": st.dates(date(1950, 1, 1), date(2000, 1, 1)),
        "phone": st.sampled_from(["13800001234", "13900005678"]), "address": st.sampled_from(["东街1号", "西街2号"]),
        "note": st.just("备注"), "is_volunteer": st.booleans(), "wechat": st.just("wx1"),
    },
)  # fmt: skip
TIES = st.lists(
    st.sampled_from(
        ["volunteer", "leader", "consent", "withdrawn", "guardian", "ward", "skill", "account", "distinct"]
    ),
    max_size=6,
)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(VALUES, VALUES), st.tuples(TIES, TIES),
    st.dictionaries(st.sampled_from(merging.CHOOSABLE), st.sampled_from(["kept", "gone"])), st.booleans(),
)  # fmt: skip
def test_an_undo_restores_every_row_of_every_table(values, ties, choices, one_first: bool) -> None:
    from django.db import transaction

    with transaction.atomic():
        _round_trip(values, ties, choices, one_first)
        transaction.set_rollback(True)


def _round_trip(values, ties, choices, one_first: bool) -> None:
    district = District()
    place, team = district["150603001001"], make_organization(district["150603001"])
    people = [make_person(place, name, **of) for name, of in zip(("王甲子", "王甲紫"), values, strict=True)]
    other = make_person(place, "李乙丑")
    skill = Skill.objects.create(code="driving", name="驾驶", name_en="Driving")
    for person, wanted in zip(people, ties, strict=True):
        for tie in dict.fromkeys(wanted):
            _tie(tie, person, other, team, skill, people)
    kept, gone = people if one_first else people[::-1]
    before = state()
    merge = merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk, choices=choices)
    assert state() != before
    live = [kept, other]
    assert set(Person.objects.filter(status="ACTIVE").values_list("pk", flat=True)) >= {
        person.pk for person in live
    }
    merging.undo_merge(by=OPERATOR, merge_id=merge.pk)
    after = state()
    assert {key: after[key] for key in after if after[key] != before.get(key)} == {}
    assert before.keys() == after.keys()


def _tie(tie: str, person, other, team, skill, people) -> None:
    if tie in ("volunteer", "leader"):
        make_member(person, team, tie.upper())
    elif tie == "consent":
        operations.give_consent(by=OPERATOR, person_id=person.pk, purpose="CONTACT", means="PAPER")
    elif tie == "withdrawn":
        consent = operations.give_consent(by=OPERATOR, person_id=person.pk, purpose="CONTACT", means="PAPER")
        operations.withdraw_consent(by=OPERATOR, consent_id=consent.pk)
    elif tie == "guardian":
        if not person.guardianships.exists():
            make_guardian(other, person)
    elif tie == "ward":
        if not other.wards.exists() and not person.wards.exists():
            make_guardian(person, other)
    elif tie == "skill":
        operations.add_qualification(by=OPERATOR, person_id=person.pk, skill_id=skill.pk)
    elif tie == "account":
        make_account(person=person)
    elif tie == "distinct":
        operations.mark_distinct(by=OPERATOR, one_id=people[0].pk, other_id=people[1].pk)


def test_every_table_that_points_at_people_is_walked(district: District) -> None:
    found = {(model._meta.label, column.name) for model, column in references.person_references()}
    expected = {
        (model._meta.label, field.name)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model is Person and not field.many_to_many
    }
    assert found == expected
    assert ("community.Account", "person") in found
    assert ("community.Person", "merged_into") in found


def test_what_was_written_since_stays_with_the_person_kept(district: District) -> None:
    place = district["150603001001"]
    kept, gone = make_person(place, "王甲子"), make_person(place, "王甲紫", address="东街1号")
    merge = merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk)
    kept.refresh_from_db()
    operations.edit_person(
        by=OPERATOR, person_id=kept.pk, seen=operations.seen_token(kept), note="合并后写的"
    )
    operations.add_contact(by=OPERATOR, person_id=kept.pk, kind="PHONE", value="13800001234")
    merging.undo_merge(by=OPERATOR, merge_id=merge.pk)
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert (kept.note, kept.address, gone.address) == ("合并后写的", "", "东街1号")
    assert ContactPoint.objects.get().person_id == kept.pk


def test_a_withdrawal_under_either_record_counts(district: District) -> None:
    place = district["150603001001"]
    kept, gone = make_person(place, "王甲子"), make_person(place, "王甲紫")
    operations.give_consent(by=OPERATOR, person_id=kept.pk, purpose="CONTACT", means="PAPER")
    taken_back = operations.give_consent(by=OPERATOR, person_id=gone.pk, purpose="CONTACT", means="PAPER")
    operations.withdraw_consent(by=OPERATOR, consent_id=taken_back.pk)
    merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk)
    assert not queries.has_consent(OPERATOR, kept.pk, "CONTACT")
    assert not Consent.objects.filter(withdrawn_at__isnull=True).exists()


def test_an_account_left_behind_cannot_be_used_until_the_undo(district: District) -> None:
    place = district["150603001001"]
    kept, gone = make_person(place, "王甲子"), make_person(place, "王甲紫")
    (first, _), (second, _) = make_account(person=kept), make_account(person=gone)
    merge = merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk)
    assert dict(Account.objects.values_list("pk", "is_active")) == {first.pk: True, second.pk: False}
    merging.undo_merge(by=OPERATOR, merge_id=merge.pk)
    assert set(Account.objects.values_list("is_active", flat=True)) == {True}


def test_after_thirty_days_or_a_second_time_there_is_no_undo(district: District) -> None:
    place = district["150603001001"]
    kept, gone = make_person(place, "王甲子"), make_person(place, "王甲紫")
    merge = merging.merge_people(by=OPERATOR, kept_id=kept.pk, gone_id=gone.pk)
    with pytest.raises(merging.MergeCannotBeUndone):
        merging.undo_merge(by=OPERATOR, merge_id=merge.pk, at=timezone.now() + timedelta(days=30, minutes=1))
    merging.undo_merge(by=OPERATOR, merge_id=merge.pk, at=timezone.now() + timedelta(days=29))
    with pytest.raises(merging.MergeCannotBeUndone):
        merging.undo_merge(by=OPERATOR, merge_id=merge.pk)


def test_a_chain_of_merges_leads_to_the_last_and_is_undone_backwards(district: District) -> None:
    place = district["150603001001"]
    a, b, c = (make_person(place, name, is_volunteer=True) for name in ("王甲子", "王甲紫", "王甲自"))
    before = state()
    first = merging.merge_people(by=OPERATOR, kept_id=b.pk, gone_id=a.pk)
    second = merging.merge_people(by=OPERATOR, kept_id=c.pk, gone_id=b.pk)
    a.refresh_from_db()
    assert a.merged_into_id == c.pk
    assert [row.id for row in queries.search_people(OPERATOR, a.volunteer_number)] == [c.pk]
    with pytest.raises(merging.MergeCannotBeUndone):
        merging.undo_merge(by=OPERATOR, merge_id=first.pk)
    merging.undo_merge(by=OPERATOR, merge_id=second.pk)
    merging.undo_merge(by=OPERATOR, merge_id=first.pk)
    assert state() == before


def test_who_may_not_merge(district: District) -> None:
    mine, foreign = (
        make_person(district["150603001001"], "王甲子"),
        make_person(district["150603002001"], "王甲子"),
    )
    worker = Actor(
        "account",
        "测试",
        new_id(),
        new_id(),
        (Grant(policy.COMMUNITY_WORKER, place_path=district["150603001001"].path),),
    )
    with pytest.raises(queries.PersonNotFound):
        merging.merge_people(by=worker, kept_id=mine.pk, gone_id=foreign.pk)
    with pytest.raises(merging.MergeRefused):
        merging.merge_people(by=worker, kept_id=mine.pk, gone_id=mine.pk)
    with pytest.raises(merging.MergeRefused):
        merging.merge_people(by=OPERATOR, kept_id=mine.pk, gone_id=foreign.pk, choices={"status": "gone"})
    assert Person.objects.filter(status="ACTIVE").count() == 2


def test_nobody_merges_away_somebody_with_rights_above_their_own(district: District) -> None:
    place = district["150603001001"]
    chief, _actor = make_account(
        role=policy.DISTRICT_ADMIN, place=district["150603"], person=make_person(place, "王主任")
    )
    double = make_person(place, "王主任")
    account, _ = make_account(place=place)
    give(account, policy.COMMUNITY_WORKER, place=place)
    from wushe.community.queries.accounts import actor_for_account

    worker = actor_for_account(account)
    for kept, gone in ((double.pk, chief.person_id), (chief.person_id, double.pk)):
        with pytest.raises(accounts.RightsAboveYours):
            merging.merge_people(by=worker, kept_id=kept, gone_id=gone)
    assert not PersonMerge.objects.exists()


# --- races ---


def _at_once(*works) -> list[Any]:
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int, work) -> None:
        barrier.wait()
        try:
            results[number] = work()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _race() -> tuple[list[Any], list[Person]]:
    District()
    from wushe.community.models import Place

    place = Place.objects.get(code="150603001001")
    a, b, c = (make_person(place, name, phone="13800001234") for name in ("王甲子", "王甲紫", "王甲自"))
    results = _at_once(
        lambda: merging.merge_people(by=OPERATOR, kept_id=b.pk, gone_id=a.pk),
        lambda: merging.merge_people(by=OPERATOR, kept_id=c.pk, gone_id=a.pk),
        lambda: merging.merge_people(by=OPERATOR, kept_id=a.pk, gone_id=b.pk),
    )
    return results, [a, b, c]


def _is_forest() -> bool:
    """True when every merged record leads to one that is in use."""
    rows = {row.pk: row for row in Person.objects.all()}
    for row in rows.values():
        seen = set()
        while row.status == "MERGED":
            if row.pk in seen:
                return False
            seen.add(row.pk)
            row = rows[row.merged_into_id]
    return True


@pytest.mark.django_db(transaction=True)
def test_simultaneous_merges_of_one_record_leave_no_ring_and_one_winner(size: str) -> None:
    for _round in range(20 if size == "full" else 4):
        results, people = _race()
        problems = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(problem, merging.MergeRefused) for problem in problems), problems
        assert _is_forest()
        assert PersonMerge.objects.filter(gone=people[0], undone_at__isnull=True).count() <= 1
        _empty()


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_the_race_is_lost(monkeypatch) -> None:
    def unguarded(kept: Person, gone: Person, now) -> None:
        Person.objects.filter(pk=kept.pk).update(updated_at=now)
        Person.objects.filter(pk=gone.pk).update(updated_at=now, status="MERGED", merged_into=kept)

    monkeypatch.setattr(merging, "_claim", unguarded)
    for _round in range(20):
        results, _people = _race()
        lost = not _is_forest() or any(
            isinstance(r, Exception) and not isinstance(r, merging.MergeRefused) for r in results
        )
        _empty()
        if lost:
            return
    pytest.fail("the unguarded race was never lost: this test would not notice a missing guard")


def _empty() -> None:
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0)
    assert connection.vendor
    assert not Person.objects.exists()
