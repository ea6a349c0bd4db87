"""The five societies of a place: counted against a naive recount, inside the subtree only, small numbers kept back."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from wushe.community.models import (
    HeldQualification,
    Membership,
    Organization,
    Person,
    Place,
    PlaceTally,
    RuleValue,
    Skill,
    Station,
    Venue,
)
from wushe.community.operations import organizations, tallies, vocabularies
from wushe.community.queries import societies
from wushe.community.queries import tallies as counting
from wushe.community.queries.parameters import rule_values
from wushe.community.rules import places as levels
from wushe.community.rules import societies as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.ids import new_id

pytestmark = pytest.mark.django_db
ANYBODY = Actor.anonymous()


@pytest.fixture
def district() -> District:
    return District()


def scatter(district: District, seed: int, size: int) -> None:
    """Strew organizations, people, stations and venues over the district, some of each kind closed, ended or gone."""
    rng = random.Random(seed)
    places = list(Place.objects.all())
    skill = Skill.objects.get_or_create(
        code="social_worker", defaults={"name": "合成", "name_en": "Synthetic"}
    )[0]
    bodies: list[Organization] = []
    stations: list[Station] = []
    for n in range(size):
        key = new_id()
        bodies.append(
            Organization.objects.create(
                id=key,
                name=f"合成{n}",
                name_key=f"合成{n}",
                kind=rng.choice(Organization.Kind.values),
                registration=rng.choice(Organization.Registration.values),
                place=rng.choice(places),
                path=f"/{key.hex[-10:]}/",
                **rng.choice(
                    [{}, {}, {"status": "DORMANT"}, {"status": "CLOSED", "closed_on": date(2024, 1, 1)}]
                ),
            )
        )
        if rng.random() < 0.5:
            stations.append(
                Station.objects.create(
                    name=f"合成站{n}",
                    place=rng.choice(places),
                    tier=rng.choice(Station.Tier.values),
                    closed_on=rng.choice([None, None, date(2024, 1, 1)]),
                )
            )
        if rng.random() < 0.5:
            Venue.objects.create(name=f"合成场{n}", place=rng.choice(places), is_open=rng.random() < 0.8)
        person = Person.objects.create(
            name=f"合成人{n}",
            name_key=f"合成人{n}",
            place=rng.choice(places),
            volunteer_number=rng.choice([None, f"V{seed}-{n}"]),
            status=rng.choice(["ACTIVE", "ACTIVE", "ERASED"]),
        )
        if rng.random() < 0.4:
            HeldQualification.objects.create(
                person=person, skill=skill, valid_until=rng.choice([None, date(2020, 1, 1), date(2999, 1, 1)])
            )
        for capacity in rng.sample(Membership.Capacity.values, rng.randint(0, 3)):
            Membership.objects.create(
                person=person,
                organization=rng.choice(bodies),
                capacity=capacity,
                station=rng.choice([None, *stations]),
                ended_on=rng.choice([None, None, date(2024, 1, 1)]),
            )


def naive(path: str) -> rules.Tally:
    """The same numbers by walking over every row in Python."""
    numbers: dict[str, int] = {}

    def add(name: str, by: int = 1) -> None:
        numbers[name] = numbers.get(name, 0) + by

    for body in Organization.objects.select_related("place"):
        if body.status == "CLOSED" or not body.place.path.startswith(path):
            continue
        name = rules.field_of_organization(body.kind, body.registration)
        if name:
            add(name)
        if body.status == "DORMANT" and rules.SOCIETY_OF_KIND[body.kind] == rules.ORGANIZATIONS:
            add("dormant_organizations")
    served: set = set()
    for station in Station.objects.select_related("place"):
        if station.closed_on or not station.place.path.startswith(path):
            continue
        add(f"stations_{station.tier.lower()}")
        if not any(m.person.status == "ACTIVE" for m in station.memberships.filter(ended_on=None)):
            add("stations_without_staff")
        if station.tier == "STREET" and station.place.level == levels.STREET and station.place.is_open:
            served.add(station.place_id)
    add("streets_with_station", len(served))
    offering: set = set()
    for venue in Venue.objects.select_related("place"):
        if venue.is_open and venue.place.path.startswith(path):
            add("venues")
            if venue.place.level == levels.COMMUNITY and venue.place.is_open:
                offering.add(venue.place_id)
    add("communities_with_venue", len(offering))
    for place in Place.objects.filter(valid_until=None):
        if place.path.startswith(path):
            if place.level == levels.STREET:
                add("streets")
            if place.level == levels.COMMUNITY:
                add(
                    {"URBAN": "urban_communities", "RURAL": "rural_communities"}.get(
                        place.kind, "other_communities"
                    )
                )
    for person in Person.objects.filter(status="ACTIVE").select_related("place"):
        if person.volunteer_number and person.place.path.startswith(path):
            add("volunteers")
        works: set[str] = set()
        for row in person.memberships.filter(ended_on=None):
            where = row.station.place.path if row.station else row.organization.place.path
            if where.startswith(path):
                works.add(row.capacity)
        if "COMMUNITY_WORKER" in works:
            add("community_workers")
        if works & rules.SOCIAL_WORKER:
            add("social_workers")
            today = timezone.localdate()
            if any(q.valid_until is None or q.valid_until >= today for q in person.qualifications.all()):
                add("certified_social_workers")
    return rules.Tally(**numbers)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), size=st.integers(0, 40))
def test_every_number_equals_a_naive_recount(district: District, seed: int, size: int) -> None:
    scatter(district, seed, size)
    for path in ("/", *Place.objects.values_list("path", flat=True)):
        counted = counting.count(path)
        assert counted.whole == naive(path), path
        for child, tally in counted.children.items():
            if child != path:
                assert tally == naive(child), (path, child)
    # What is kept for cities, provinces and the nation adds up to the same.
    tallies.recount_places(by=OPERATOR)
    for path in ("/", "/15/", "/15/1506/"):
        kept = counting.tallies_by_child(ANYBODY, path)
        assert kept.counted_at is not None
        assert kept.whole == naive(path), path
        assert {c: t for c, t in kept.children.items() if t != rules.Tally()} == {
            c: t for c, t in counting.count(path).children.items() if t != rules.Tally()
        }
    assert tallies.differing_paths(by=OPERATOR) == []
    for model in (Membership, HeldQualification, Person, Station, Venue, Organization, PlaceTally):
        model.objects.all().delete()


def test_counting_stays_inside_the_subtree(district: District) -> None:
    make_organization(district["150603001001"], "合成里")
    make_organization(district["150604001001"], "合成外")
    assert societies.place_overview(ANYBODY, district["150603"]).tally.organizations == 1
    assert societies.place_overview(ANYBODY, district["150604"]).tally.organizations == 1
    assert societies.place_overview(ANYBODY, district["150603002"]).tally.organizations == 0
    assert societies.place_overview(ANYBODY, district["1506"]).tally.organizations == 2
    assert societies.place_overview(ANYBODY, None).tally.organizations == 2


def test_small_numbers_of_people_are_kept_from_the_public_only(district: District) -> None:
    vocabularies.seed_vocabularies(by=OPERATOR)
    for n in range(3):
        make_plain_person(district["150603001001"], f"合成{n}", number=f"V{n}")
    for n in range(3):
        make_plain_person(district["150603001002"], f"合成另{n}", number=f"W{n}")
    street = district["150603001"]
    page = societies.place_overview(ANYBODY, street)
    volunteers = next(s for s in page.societies if s.society == rules.VOLUNTEERS)
    assert str(volunteers.figure) == "6"
    assert [str(row.counts[rules.VOLUNTEERS]) for row in page.children] == ["<5", "<5"]
    assert str(societies.place_overview(ANYBODY, district["150603001001"]).societies[3].figure) == "<5"
    worker = Actor(kind="account", grants=(Grant(policy.COMMUNITY_WORKER, street.path),))
    assert [
        str(row.counts[rules.VOLUNTEERS]) for row in societies.place_overview(worker, street).children
    ] == ["3", "3"]
    elsewhere = Actor(kind="account", grants=(Grant(policy.COMMUNITY_WORKER, district["150604"].path),))
    assert [
        str(row.counts[rules.VOLUNTEERS]) for row in societies.place_overview(elsewhere, street).children
    ] == ["<5"] * 2
    # The threshold is a dated row: a new one holds from its day on, in its area.
    RuleValue.objects.create(
        code="PUBLIC_SMALL_CELL", region="150603", value=2, valid_from=date(2024, 1, 1), source="合成依据"
    )
    assert [
        str(row.counts[rules.VOLUNTEERS]) for row in societies.place_overview(ANYBODY, street).children
    ] == ["3", "3"]


def test_station_staff_of_few_people_is_kept_back_likewise(district: District) -> None:
    vocabularies.seed_vocabularies(by=OPERATOR)
    agency = make_organization(district["150603"], "合成机构", "SOCIAL_WORK_AGENCY")
    station = make_station(district["150603001"], operator=agency)
    make_member(make_plain_person(district["150603001001"]), agency, "SOCIAL_WORKER", station=station)
    line = societies.place_overview(ANYBODY, district["150603001"]).stations[0].row
    assert (str(line.staff), line.operator) == ("<5", "合成机构")
    assert str(societies.place_overview(OPERATOR, district["150603001"]).stations[0].row.staff) == "1"


def test_what_is_not_public_is_not_named_on_a_public_page(district: District) -> None:
    hidden = make_organization(
        district["150603001"], "合成保密机构", "SOCIAL_WORK_AGENCY", is_public=False, office_phone="0477-000"
    )
    make_station(district["150603001"], name="合成保密站", is_public=False)
    make_station(district["150603001"], name="合成公开站", operator=hidden)
    make_venue(district["150603001001"], "合成保密场地", is_public=False)
    make_organization(district["150603001"], "合成街道办", "STREET_OFFICE", office_phone="0477-111")
    page = societies.place_overview(ANYBODY, district["150603001"])
    assert [branch.row.name for branch in page.stations] == ["合成公开站"]
    assert page.stations[0].row.operator == ""
    assert page.venues == ()
    assert [body.office_phone for body in page.contacts] == ["0477-111"]
    own = Actor(kind="account", grants=(Grant(policy.STREET_SUPERVISOR, district["150603001"].path),))
    page = societies.place_overview(own, district["150603001"])
    assert {branch.row.name for branch in page.stations} == {"合成公开站", "合成保密站"}
    assert {branch.row.operator for branch in page.stations} == {"合成保密机构", ""}
    assert len(page.venues) == 1


def test_queries_do_not_grow_with_rows(district: District, query_counter: QueryCounter) -> None:
    with query_counter.count() as before:
        societies.place_overview(ANYBODY, district["150603"])
    scatter(district, 7, 60)
    with query_counter.count() as after:
        societies.place_overview(ANYBODY, district["150603"])
    assert after.count <= before.count + 1  # the opening hours of venues, once there are any
    assert after.count <= 9


def test_stations_form_a_tree_over_four_levels(district: District) -> None:
    for code, tier in (
        ("150603", "DISTRICT"),
        ("150603001", "STREET"),
        ("150603001001", "COMMUNITY"),
        ("150603002001", "COMMUNITY"),
    ):
        make_station(district[code], tier, f"合成{code}")
    make_station(district.grid, "GRID", "合成网格点")
    tree = societies.place_overview(ANYBODY, district["150603"]).stations

    def names(branches: tuple) -> list:
        return [(b.row.name, names(b.below)) for b in branches]

    assert names(tree) == [
        (
            "合成150603",
            [("合成150603001", [("合成150603001001", [("合成网格点", [])])]), ("合成150603002001", [])],
        )
    ]
    assert [
        p.name for p in societies.place_overview(ANYBODY, district["150603"]).streets_without_station
    ] == [
        "西街街道",
        "北河镇",
    ]


def test_missing_societies_are_next_steps(district: District) -> None:
    vocabularies.seed_vocabularies(by=OPERATOR)
    steps = {s.code: s for s in societies.place_overview(ANYBODY, district["150603"]).next_steps}
    assert steps["STREETS_WITHOUT_STATION"].missing == 3
    assert steps["COMMUNITIES_WITHOUT_VENUE"] == rules.NextStep("COMMUNITIES_WITHOUT_VENUE", 4, 4)
    assert {"NO_SOCIAL_WORKERS", "NO_ORGANIZATIONS", "NO_VOLUNTEERS", "NO_RESOURCES"} <= steps.keys()
    make_organization(district["150603001001"])
    steps = {s.code: s for s in societies.place_overview(ANYBODY, district["150603"]).next_steps}
    assert "NO_ORGANIZATIONS" not in steps
    assert steps["BELOW_GOAL"] == rules.NextStep(
        "BELOW_GOAL", 34, 35
    )  # three urban and one rural community: 3 × 10 + 5


def test_joint_action_is_an_honest_zero_beside_registration(district: District) -> None:
    body = make_organization(district["150603001001"])
    share = societies.place_overview(ANYBODY, district["150603"]).joint_action
    assert share == societies.Share(0, 1, "NO_RECORDS")
    share = societies.place_overview(ANYBODY, district["150603"], joint=[body.pk]).joint_action
    assert share == societies.Share(1, 1, "")


def test_tallies_are_renewed_when_something_changed(district: District) -> None:
    assert tallies.recount_if_changed(by=OPERATOR) is True
    counted = PlaceTally.objects.get(path="/").counted_at
    PlaceTally.objects.update(counted_at=counted + timedelta(minutes=5))
    assert tallies.recount_if_changed(by=OPERATOR) is False
    make_organization(district["150603001001"])
    assert counting.tallies_by_child(ANYBODY, "/").whole.organizations == 0
    PlaceTally.objects.update(counted_at=counted)
    assert tallies.differing_paths(by=OPERATOR) == ["/15/1506/150603/"]
    assert tallies.recount_if_changed(by=OPERATOR) is True
    assert counting.tallies_by_child(ANYBODY, "/").whole.organizations == 1
    assert tallies.recount_if_changed(by=OPERATOR, at=timezone.now() + timedelta(hours=7)) is True
    with pytest.raises(policy.Refused):
        tallies.recount_places(by=ANYBODY)


def test_rule_values_hold_from_their_day_in_their_area(district: District) -> None:
    assert vocabularies.seed_vocabularies(by=OPERATOR) > 80
    assert vocabularies.seed_vocabularies(by=OPERATOR) == 0
    for region, day, value in (("", date(2025, 1, 1), 12), ("1506", date(2024, 1, 1), 8)):
        RuleValue.objects.create(
            code="CSO_GOAL_URBAN", region=region, value=value, valid_from=day, source="合成依据"
        )

    def value(path: str, on: date) -> Decimal | None:
        found = rule_values(ANYBODY, ["CSO_GOAL_URBAN"], place_path=path, on=on).get("CSO_GOAL_URBAN")
        return found.value if found else None

    assert value("/", date(2016, 1, 1)) is None
    assert value("/", date(2020, 1, 1)) == 10
    assert value("/", date(2026, 1, 1)) == 12
    assert value(district["150603001"].path, date(2023, 1, 1)) == 10
    assert value(district["150603001"].path, date(2026, 1, 1)) == 8
    assert value("/44/", date(2026, 1, 1)) == 12


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from("ab"), max_size=4)), max_size=12))
def test_the_tree_keeps_every_row_under_one_that_holds_it(rows: list[tuple[int, list[str]]]) -> None:
    given_rows = [(rank, "/" + "".join(f"{x}/" for x in labels), n) for n, (rank, labels) in enumerate(rows)]
    seen: list[int] = []

    def walk(branches: tuple, above: int | None, depth: int) -> None:
        for branch in branches:
            number = branch.row
            seen.append(number)
            assert branch.depth == depth
            if above is not None:
                assert given_rows[above][0] < given_rows[number][0]
                assert given_rows[number][1].startswith(given_rows[above][1])
            walk(branch.below, number, depth + 1)

    walk(rules.branches(given_rows), None, 0)
    assert sorted(seen) == list(range(len(rows)))


@given(st.integers(0, 20), st.none() | st.integers(1, 10))
def test_only_what_lies_between_zero_and_the_threshold_is_kept_back(count: int, smallest: int | None) -> None:
    figure = rules.shown(count, smallest)
    if smallest is not None and 0 < count < smallest:
        assert figure.value is None
        assert str(figure) == f"<{smallest}"
    else:
        assert figure.value == count


def test_tree_distance() -> None:
    assert rules.tree_distance("/15/1506/", "/15/1506/") == 0
    assert rules.tree_distance("/15/1506/150603/", "/15/1506/150604/150604001/") == 3
    assert rules.tree_distance("/", "/15/") == 1


def test_every_kind_of_organization_is_placed() -> None:
    assert set(rules.SOCIETY_OF_KIND) == set(Organization.Kind.values)
    for kind, society in rules.SOCIETY_OF_KIND.items():
        assert (rules.field_of_organization(kind, "NONE") is None) == (society is None)


def test_dormant_ones_are_still_there(district: District) -> None:
    body = make_organization(district["150603001001"])
    organizations.rest_organization(by=OPERATOR, organization=body)
    tally = societies.place_overview(ANYBODY, district["150603"]).tally
    assert (tally.organizations, tally.dormant_organizations) == (1, 1)


def test_the_command_compares_and_renews_summaries(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wushe.cli import summaries

    monkeypatch.setattr(summaries, "start", lambda: None)
    runner = CliRunner()
    assert runner.invoke(summaries.summaries, ["rebuild"]).exit_code == 0
    assert runner.invoke(summaries.summaries, ["check"]).exit_code == 0
    make_organization(district["150603001001"])
    differing = runner.invoke(summaries.summaries, ["check"])
    assert differing.exit_code == 1
    assert "/15/1506/150603/" in differing.output
    assert runner.invoke(summaries.summaries, ["rebuild"]).exit_code == 0
    assert runner.invoke(summaries.summaries, ["check"]).exit_code == 0
