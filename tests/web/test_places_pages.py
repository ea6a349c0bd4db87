"""Pages of places: search, the five societies of a place, and the desk pages that change the tree."""

import csv
import io
from datetime import date

import pytest
from django.test import Client

from tests.factories.accounts import PASSWORD, make_account
from tests.factories.organizations import (
    OPERATOR,
    District,
    make_member,
    make_organization,
    make_plain_person,
    make_station,
    make_venue,
)
from tests.support.queries import QueryCounter
from wushe.community.models import Duty, Place
from wushe.community.operations import places as place_operations
from wushe.community.operations import responsibilities, tallies, vocabularies
from wushe.kernel import policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    made = District()
    vocabularies.seed_vocabularies(by=OPERATOR)
    return made


@pytest.fixture
def full(district: District) -> District:
    """A district with something of everything."""
    agency = make_organization(
        district["150603"], "合成社工机构", "SOCIAL_WORK_AGENCY", office_phone="0477-100"
    )
    owner = make_organization(district["150603"], "合成社工部", "DEPARTMENT", office_phone="0477-200")
    make_organization(district["150603001001"], "合成居委会", "RESIDENTS_COMMITTEE", office_phone="0477-300")
    make_organization(
        district["150603001001"], "合成合唱队", contact_name="合成不公开", contact_phone="13900001111"
    )
    make_organization(district["150603002001"], "合成基金会", "COMMUNITY_FOUNDATION")
    venue = make_venue(
        district["150603001001"],
        "合成活动室",
        hours="每天 0:00-24:00",
        latitude=39.61,
        longitude=109.78,
        capacity=40,
        is_step_free=True,
        phone="0477-400",
    )
    station = make_station(
        district["150603001"],
        name="东街社工站",
        owner=owner,
        operator=agency,
        venue=venue,
        opened_on=date(2024, 1, 1),
    )
    make_member(make_plain_person(district["150603001001"]), agency, "SOCIAL_WORKER", station=station)
    for n in range(6):
        make_plain_person(district["150603001001"], f"合成志愿者{n}", number=f"V{n:08}")
    duty = Duty.objects.get(code="volunteer_service")
    responsibilities.hand_over(
        by=OPERATOR,
        subject=responsibilities.Subject(duty=duty, place=district["150603"]),
        capacity="OWNER",
        to=owner,
        on=date(2024, 1, 1),
    )
    return district


def sign_in(client: Client, role: str, place: Place) -> None:
    account, _actor = make_account(role=role, place=place)
    answer = client.post("/login/", {"identifier": account.number, "password": PASSWORD})
    assert answer.status_code == 302


def text(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


# --- search -----------------------------------------------------------------------------------------------------------


def test_search_finds_by_name_pinyin_and_code_without_scripts(client: Client, district: District) -> None:
    for question in ("槐花", "huaihua", "hh", "150603001001"):
        assert "/p/150603001001/" in text(client, f"/places/?q={question}"), question
    assert "没有找到这个地方" in text(client, "/places/?q=没有这里")
    assert "/p/15/" in text(client, "/places/")
    assert client.get("/places/?q=" + "长" * 10_000).status_code == 200
    part = client.get("/places/?q=槐花", HTTP_HX_REQUEST="true").content.decode()
    assert "/p/150603001001/" in part
    assert "<html" not in part


def test_suggestions_are_options_that_forms_read_back(client: Client, district: District) -> None:
    answer = client.get("/places/suggest/?place=槐花", HTTP_HX_TRIGGER_NAME="place")
    assert answer.content.decode().strip() == '<option value="槐花社区（东街街道） 150603001001"></option>'
    hostile = client.get("/places/suggest/", {"q": "<script>"})
    assert "<script>" not in hostile.content.decode()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_five_societies_to_everyone(client: Client, full: District) -> None:
    page = text(client, "/p/150603/")
    for shown in (
        *("测试丙区", "合成活动室", "东街社工站", "00:00-24:00", "0477-100", "合成社工部", "志愿服务"),
        *(
            "尚无记录",
            "未发布边界",
            "还没有站的",
            "北河镇",
            "民发〔2017〕191号",
            "少于 5",
            "可容纳 40 人",
            "无障碍通行",
        ),
    ):
        assert shown in page, shown
    for hidden in ("合成不公开", "13900001111", "合成志愿者0"):
        assert hidden not in page
    assert "<script>" not in page
    assert " style=" not in page


@pytest.mark.parametrize(
    "path", ["/places/nation/", "/p/15/", "/p/1506/", "/p/150603/", "/p/150603001/", "/p/150603001001/"]
)
def test_every_level_has_its_page(
    client: Client, full: District, path: str, query_counter: QueryCounter
) -> None:
    with query_counter.at_most(15):
        text(client, path)
    english = client.get(path, headers={"cookie": "wushe_language=en"}).content.decode()
    assert "Five Societies" in english or "five societies" in english.lower()


def test_a_grid_has_its_page_and_an_official_place_one_address(client: Client, full: District) -> None:
    assert "第一网格" in text(client, f"/places/{full.grid.pk}/")
    moved = client.get(f"/places/{full['150603'].pk}/?sort=name")
    assert (moved.status_code, moved["Location"]) == (301, "/p/150603/?sort=name")
    assert client.get("/p/999999/").status_code == 404
    assert client.get("/p/" + "9" * 5000 + "/").status_code == 404
    assert client.get(f"/places/{full['150603'].pk}/?export=pdf").status_code in (301, 422, 400)
    assert client.get("/p/150603/?sort=password").status_code in (400, 422)


def test_small_numbers_are_spelled_out_for_those_who_know_the_people(client: Client, full: District) -> None:
    assert "少于 5 人" in text(client, "/p/150603001/")
    sign_in(client, policy.STREET_SUPERVISOR, full["150603001"])
    page = text(client, "/p/150603001/")
    assert "少于 5" not in page
    assert "1 人" in page
    assert "少于 5" in text(client, "/p/150603/")


def test_the_table_sorts_and_exports(client: Client, full: District) -> None:
    page = text(client, "/p/150603/?sort=-volunteers")
    table = page[page.index('id="below"') :]
    assert table.index("东街街道") < table.index("西街街道")
    answer = client.get("/p/150603/?export=csv")
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]  # a streaming answer
    rows = list(csv.reader(io.StringIO(content)))
    assert rows[0][:3] == ["地方", "区划代码", "社区"]
    assert [row[0] for row in rows[1:]] == ["东街街道", "西街街道", "北河镇", "直属本级"]
    assert rows[1][3] == "<5"
    assert rows[1][5] == "6"
    assert client.get("/p/150603/?export=xlsx").status_code == 200


def test_a_page_costs_the_same_however_much_there_is(
    client: Client, district: District, query_counter: QueryCounter
) -> None:
    make_station(district["150603001"])
    make_venue(district["150603001001"], hours="周一 9:00-10:00")
    with query_counter.count() as few:
        text(client, "/p/150603/")
    for n in range(12):
        make_organization(district["150603001001"], f"合成社{n}", office_phone=f"0477-{n}")
        make_venue(district["150603002001"], f"合成场{n}", hours="周二 9:00-10:00")
        make_station(district["150603002001"], "COMMUNITY", f"合成室{n}")
    with query_counter.count() as many:
        text(client, "/p/150603/")
    assert many.count <= few.count + 1  # the mark of demo data is looked up again every few seconds
    assert many.count <= 15


def test_counted_numbers_say_when(client: Client, full: District) -> None:
    assert "统计于" not in text(client, "/p/1506/")
    tallies.recount_places(by=OPERATOR)
    assert "统计于" in text(client, "/p/1506/")
    assert "统计于" in text(client, "/places/nation/")
    assert "统计于" not in text(client, "/p/150603/")


def test_a_closed_place_leads_on(client: Client, full: District) -> None:
    place_operations.merge_places(
        by=OPERATOR, from_id=full["150603001002"].pk, into_id=full["150603001001"].pk, on=date(2024, 1, 1)
    )
    page = text(client, "/p/150603001002/")
    assert "撤销" in page
    assert "/p/150603001001/" in page


def test_next_steps_lead_those_who_may_to_the_desk(client: Client, district: District) -> None:
    page = text(client, "/p/150603/")
    assert "给还没有社工站的街道设站" in page
    assert "还差 3，共 3" in page
    assert "/desk/" not in page
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    assert "/desk/organizations/stations/new/" in text(client, "/p/150603/")


# --- the desk pages ---------------------------------------------------------------------------------------------------


def test_the_desk_pages_of_the_tree_need_the_right(client: Client, district: District) -> None:
    place = district["150603001001"]
    paths = [
        "/desk/places/",
        *(
            f"/desk/places/{place.pk}/{part}"
            for part in ("", "add/", "rename/", "point/", "move/", "merge/", "split/", "close/")
        ),
    ]
    for path in paths:
        assert client.get(path).status_code == 302, path
    sign_in(client, policy.DISTRICT_VIEWER, district["150603"])
    for path in paths:
        assert client.get(path).status_code == 403, path
    for path in paths[2:]:
        assert client.post(path, {"name": "x"}).status_code == 403, path


def test_a_street_adds_a_grid_and_renames_a_community(client: Client, district: District) -> None:
    sign_in(client, policy.STREET_SUPERVISOR, district["150603001"])
    place = district["150603001001"]
    for part in ("", "add/", "rename/", "point/", "move/", "merge/", "split/", "close/"):
        text(client, f"/desk/places/{place.pk}/{part}")
    assert "东街街道" in text(client, "/desk/places/")
    assert "槐花社区" in text(client, "/desk/places/?q=槐花")
    added = client.post(
        f"/desk/places/{place.pk}/add/", {"name": "第二网格", "level": "6", "on": "2024-01-01"}
    )
    assert added.status_code == 302
    assert Place.objects.get(name="第二网格").parent == place
    twice = client.post(
        f"/desk/places/{place.pk}/add/", {"name": "第二网格", "level": "6", "on": "2024-01-01"}
    )
    assert twice.status_code == 422
    assert "第二网格" in twice.content.decode()
    renamed = client.post(f"/desk/places/{place.pk}/rename/", {"name": "新槐社区", "on": "2024-02-01"})
    assert renamed.status_code == 302
    place.refresh_from_db()
    assert place.name == "新槐社区"
    assert "槐花社区" in text(client, f"/desk/places/{place.pk}/")
    pointed = client.post(f"/desk/places/{place.pk}/point/", {"latitude": "39.6", "longitude": "109.8"})
    assert pointed.status_code == 302


def test_a_place_is_not_merged_into_itself_or_stolen(client: Client, district: District) -> None:
    sign_in(client, policy.STREET_SUPERVISOR, district["150603001"])
    place = district["150603001001"]
    itself = client.post(f"/desk/places/{place.pk}/merge/", {"to": "150603001001", "on": "2024-01-01"})
    assert itself.status_code == 422
    assert "不能并入它自己" in itself.content.decode()
    foreign = client.post(f"/desk/places/{place.pk}/merge/", {"to": "150604001001", "on": "2024-01-01"})
    assert foreign.status_code == 403
    unknown = client.post(f"/desk/places/{place.pk}/merge/", {"to": "没有这里", "on": "2024-01-01"})
    assert unknown.status_code == 422
    assert "没有找到" in unknown.content.decode()
    place.refresh_from_db()
    assert place.is_open
    done = client.post(f"/desk/places/{place.pk}/merge/", {"to": "杏林社区", "on": "2024-01-01"})
    assert done.status_code == 302
    place.refresh_from_db()
    assert place.successor == district["150603001002"]


def test_a_place_is_split_with_what_lies_in_it(client: Client, district: District) -> None:
    sign_in(client, policy.STREET_SUPERVISOR, district["150603001"])
    place = district["150603001001"]
    answer = client.post(
        f"/desk/places/{place.pk}/split/",
        {"name_1": "槐东社区", "children_1": [str(district.grid.pk)], "keep": "on", "on": "2024-01-01"},
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    district.grid.refresh_from_db()
    assert district.grid.parent.name == "槐东社区"


def test_ambiguous_names_are_asked_back(client: Client, district: District) -> None:
    for parent in ("150603001", "150603002"):
        place_operations.create_place(
            by=OPERATOR, parent_id=district[parent].pk, level=5, name="同名社区", on=date(2001, 1, 1)
        )
    sign_in(client, policy.DISTRICT_ADMIN, district["150603"])
    url = f"/desk/places/{district['150603001001'].pk}/merge/"
    answer = client.post(url, {"to": "同名社区", "on": "2024-01-01"})
    assert answer.status_code == 422
    assert "有几个地方都叫这个名字" in answer.content.decode()
    answer = client.post(url, {"to": "西街街道 同名社区", "on": "2024-01-01"})
    assert answer.status_code == 302
