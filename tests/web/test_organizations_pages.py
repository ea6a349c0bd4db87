"""Desk pages of organizations, stations, venues and duties: a worker's tasks from the first click to the stored row."""

from datetime import date

import pytest
from django.test import Client

from tests.factories.accounts import PASSWORD, make_account
from tests.factories.organizations import (
    CREDIT_CODES,
    OPERATOR,
    District,
    make_member,
    make_organization,
    make_station,
    make_venue,
)
from tests.support.queries import QueryCounter
from wushe.community.models import (
    Membership,
    OpeningHours,
    Organization,
    Person,
    Place,
    Responsibility,
    Station,
    Venue,
)
from wushe.community.operations import people, vocabularies
from wushe.community.rules.people import NewPerson
from wushe.kernel import policy
from wushe.kernel.actor import Actor

pytestmark = pytest.mark.django_db
DESK = "/desk/organizations/"


@pytest.fixture
def district() -> District:
    made = District()
    vocabularies.seed_vocabularies(by=OPERATOR)
    return made


def sign_in(
    client: Client, role: str, place: Place | None = None, organization: Organization | None = None
) -> Actor:
    account, actor = make_account(role=role, place=place, organization=organization)
    answer = client.post("/login/", {"identifier": account.number, "password": PASSWORD})
    assert answer.status_code == 302
    return actor


def make_person(place: Place, name: str) -> Person:
    return people.create_person(by=OPERATOR, values=NewPerson(name=name, place_id=place.pk))


def text(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, answer.content.decode()[:3000]
    return answer.content.decode()


def test_an_organization_from_the_form_to_the_list(client: Client, district: District) -> None:
    sign_in(client, policy.COMMUNITY_WORKER, district["150603001001"])
    assert "还没有组织" in text(client, DESK)
    form = {
        "name": "合成槐花合唱队",
        "kind": "COMMUNITY_ORGANIZATION",
        "registration": "FILED",
        "place": "槐花社区",
        "office_phone": "0477-123",
        "contact_name": "合成联系",
        "is_public": "on",
    }
    text(client, f"{DESK}new/")
    made = client.post(f"{DESK}new/", form)
    assert made.status_code == 302, made.content.decode()[-4000:]
    row = Organization.objects.get()
    assert (row.name, row.place, row.contact_name) == ("合成槐花合唱队", district["150603001001"], "合成联系")
    page = text(client, made["Location"])
    for shown in ("合成槐花合唱队", "0477-123", "合成联系", "已备案"):
        assert shown in page
    for question in ("合唱", "hechenghuaihua", "hchh"):
        assert "合成槐花合唱队" in text(client, f"{DESK}?text={question}")
    assert "没有符合条件的组织" in text(client, f"{DESK}?kind=FIRM")


def test_likely_duplicates_are_shown_before_anything_is_stored(client: Client, district: District) -> None:
    make_organization(district["150603001001"], "合成槐花艺术团")
    sign_in(client, policy.COMMUNITY_WORKER, district["150603001"])
    form = {
        "name": "合成槐花艺术 团",
        "kind": "COMMUNITY_ORGANIZATION",
        "registration": "NONE",
        "place": "150603001002",
    }
    asked = client.post(f"{DESK}new/", form)
    assert asked.status_code == 422
    page = asked.content.decode()
    assert "是不是已经登记过" in page
    assert 'value="合成槐花艺术 团"' in page
    assert Organization.objects.count() == 1
    assert client.post(f"{DESK}new/", {**form, "not_a_duplicate": "on"}).status_code == 302
    assert Organization.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"credit_code": "91110000600037341X"}, "统一社会信用代码应为 18 位"),
        ({"place": "没有这里"}, "没有找到“没有这里”"),
        ({"place": "松岭社区"}, ""),
        ({"name": ""}, "名称"),
        ({"name": "长" * 10_000}, "200"),
        ({"kind": "GANG"}, "GANG"),
        ({"founded_on": "2999-01-01"}, "不能晚于今天"),
    ],
)
def test_what_is_refused_comes_back_with_all_that_was_typed(
    client: Client, district: District, changes: dict, said: str
) -> None:
    sign_in(client, policy.COMMUNITY_WORKER, district["150603001"])
    form = {
        "name": "合成某社",
        "kind": "FIRM",
        "registration": "NONE",
        "place": "槐花社区",
        "purpose": "合成宗旨",
        **changes,
    }
    answer = client.post(f"{DESK}new/", form)
    assert answer.status_code == (422 if said else 403)
    if said:
        assert said in answer.content.decode()
        assert "合成宗旨" in answer.content.decode()
    assert not Organization.objects.exists()


def test_contact_people_are_for_those_with_the_right(client: Client, district: District) -> None:
    row = make_organization(district["150603001001"], contact_name="合成私下", contact_phone="13900001111")
    sign_in(client, policy.DISTRICT_VIEWER, district["150603"])
    page = text(client, f"{DESK}{row.pk}/")
    assert "合成私下" not in page
    assert "13900001111" not in page
    for part in ("edit/", "parent/", "close/", "members/add/"):
        assert client.get(f"{DESK}{row.pk}/{part}").status_code == 403, part
    for part in ("rest/", "wake/", "reopen/"):
        assert client.post(f"{DESK}{row.pk}/{part}").status_code == 403, part


def test_editing_moving_resting_and_closing(client: Client, district: District) -> None:
    top = make_organization(district["150603"], "合成总会", "SOCIAL_ORGANIZATION")
    row = make_organization(district["150603001001"], "合成分会", "SOCIAL_ORGANIZATION")
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    url = f"{DESK}{row.pk}/"
    page = text(client, f"{url}edit/")
    assert 'value="槐花社区（东街街道） 150603001001"' in page
    form = {
        "name": "合成分会改",
        "kind": "SOCIAL_ORGANIZATION",
        "registration": "REGISTERED",
        "credit_code": CREDIT_CODES[0],
        "place": "槐花社区（东街街道） 150603001001",
        "is_public": "on",
    }
    assert client.post(f"{url}edit/", form).status_code == 302
    text(client, f"{url}parent/")
    assert client.post(f"{url}parent/", {"parent": "合成总会"}).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.credit_code, row.parent) == ("合成分会改", CREDIT_CODES[0], top)
    circle = client.post(f"{DESK}{top.pk}/parent/", {"parent": "合成分会改"})
    assert circle.status_code == 422
    assert "不能是它自己或它的下级" in circle.content.decode()
    assert client.post(f"{url}rest/").status_code == 302
    assert "休眠" in text(client, f"{DESK}?status=DORMANT")
    assert client.post(f"{url}wake/").status_code == 302
    assert client.post(f"{DESK}{top.pk}/close/", {"on": "2025-01-01"}).status_code == 422
    assert client.post(f"{url}close/", {"on": "2025-01-01"}).status_code == 302
    assert "2025年1月1日" in text(client, url)
    assert client.post(f"{url}reopen/").status_code == 302
    row.refresh_from_db()
    assert row.status == "ACTIVE"


def test_a_member_is_found_chosen_and_ended(client: Client, district: District) -> None:
    row = make_organization(district["150603001001"], "合成助老队", "VOLUNTEER_TEAM")
    person = make_person(district["150603001001"], "合成欧阳")
    sign_in(client, policy.COMMUNITY_WORKER, district["150603001"])
    url = f"{DESK}{row.pk}/"
    assert "先找到这个人" in text(client, f"{url}members/add/")
    assert "没有找到这个人" in text(client, f"{url}members/add/?q=没有此人")
    assert str(person.pk) in text(client, f"{url}members/add/?q=合成欧阳")
    added = client.post(
        f"{url}members/add/?q=合成欧阳", {"person": str(person.pk), "capacity": "VOLUNTEER", "title": "队员"}
    )
    assert added.status_code == 302, added.content.decode()[-3000:]
    one = Membership.objects.get(organization=row)
    person.refresh_from_db()
    assert (one.person, one.capacity, bool(person.volunteer_number)) == (person, "VOLUNTEER", True)
    again = client.post(f"{url}members/add/?q=合成欧阳", {"person": str(person.pk), "capacity": "VOLUNTEER"})
    assert again.status_code == 422
    assert "已经有这个身份" in again.content.decode()
    assert "合成欧阳" in text(client, f"{url}members/")
    text(client, f"{DESK}memberships/{one.pk}/end/")
    assert client.post(f"{DESK}memberships/{one.pk}/end/", {"on": "2999-01-01"}).status_code == 422
    assert client.post(f"{DESK}memberships/{one.pk}/end/", {"on": "2026-01-01"}).status_code == 302
    assert "合成欧阳" not in text(client, f"{url}members/")
    assert "合成欧阳" in text(client, f"{url}members/?former=1")


def test_a_station_from_opening_to_hand_over_and_closing(client: Client, district: District) -> None:
    make_organization(district["150603"], "合成民政局", "DEPARTMENT")
    new_owner = make_organization(district["150603"], "合成社工部", "DEPARTMENT")
    agency = make_organization(district["150603"], "合成社工机构", "SOCIAL_WORK_AGENCY")
    person = make_person(district["150603001001"], "合成社工甲")
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    text(client, f"{DESK}stations/new/")
    form = {
        "name": "东街社工站",
        "tier": "STREET",
        "place": "东街街道",
        "owner": "合成民政局",
        "opened_on": "2022-01-01",
        "yearly_budget_fen": "146000.50",
        "phone": "0477-9",
        "is_public": "on",
    }
    wrong = client.post(f"{DESK}stations/new/", {**form, "tier": "COMMUNITY"})
    assert wrong.status_code == 422
    assert "不设在“东街街道”这一级" in wrong.content.decode()
    made = client.post(f"{DESK}stations/new/", form)
    assert made.status_code == 302, made.content.decode()[-3000:]
    station = Station.objects.get()
    url = f"{DESK}stations/{station.pk}/"
    assert station.yearly_budget_fen == 14_600_050
    page = text(client, url)
    assert "合成民政局" in page
    assert "146,000.50" in page
    assert "东街社工站" in text(client, f"{DESK}stations/?lacking=STAFF")
    text(client, f"{url}hand-over/")
    handed = client.post(f"{url}hand-over/", {"capacity": "OWNER", "to": "合成社工部", "on": "2024-06-01"})
    assert handed.status_code == 302, handed.content.decode()[-3000:]
    early = client.post(f"{url}hand-over/", {"capacity": "OWNER", "to": "合成社工机构", "on": "2023-01-01"})
    assert early.status_code == 422
    assert "早于现任单位的开始日期" in early.content.decode()
    page = text(client, url)
    assert page.index("合成民政局", page.index("desk-aside")) < page.index(
        "合成社工部", page.index("desk-aside")
    )
    client.post(f"{url}hand-over/", {"capacity": "OPERATOR", "to": "合成社工机构", "on": "2024-06-01"})
    past = client.post(
        f"{url}past/",
        {
            "capacity": "OPERATOR",
            "organization": "合成社工机构",
            "started_on": "2023-01-01",
            "ended_on": "2024-01-01",
        },
    )
    assert past.status_code == 302
    assert "无人负责" in text(client, url)
    assert str(person.pk) in text(client, f"{url}staff/add/?q=合成社工甲")
    staffed = client.post(
        f"{url}staff/add/?q=合成社工甲",
        {
            "person": str(person.pk),
            "organization": str(agency.pk),
            "capacity": "SOCIAL_WORKER",
            "title": "站长",
        },
    )
    assert staffed.status_code == 302, staffed.content.decode()[-3000:]
    assert "合成社工甲" in text(client, url)
    row = Responsibility.objects.get(organization=new_owner)
    text(client, f"{DESK}responsibilities/{row.pk}/end/")
    assert client.post(f"{DESK}responsibilities/{row.pk}/end/", {"on": "2025-01-01"}).status_code == 302
    assert client.post(f"{url}close/", {"on": "2025-06-01"}).status_code == 302
    assert "已停用" in text(client, f"{DESK}stations/?state=CLOSED")
    assert client.post(f"{url}edit/", {**form, "place": "东街街道"}).status_code == 422
    assert client.post(f"{url}reopen/").status_code == 302
    assert client.post(f"{url}edit/", {**form, "name": "东街社工总站"}).status_code == 302
    station.refresh_from_db()
    assert station.name == "东街社工总站"


def test_staff_wait_for_somebody_to_answer_for_the_station(client: Client, district: District) -> None:
    station = make_station(district["150603001"])
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    assert "还没有归口部门或运营机构" in text(client, f"{DESK}stations/{station.pk}/staff/add/?q=合成")


def test_a_venue_with_the_hours_on_its_door(client: Client, district: District) -> None:
    sign_in(client, policy.COMMUNITY_WORKER, district["150603001"])
    text(client, f"{DESK}venues/new/")
    form = {
        "name": "合成活动室",
        "place": "槐花社区",
        "hours": "周一至周五 9点-12点半；周六 下午2点至5点",
        "capacity": "40",
        "latitude": "39.60812",
        "longitude": "109.78123",
        "is_open": "on",
        "is_public": "on",
    }
    unclear = client.post(f"{DESK}venues/new/", {**form, "hours": "有空就开"})
    assert unclear.status_code == 422
    assert "没看懂" in unclear.content.decode()
    half = client.post(f"{DESK}venues/new/", {**form, "longitude": ""})
    assert half.status_code == 422
    assert not Venue.objects.exists()
    made = client.post(f"{DESK}venues/new/", form)
    assert made.status_code == 302, made.content.decode()[-3000:]
    venue = Venue.objects.get()
    assert OpeningHours.objects.filter(venue=venue).count() == 6
    page = text(client, made["Location"])
    assert "周一至周五 09:00-12:30；周六 14:00-17:00" in page
    edit = text(client, f"{made['Location']}edit/")
    assert 'value="周一至周五 09:00-12:30；周六 14:00-17:00"' in edit
    assert client.post(f"{made['Location']}edit/", {**form, "hours": "", "is_open": ""}).status_code == 302
    assert not OpeningHours.objects.filter(venue=venue).exists()
    assert "合成活动室" in text(client, f"{DESK}venues/?state=CLOSED")
    assert "合成活动室" not in text(client, f"{DESK}venues/")


def test_duties_and_who_answers_for_them(client: Client, district: District) -> None:
    make_organization(district["150603"], "合成社工部", "DEPARTMENT")
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    place = district["150603"]
    assert str(place.pk) in text(client, f"{DESK}duties/")
    assert str(place.pk) in text(client, f"{DESK}duties/?q=测试丙")
    assert "还没有登记" in text(client, f"{DESK}duties/{place.pk}/")
    text(client, f"{DESK}duties/{place.pk}/hand-over/")
    done = client.post(
        f"{DESK}duties/{place.pk}/hand-over/",
        {"duty": "volunteer_service", "to": "合成社工部", "on": "2024-01-01"},
    )
    assert done.status_code == 302, done.content.decode()[-3000:]
    assert "合成社工部" in text(client, f"{DESK}duties/{district['150603001001'].pk}/")
    foreign = client.post(
        f"{DESK}duties/{district['150604'].pk}/hand-over/",
        {"duty": "volunteer_service", "to": "合成社工部", "on": "2024-01-01"},
    )
    assert foreign.status_code == 403


def test_nobody_reads_or_changes_what_is_not_theirs(client: Client, district: District) -> None:
    hidden = make_organization(district["150604001"], "合成外地", is_public=False)
    station = make_station(district["150604001"], name="合成外地站", is_public=False)
    venue = make_venue(district["150604001001"], "合成外地场", is_public=False)
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    for path in (f"{hidden.pk}/", f"stations/{station.pk}/", f"venues/{venue.pk}/", f"{hidden.pk}/edit/"):
        assert client.get(DESK + path).status_code == 404, path
    for path in ("", "stations/", "venues/", "?text=外地", "suggest/?q=外地", "venues/suggest/?q=外地"):
        assert "外地" not in text(client, DESK + path).replace("text=外地", "").replace('value="外地"', ""), (
            path
        )
    public = make_organization(district["150604001"], "合成公开外地")
    assert client.post(f"{DESK}{public.pk}/rest/").status_code == 403
    assert (
        client.post(
            f"{DESK}{public.pk}/edit/",
            {"name": "改", "kind": "FIRM", "registration": "NONE", "place": "150604001"},
        ).status_code
        == 403
    )


@pytest.mark.parametrize("path", ["", "stations/", "venues/"])
def test_lists_cost_the_same_however_long(
    client: Client, district: District, path: str, query_counter: QueryCounter
) -> None:
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    agency = make_organization(district["150603"], "合成机构", "SOCIAL_WORK_AGENCY")

    def more(n: int) -> None:
        make_organization(district["150603001001"], f"合成{n}")
        station = make_station(district["150603001"], name=f"合成站{n}", operator=agency)
        make_venue(district["150603001001"], f"合成场{n}", hours="每天 9:00-10:00")
        person = Person.objects.create(
            name=f"合成人{n}", name_key=f"合成人{n}", place=district["150603001001"]
        )
        if n == 0:
            make_member(person, agency, "SOCIAL_WORKER", station=station)

    more(0)
    text(client, DESK + path)
    with query_counter.count() as few:
        text(client, DESK + path)
    for n in range(1, 12):
        more(n)
    with query_counter.count() as many:
        text(client, DESK + path)
    # One more where the mark of demo data, remembered for some seconds, is looked up again in between.
    assert many.count <= few.count + 1, set(many.statements) - set(few.statements)
    assert many.count <= 15


def test_one_record_costs_at_most_fifteen_queries(
    client: Client, district: District, query_counter: QueryCounter
) -> None:
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    agency = make_organization(
        district["150603"], "合成机构", "SOCIAL_WORK_AGENCY", founded_on=date(2020, 1, 1)
    )
    station = make_station(district["150603001"], operator=agency, owner=agency)
    venue = make_venue(district["150603001001"], organization=agency, hours="每天 9:00-10:00")
    for path in (f"{agency.pk}/", f"{agency.pk}/members/", f"stations/{station.pk}/", f"venues/{venue.pk}/"):
        with query_counter.at_most(15):
            text(client, DESK + path)


def test_exports_carry_the_rows_one_may_see(client: Client, district: District) -> None:
    make_organization(district["150603001001"], "=合成公式社")
    make_organization(district["150604001"], "合成外地", is_public=False)
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    for path in ("", "stations/", "venues/"):
        answer = client.get(f"{DESK}{path}?export=csv")
        assert answer.status_code == 200
        content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]  # a streaming answer
        assert "外地" not in content
        if not path:
            assert "'=合成公式社" in content


@pytest.mark.parametrize("path", ["", "stations/", "venues/", "duties/"])
def test_the_desk_is_no_public_page(client: Client, district: District, path: str) -> None:
    make_organization(district["150603001001"], "合成公开")
    answer = client.get(DESK + path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
