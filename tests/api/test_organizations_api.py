"""Organizations, stations, venues and places by API: the same rights, rules and faults as the pages."""

from typing import Any

import pytest
from django.test import Client

from tests.api.test_people import Caller
from tests.factories.organizations import (
    OPERATOR,
    District,
    make_organization,
    make_plain_person,
    make_station,
)
from wushe.community.models import Membership, Organization, Station, Venue
from wushe.community.operations import vocabularies
from wushe.kernel import policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    made = District()
    vocabularies.seed_vocabularies(by=OPERATOR)
    return made


@pytest.fixture
def call(district: District, client: Client) -> Caller:
    return Caller(client, policy.DISTRICT_ADMIN, district["150603"])


def test_an_organization_is_registered_read_changed_moved_and_closed(
    district: District, call: Caller
) -> None:
    body = {
        "name": "合成合唱队", "kind": "COMMUNITY_ORGANIZATION", "place": str(district["150603001001"].pk),
        "contact_name": "合成联系",
    }  # fmt: skip
    made = call("POST", "/organizations", body)
    assert made.status_code == 201, made.content
    url = f"/organizations/{made.json()['id']}"
    assert made.json()["contact_name"] == "合成联系"
    assert call("GET", url).json()["name"] == "合成合唱队"
    changed = call("PATCH", url, {"name": "合成新合唱队", "credit_code": "91110000600037341L"})
    assert (changed.json()["name"], changed.json()["credit_code"]) == ("合成新合唱队", "91110000600037341L")
    top = make_organization(district["150603"], "合成总会")
    assert call("POST", f"{url}/parent", {"parent": str(top.pk)}).json()["parent"] == str(top.pk)
    circle = call("POST", f"/organizations/{top.pk}/parent", {"parent": made.json()["id"]})
    assert (circle.status_code, circle.json()["code"]) == (422, "organization.circle")
    listed = call("GET", "/organizations", text="hcxhc").json()
    assert [row["name"] for row in listed["rows"]] == ["合成新合唱队"]
    assert call("GET", "/organizations", limit="1").json()["more"] is True
    assert call("POST", f"{url}/close", {"on": "2025-01-01"}).json()["status"] == "CLOSED"


def test_a_foreign_organization_can_neither_be_seen_nor_touched(district: District, call: Caller) -> None:
    hidden = make_organization(district["150604001"], "合成外地", is_public=False)
    public = make_organization(district["150604001"], "合成外地公开", contact_name="合成私下")
    assert call("GET", f"/organizations/{hidden.pk}").status_code == 404
    read = call("GET", f"/organizations/{public.pk}").json()
    assert (read["name"], read["contact_name"]) == ("合成外地公开", None)
    for path, body in (("", {"name": "改"}), ("/close", {"on": "2025-01-01"}), ("/parent", {"parent": None})):
        method = "PATCH" if not path else "POST"
        assert call(method, f"/organizations/{public.pk}{path}", body).status_code == 403
    body = {"name": "合成", "kind": "FIRM", "place": str(district["150604001"].pk)}
    assert call("POST", "/organizations", body).status_code == 403
    assert Organization.objects.count() == 2


def test_members_start_and_end(district: District, call: Caller) -> None:
    team = make_organization(district["150603001001"], "合成队", "VOLUNTEER_TEAM")
    person = make_plain_person(district["150603001001"])
    url = f"/organizations/{team.pk}/memberships"
    made = call("POST", url, {"person": str(person.pk), "capacity": "VOLUNTEER"})
    assert made.status_code == 201, made.content
    again = call("POST", url, {"person": str(person.pk), "capacity": "VOLUNTEER"})
    assert (again.status_code, again.json()["code"]) == (409, "membership.already")
    stranger = make_plain_person(district["150604001001"])
    assert call("POST", url, {"person": str(stranger.pk), "capacity": "MEMBER"}).status_code == 404
    assert [row["person"] for row in call("GET", url).json()["rows"]] == [str(person.pk)]
    assert call("POST", f"/memberships/{made.json()['id']}/end", {"on": "2026-01-01"}).status_code == 200
    assert call("GET", url).json()["rows"] == []
    assert Membership.objects.count() == 1


def test_a_station_is_opened_handed_over_and_closed(district: District, call: Caller) -> None:
    first = make_organization(district["150603"], "合成民政局", "DEPARTMENT")
    second = make_organization(district["150603"], "合成社工部", "DEPARTMENT")
    body = {
        "name": "合成站", "tier": "STREET", "place": str(district["150603001"].pk), "owner": str(first.pk),
        "opened_on": "2022-01-01",
    }  # fmt: skip
    made = call("POST", "/stations", body)
    assert made.status_code == 201, made.content
    url = f"/stations/{made.json()['id']}"
    assert made.json()["owner"] == str(first.pk)
    assert call("PATCH", url, {"phone": "0477-1"}).json()["phone"] == "0477-1"
    handed = call("POST", f"{url}/hand-over", {"capacity": "OWNER", "to": str(second.pk), "on": "2024-01-01"})
    assert [(line["name"], line["ended_on"]) for line in handed.json()] == [
        ("合成社工部", None),
        ("合成民政局", "2024-01-01"),
    ]
    assert call("GET", f"{url}/responsibilities").json() == handed.json()
    assert [row["id"] for row in call("GET", "/stations", lacking="STAFF").json()["rows"]] == [
        made.json()["id"]
    ]
    assert call("POST", f"{url}/close", {"on": "2025-01-01"}).json()["closed_on"] == "2025-01-01"
    assert call("POST", "/stations", {**body, "tier": "GRID"}).json()["code"] == "station.tier_does_not_fit"


def test_a_venue_takes_hours_as_people_write_them(district: District, call: Caller) -> None:
    body = {"name": "合成室", "place": str(district["150603001001"].pk), "hours": "周一至周五 9点-17点半"}
    made = call("POST", "/venues", body)
    assert made.status_code == 201, made.content
    assert made.json()["hours"] == "周一至周五 09:00-17:30"
    url = f"/venues/{made.json()['id']}"
    assert (
        call("PATCH", url, {"hours": "周六 9:00-12:00", "capacity": 30}).json()["hours"] == "周六 09:00-12:00"
    )
    assert call("PATCH", url, {"hours": "有空"}).json()["code"] == "venue.hours_unclear"
    assert call("GET", url).json()["capacity"] == 30
    assert [row["hours"] for row in call("GET", "/venues", at_least="20").json()["rows"]] == [
        "周六 09:00-12:00"
    ]
    assert Venue.objects.count() == 1


def test_places_and_their_five_societies_are_open_to_everyone(district: District, client: Client) -> None:
    make_organization(district["150603001001"])
    make_station(district["150603001"])
    for n in range(3):
        make_plain_person(district["150603001001"], f"合成{n}", number=f"V{n}")

    def get(path: str, **query: str) -> Any:
        answer = client.get(f"/api/places{path}", query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    found = get("", text="huaihua")
    assert (found[0]["code"], found[0]["above"][-1]) == ("150603001001", "东街街道")
    place = get("/code/150603")
    assert place["name"] == "测试丙区"
    assert [row["name"] for row in get(f"/{place['id']}/children")] == ["东街街道", "西街街道", "北河镇"]
    assert get(f"/{place['id']}/history")[0]["name"] == "测试丙区"
    overview = get(f"/{place['id']}/overview")
    numbers = {one["society"]: one["number"] for one in overview["societies"]}
    assert numbers["organizations"] == {"value": 1, "below": None}
    assert numbers["volunteers"] == {"value": None, "below": 5}
    assert overview["children"][0]["stations"] == 1
    assert overview["joint_action_reason"] == "NO_RECORDS"
    assert get("/nation/overview")["place"] is None
    assert client.get("/api/places/code/999999").status_code == 404


def test_the_tree_is_changed_by_those_who_may(district: District, call: Caller) -> None:
    body = {"parent": str(district["150603001001"].pk), "level": 6, "name": "合成网格", "on": "2024-01-01"}
    made = call("POST", "/places", body)
    assert made.status_code == 201, made.content
    renamed = call("POST", f"/places/{made.json()['id']}/name", {"name": "合成新网格", "on": "2024-02-01"})
    assert renamed.json()["name"] == "合成新网格"
    assert call("POST", "/places", {**body, "parent": str(district["150604001001"].pk)}).status_code == 403
    foreign = district["150604001001"]
    assert call("POST", f"/places/{foreign.pk}/name", {"name": "改", "on": "2024-02-01"}).status_code == 403


def test_a_reading_token_writes_nothing(district: District, client: Client) -> None:
    reader = Caller(client, policy.DISTRICT_ADMIN, district["150603"], read_only=True)
    body = {"name": "合成站", "tier": "STREET", "place": str(district["150603001"].pk)}
    assert reader("POST", "/stations", body).json()["code"] == "token.read_only"
    assert not Station.objects.exists()


def test_places_are_moved_merged_split_and_closed(district: District, call: Caller) -> None:
    community, street = district["150603001001"], district["150603001"]

    def grid(name: str) -> str:
        body = {"parent": str(community.pk), "level": 6, "name": name, "on": "2024-01-01"}
        return str(call("POST", "/places", body).json()["id"])

    one, two, three = grid("合成一格"), grid("合成二格"), grid("合成三格")
    pinned = call("POST", f"/places/{one}/point", {"latitude": 39.6, "longitude": 109.8})
    assert (pinned.json()["latitude"], pinned.json()["longitude"]) == (39.6, 109.8)
    outside = call("POST", f"/places/{one}/point", {"latitude": 200, "longitude": 109.8})
    assert outside.status_code == 422
    merged = call("POST", f"/places/{two}/merge", {"to": one, "on": "2024-02-01"})
    assert merged.json()["id"] == one
    assert call("GET", f"/places/{two}").json()["successor"] == one
    itself = call("POST", f"/places/{one}/merge", {"to": one, "on": "2024-02-01"})
    assert itself.status_code == 422
    assert itself.json()["code"].startswith("place.")
    parts = {"parts": [{"name": "合成三甲"}, {"name": "合成三乙"}], "keep": False, "on": "2024-02-01"}
    split = call("POST", f"/places/{three}/split", parts)
    assert [row["name"] for row in split.json()] == ["合成三甲", "合成三乙"], split.content
    closed = call("POST", f"/places/{split.json()[0]['id']}/close", {"on": "2024-03-01"})
    assert closed.json()["valid_until"] == "2024-03-01"
    other = call(
        "POST", "/places", {"parent": str(street.pk), "level": 5, "name": "合成新社区", "on": "2024-01-01"}
    )
    moved = call("POST", f"/places/{one}/move", {"to": other.json()["id"], "on": "2024-04-01"})
    assert moved.json()["parent"] == other.json()["id"]
    foreign = district["150604001001"]
    for step, body in (
        ("move", {"to": str(district["150604001"].pk)}),
        ("merge", {"to": one}),
        ("split", {"parts": [{"name": "改"}], "keep": True}),
        ("close", {}),
        ("point", {"latitude": 39.6, "longitude": 109.8}),
    ):
        assert call("POST", f"/places/{foreign.pk}/{step}", body).status_code == 403, step


def test_a_duty_is_handed_over_and_ended(district: District, call: Caller) -> None:
    place = district["150603"]
    first = make_organization(place, "合成民政局")
    second = make_organization(place, "合成社工部")
    url = f"/places/{place.pk}/duties"
    duty = call("GET", url).json()[0]
    assert duty["organization"] is None
    handed = call("POST", f"{url}/{duty['code']}/hand-over", {"to": str(first.pk), "on": "2023-01-01"})
    assert [line["name"] for line in handed.json()] == ["合成民政局"], handed.content
    handed = call("POST", f"{url}/{duty['code']}/hand-over", {"to": str(second.pk), "on": "2024-01-01"})
    assert [(line["name"], line["ended_on"]) for line in handed.json()] == [
        ("合成社工部", None),
        ("合成民政局", "2024-01-01"),
    ]
    assert call("GET", f"{url}/{duty['code']}/responsibilities").json() == handed.json()
    below = call("GET", f"/places/{district['150603001001'].pk}/duties").json()[0]
    assert (below["organization"], below["answers_from"]) == (str(second.pk), str(place.pk))
    assert call("GET", url, on="2023-06-01").json()[0]["organization_name"] == "合成民政局"
    ended = call("POST", f"/responsibilities/{handed.json()[0]['id']}/end", {"on": "2025-01-01"})
    assert ended.json()["ended_on"] == "2025-01-01"
    assert call("GET", url).json()[0]["organization"] is None
    assert (
        call("POST", f"{url}/NO_SUCH_DUTY/hand-over", {"to": str(first.pk), "on": "2024-01-01"}).status_code
        == 404
    )
    foreign = f"/places/{district['150604'].pk}/duties/{duty['code']}/hand-over"
    assert call("POST", foreign, {"to": str(first.pk), "on": "2024-01-01"}).status_code == 403
