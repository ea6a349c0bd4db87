"""The people pages: every task by plain forms, a fixed number of queries, nothing of other districts, hostile text shown as text."""

import json
from datetime import date
from uuid import uuid4

import pytest
from django.urls import reverse

from tests.factories.accounts import make_account, sign_in
from tests.factories.organizations import District, make_member, make_organization
from tests.factories.people import OPERATOR, identity, make_guardian, make_person
from wushe.community.models import Consent, ContactPoint, Guardianship, Membership, Person, PersonMerge, Skill
from wushe.community.operations import people as operations
from wushe.community.rules.people import NewPerson
from wushe.kernel import policy
from wushe.kernel.models import AuditEvent

pytestmark = pytest.mark.django_db
AT_MOST = 15


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def desk(district: District, client):
    """A test client signed in as the supervisor of the first street."""
    account, _actor = make_account(role=policy.STREET_SUPERVISOR, place=district["150603001"], name="测主任")
    sign_in(client, account)
    return client


def url(name: str, *args: object) -> str:
    return reverse(f"people:{name}", args=args)


def text(response) -> str:
    return response.content.decode()


def new_form(**values: object) -> dict[str, object]:
    return {"name": "王甲子", "place": "150603001001", "sex": "UNKNOWN", **values}


# --- list and search ---


@pytest.mark.parametrize("count", [1, 60])
def test_list_and_search_cost_the_same_however_many_people_there_are(
    district, desk, query_counter, count: int
) -> None:
    team = make_organization(district["150603001"])
    rows = [
        NewPerson(
            f"王甲{number}",
            district["150603001001"].pk,
            phones=(f"1380000{number:04d}",),
            organization_id=team.pk,
            capacity="VOLUNTEER",
        )
        for number in range(count)
    ]
    operations.create_people_bulk(by=OPERATOR, rows=rows)
    for query in ("", "?q=wangj", "?q=王甲", "?place=150603001001&capacity=VOLUNTEER", "?sort=-name"):
        with query_counter.at_most(AT_MOST):
            response = desk.get(url("list") + query)
        assert response.status_code == 200
        assert "王甲0" in text(response) or count > 1
        assert "138****" in text(response)
        assert "13800000" not in text(response)


def test_the_search_box_finds_and_says_when_there_is_nobody(district, desk) -> None:
    make_person(district["150603001001"], "王甲子", phone="13800001234")
    make_person(district["150604001001"], "王外人", phone="13800001234")
    for typed in ("wjz", "1234", "甲子", "13800001234"):
        page = text(desk.get(url("list"), {"q": typed}))
        assert "王甲子" in page
        assert "王外人" not in page
    assert "没有找到这个人" in text(desk.get(url("list"), {"q": "zzz"}))
    assert desk.get(url("list"), {"q": "王" * 10_000}).status_code == 200
    assert desk.get(url("list"), {"q": "\x00", "sort": "name"}).status_code == 200


def test_an_empty_list_teaches(desk, district) -> None:
    page = text(desk.get(url("list")))
    assert "还没有人" in page


# --- one person ---


def full_person(district: District) -> Person:
    place = district["150603001001"]
    person = make_person(
        place, "王甲子", phone="13800001234", address="<script>alert(1)</script>", note="备注", birth_on=date(1960, 1, 2),
        identity_number=identity(serial=2), is_volunteer=True,
    )  # fmt: skip
    skill = Skill.objects.create(code="driving", name="驾驶", name_en="Driving")
    operations.add_qualification(by=OPERATOR, person_id=person.pk, skill_id=skill.pk, issuer="合成车管所")
    make_member(person, make_organization(district["150603001"]), "VOLUNTEER")
    make_guardian(make_person(place, "测青", birth_on=date(2011, 1, 1)), person)
    operations.give_consent(by=OPERATOR, person_id=person.pk, purpose="CONTACT", means="PAPER")
    make_person(place, "王甲子", phone="13800001234")
    return person


def test_a_persons_page_shows_all_masked_at_few_queries(district, desk, query_counter) -> None:
    person = full_person(district)
    with query_counter.at_most(AT_MOST):
        response = desk.get(url("detail", person.pk))
    page = text(response)
    for shown in (
        "王甲子",
        "138****1234",
        "合成车管所",
        "测青",
        "联系我",
        "可能是同一个人",
        "电话相同",
        "&lt;script&gt;",
    ):
        assert shown in page, shown
    for hidden in ("13800001234", identity(serial=2), "<script>alert"):
        assert hidden not in page, hidden


def test_revealing_is_a_post_that_leaves_a_trace(district, desk) -> None:
    person = full_person(district)
    assert desk.get(url("reveal", person.pk)).status_code == 405
    page = text(desk.post(url("reveal", person.pk)))
    assert "13800001234" in page
    assert AuditEvent.objects.filter(verb="reveal_contact", target_id=str(person.pk)).count() == 1
    assert desk.post(url("identity", person.pk)).status_code == 403


def test_ids_of_another_district_are_not_found(district, desk) -> None:
    foreign = make_person(district["150604001001"], "王外人", phone="13800001234")
    contact = ContactPoint.objects.get(person=foreign)
    child = make_person(district["150604001001"], "测外童", birth_on=date(2012, 1, 1))
    tie = make_guardian(child, foreign)
    consent = operations.give_consent(by=OPERATOR, person_id=foreign.pk, purpose="CONTACT", means="PAPER")
    for person_id in (foreign.pk, uuid4()):
        for name in (
            "detail",
            "edit",
            "contact_new",
            "membership_new",
            "qualification_new",
            "consents",
            "guardian_new",
            "merge",
            "copy",
            "erase",
        ):
            assert desk.get(url(name, person_id)).status_code == 404, name
        for name in ("reveal", "number", "distinct", "copy"):
            assert desk.post(url(name, person_id), {"other": str(foreign.pk)}).status_code == 404, name
    assert desk.post(url("contact_remove", foreign.pk, contact.pk)).status_code == 404
    assert desk.post(url("consent_withdraw", consent.pk)).status_code == 404
    assert desk.post(url("guardian_end", tie.pk)).status_code == 404
    consent.refresh_from_db()
    assert consent.withdrawn_at is None
    assert ContactPoint.objects.filter(pk=contact.pk).exists()


def test_strangers_and_viewers_stay_outside(district, client) -> None:
    person = make_person(district["150603001001"])
    assert client.get(url("detail", person.pk)).status_code == 302
    account, _actor = make_account(role=policy.DISTRICT_VIEWER, place=district["150603"])
    sign_in(client, account)
    assert client.get(url("detail", person.pk)).status_code == 404
    assert person.name not in text(client.get(url("list")))
    assert client.get(url("new")).status_code == 403


# --- new ---


def test_a_new_person_needs_a_name_and_a_place(district, desk) -> None:
    page = desk.get(url("new"))
    assert page.status_code == 200
    assert "东街街道" in text(page)  # where one works is filled in
    response = desk.post(url("new"), new_form(phone="138 0000 1234", is_volunteer="on"))
    person = Person.objects.get(name="王甲子")
    assert response.status_code == 302
    assert response["Location"] == url("detail", person.pk)
    assert ContactPoint.objects.get(person=person).value == "13800001234"
    assert len(person.volunteer_number) == 10


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": ""}, "必填"),
        ({"name": "王" * 10_000}, "姓名最多 200 个字"),
        ({"name": "王\u202e甲"}, "看不见的字符"),
        ({"phone": "12"}, "不像一个电话号码"),
        ({"birth_on": "2999-01-01"}, "晚于今天"),
        ({"birth_on": "2026-02-30"}, "有效"),
        ({"birth_on": "2020-01-01"}, "请填写监护人"),
        ({"identity_number": "123"}, "身份证号码不对"),
        ({"place": "没有这个地方"}, "没有找到"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(
    district, desk, values, message: str
) -> None:
    before = Person.objects.count()
    response = desk.post(url("new"), new_form(note="打了很久的备注", **values))
    assert response.status_code == 422
    if message != "必填":
        assert message in text(response)
    assert "打了很久的备注" in text(response)
    assert Person.objects.count() == before


def test_a_place_outside_ones_reach_is_refused(district, desk) -> None:
    response = desk.post(url("new"), new_form(place="150604001001"))
    assert response.status_code == 403
    assert not Person.objects.filter(name="王甲子").exists()


def test_likely_duplicates_are_shown_before_anything_is_stored(district, desk) -> None:
    make_person(district["150603001001"], "王甲子", phone="13800001234")
    form = new_form(phone="13800001234")
    response = desk.post(url("new"), form)
    assert response.status_code == 422
    assert "可能已经登记过" in text(response)
    assert "电话相同" in text(response)
    assert Person.objects.filter(name="王甲子").count() == 1
    assert desk.post(url("new"), {**form, "confirmed": "on"}).status_code == 302
    assert Person.objects.filter(name="王甲子").count() == 2


def test_a_child_is_put_on_record_with_guardian_and_consent(district, desk) -> None:
    guardian = {
        "guardian_name": "测母",
        "guardian_phone": "13900005678",
        "guardian_relation": "母亲",
        "consent_means": "PAPER",
    }
    assert desk.post(url("new"), new_form(name="测童", birth_on="2020-01-01", **guardian)).status_code == 302
    child = Person.objects.get(name="测童")
    assert Guardianship.objects.get(ward=child).guardian.name == "测母"
    assert Consent.objects.filter(person=child, purpose="MINOR", withdrawn_at__isnull=True).exists()


# --- edit ---


def edit_form(page: str, **values: object) -> dict[str, object]:
    seen = page.split('name="seen" value="')[1].split('"')[0]
    return {"name": "王甲子", "place": "150603001001", "sex": "UNKNOWN", "seen": seen, **values}


def test_two_who_edit_at_once_do_not_overwrite_each_other(district, desk) -> None:
    person = make_person(district["150603001001"], "王甲子", address="东街1号")
    page = text(desk.get(url("edit", person.pk)))
    assert "东街1号" in page
    assert (
        desk.post(url("edit", person.pk), edit_form(page, name="王甲丑", address="东街2号")).status_code
        == 302
    )
    late = desk.post(url("edit", person.pk), edit_form(page, name="王甲寅", address="东街1号"))
    assert late.status_code == 422
    assert "有人先改了" in text(late)
    assert "王甲丑" in text(late)
    assert "东街2号" in text(late)
    person.refresh_from_db()
    assert person.name == "王甲丑"
    again = edit_form(text(late), name="王甲寅", address="东街2号")
    assert desk.post(url("edit", person.pk), again).status_code == 302
    person.refresh_from_db()
    assert person.name == "王甲寅"


def test_an_edit_leaves_what_is_not_asked(district, desk) -> None:
    person = make_person(district["150603001001"], "王甲子", identity_number=identity(serial=2))
    page = text(desk.get(url("edit", person.pk)))
    assert identity(serial=2) not in page
    form = edit_form(page, sex="FEMALE", birth_on="1960-01-02")
    assert desk.post(url("edit", person.pk), form).status_code == 302
    person.refresh_from_db()
    assert person.identity_number == identity(serial=2)


# --- contacts, organizations, qualifications, guardians, consents ---


def test_every_small_task_works_by_plain_forms(district, desk) -> None:
    place = district["150603001001"]
    person = make_person(place, "王甲子", phone="13800001234")
    mother = make_person(place, "测母", birth_on=date(1980, 1, 1))
    team = make_organization(district["150603001"], "合成测试社")
    skill = Skill.objects.create(code="driving", name="驾驶", name_en="Driving")

    assert desk.post(url("contact_new", person.pk), {"kind": "PHONE", "value": "no"}).status_code == 422
    assert (
        desk.post(
            url("contact_new", person.pk), {"kind": "PHONE", "value": "13900005678", "primary": "on"}
        ).status_code
        == 302
    )
    second = ContactPoint.objects.get(is_primary=True)
    assert second.value == "13900005678"
    first = ContactPoint.objects.exclude(pk=second.pk).get()
    assert desk.post(url("contact_prefer", person.pk, first.pk)).status_code == 302
    assert desk.post(url("contact_remove", person.pk, second.pk)).status_code == 302
    assert list(ContactPoint.objects.values_list("pk", "is_primary")) == [(first.pk, True)]

    assert (
        desk.post(
            url("membership_new", person.pk), {"organization": "合成测试社", "capacity": "VOLUNTEER"}
        ).status_code
        == 302
    )
    assert Membership.objects.get(person=person).organization == team
    assert (
        desk.post(
            url("membership_new", person.pk), {"organization": "合成测试社", "capacity": "VOLUNTEER"}
        ).status_code
        == 422
    )

    assert (
        desk.post(
            url("qualification_new", person.pk), {"skill": str(skill.pk), "issuer": "合成车管所"}
        ).status_code
        == 302
    )
    assert desk.post(url("qualification_remove", person.qualifications.get().pk)).status_code == 302
    assert not person.qualifications.exists()
    assert desk.post(url("number", person.pk)).status_code == 302

    find = url("guardian_new", person.pk) + "?q=测母"
    assert "测母" in text(desk.get(find))
    assert (
        desk.post(
            find, {"guardian": str(mother.pk), "relation": "母亲", "started_on": "2020-01-01"}
        ).status_code
        == 302
    )
    assert (
        desk.post(
            url("consents", person.pk), {"purpose": "CONTACT", "means": "PAPER", "given_by": str(mother.pk)}
        ).status_code
        == 302
    )
    consent = Consent.objects.get(person=person)
    assert consent.given_by == mother
    assert desk.post(url("consent_withdraw", consent.pk)).status_code == 302
    assert "请不要再联系" in text(desk.get(url("detail", person.pk)))
    assert desk.post(url("reveal", person.pk)).status_code == 409
    assert desk.post(url("guardian_end", Guardianship.objects.get().pk)).status_code == 302


# --- merge, copy, erase ---


def test_two_records_are_compared_merged_and_parted_again(district, desk, query_counter) -> None:
    place = district["150603001001"]
    kept = make_person(place, "王甲子", phone="13800001234")
    gone = make_person(place, "王甲紫", phone="13800001234", address="东街1号")
    assert "王甲紫" in text(desk.get(url("duplicates")))
    assert "王甲紫" in text(desk.get(url("merge", kept.pk)))
    assert "王甲紫" in text(desk.get(url("merge", kept.pk), {"q": "wangjia"}))
    side_by_side = f"{url('merge', kept.pk)}?with={gone.pk}"
    with query_counter.at_most(
        40
    ):  # one for each table that points at people: it grows with rooms, not with rows
        page = text(desk.get(side_by_side))
    assert "东街1号" in page
    assert "联系方式 1" in page
    assert desk.post(side_by_side, {"name": "nonsense"}).status_code == 422
    assert desk.post(side_by_side, {"name": "gone", "address": "gone"}).status_code == 302
    kept.refresh_from_db()
    assert (kept.name, kept.address) == ("王甲紫", "东街1号")
    assert desk.get(url("detail", gone.pk)).headers["Location"] == url("detail", kept.pk)
    merge = PersonMerge.objects.get()
    assert "撤销合并" in text(desk.get(url("merged", merge.pk)))
    assert desk.post(url("merge_undo", merge.pk)).status_code == 302
    kept.refresh_from_db()
    assert (kept.name, kept.address) == ("王甲子", "")
    assert desk.post(url("merge_undo", merge.pk)).status_code == 409


def test_two_who_look_alike_are_set_apart(district, desk) -> None:
    one, other = (make_person(district["150603001001"], "王甲子", phone="13800001234") for _n in range(2))
    assert desk.post(url("distinct", one.pk), {"other": "nonsense"}).status_code == 404
    assert desk.post(url("distinct", one.pk), {"other": str(other.pk)}).status_code == 302
    assert "可能是同一个人" not in text(desk.get(url("detail", one.pk)))


def test_a_copy_is_read_or_taken_home(district, desk) -> None:
    person = full_person(district)
    assert "13800001234" not in text(desk.get(url("copy", person.pk)))
    file = desk.post(url("copy", person.pk), {"form": "file"})
    assert file["Content-Disposition"].startswith("attachment")
    assert "13800001234" in text(file)
    assert json.loads(text(file))["person"] == str(person.pk)
    read = text(desk.post(url("copy", person.pk), {"form": "page"}))
    assert "13800001234" in read
    assert "<script>alert" not in read


def test_an_erasure_asks_for_the_name_and_says_what_stays(district, desk) -> None:
    person = make_person(district["150603001001"], "王甲子", phone="13800001234")
    page = text(desk.get(url("erase", person.pk)))
    assert "会删掉" in page
    assert "会留下" in page
    assert desk.post(url("erase", person.pk), {"name": "王乙丑"}).status_code == 422
    person.refresh_from_db()
    assert person.status == "ACTIVE"
    assert desk.post(url("erase", person.pk), {"name": "王甲子"}).status_code == 302
    person.refresh_from_db()
    assert person.status == "ERASED"
    assert "王甲子" not in text(desk.get(url("detail", person.pk)))


def test_the_history_is_for_those_who_may_read_the_trail(district, client) -> None:
    person = make_person(district["150603001001"], "王甲子")
    account, _actor = make_account(role=policy.DISTRICT_ADMIN, place=district["150603"], name="测区管")
    sign_in(client, account)
    operations.edit_person(by=OPERATOR, person_id=person.pk, seen=operations.seen_token(person), note="改")
    page = text(client.get(url("history", person.pk)))
    assert "新建" in page
    assert "修改" in page


@pytest.mark.parametrize("name", ["list", "new", "duplicates"])
def test_pages_are_in_english_too(district, desk, name: str) -> None:
    desk.cookies["wushe_language"] = "en"
    page = text(desk.get(url(name)))
    assert "登记人员" not in page.replace("测主任", "")
