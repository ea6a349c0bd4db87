"""Stations, who answers for them, their people; venues and their hours."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
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
from wushe.community.models import Membership, OpeningHours, Responsibility, Station, Venue
from wushe.community.operations import memberships, organizations, responsibilities, stations, venues
from wushe.community.operations.responsibilities import Subject
from wushe.community.operations.typed import NotInTheFuture, NotStorable
from wushe.community.queries import responsibilities as answering
from wushe.community.queries import stations as station_queries
from wushe.community.queries import venues as venue_queries
from wushe.community.rules import organizations as rules
from wushe.community.rules.organizations import Period, Stretch
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.policy import Refused

pytestmark = pytest.mark.django_db

OWNER, RUNNER = "OWNER", "OPERATOR"


@pytest.fixture
def district() -> District:
    return District()


def actor(role: str, place_path: str | None = None, organization_path: str | None = None) -> Actor:
    return Actor(kind="account", label="t", grants=(Grant(role, place_path, organization_path),))


# --- stations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "code", "fits"),
    [
        ("DISTRICT", "150603", True),
        ("DISTRICT", "1506", True),
        ("STREET", "150603001", True),
        ("COMMUNITY", "150603001001", True),
        ("GRID", "150603001001", True),
        ("STREET", "150603", False),
        ("COMMUNITY", "150603001", False),
        ("DISTRICT", "15", False),
    ],
)
def test_a_tier_serves_its_level(district: District, tier: str, code: str, fits: bool) -> None:
    if fits:
        assert make_station(district[code], tier).tier == tier
    else:
        with pytest.raises(stations.TierDoesNotFit):
            make_station(district[code], tier)
        assert not Station.objects.exists()


def test_opening_a_station_starts_owner_and_operator(district: District) -> None:
    owner = make_organization(district["150603"], "合成社工部", "DEPARTMENT")
    agency = make_organization(district["150603"], "合成社工机构", "SOCIAL_WORK_AGENCY")
    station = make_station(district["150603001"], owner=owner, operator=agency, opened_on=date(2024, 5, 1))
    rows = Responsibility.objects.filter(station=station).order_by("capacity")
    assert [(r.capacity, r.organization_id, r.started_on) for r in rows] == [
        (RUNNER, agency.pk, date(2024, 5, 1)),
        (OWNER, owner.pk, date(2024, 5, 1)),
    ]
    assert answering.answering_now(OPERATOR, [station])[station.pk] == {OWNER: owner, RUNNER: agency}


def test_who_may_open_and_edit(district: District) -> None:
    street = actor(policy.STREET_SUPERVISOR, district["150603001"].path)
    community = actor(policy.COMMUNITY_WORKER, district["150603001"].path)
    station = stations.open_station(by=street, name="合成站", tier="STREET", place=district["150603001"])
    with pytest.raises(Refused):
        stations.open_station(by=street, name="合成站", tier="STREET", place=district["150603002"])
    with pytest.raises(Refused):
        stations.open_station(by=community, name="合成站", tier="COMMUNITY", place=district["150603001001"])
    with pytest.raises(Refused):
        stations.edit_station(by=community, station=station, name="合成新名")
    with pytest.raises(Refused):
        stations.edit_station(by=street, station=station, place=district["150603002"])
    with pytest.raises(Refused):
        stations.close_station(by=community, station=station, on=date(2025, 1, 1))
    agency = make_organization(district["1506"], "合成机构", "SOCIAL_WORK_AGENCY")
    runner = actor(policy.ORGANIZATION_MANAGER, None, agency.path)
    with pytest.raises(Refused):
        stations.edit_station(by=runner, station=station, phone="0477-1")
    responsibilities.hand_over(
        by=OPERATOR, subject=Subject(station=station), capacity=RUNNER, to=agency, on=date(2025, 1, 1)
    )
    assert stations.edit_station(by=runner, station=station, phone="0477-1").phone == "0477-1"


def test_closing_a_station_keeps_its_people_in_their_organization(district: District) -> None:
    agency = make_organization(district["150603"], "合成机构", "SOCIAL_WORK_AGENCY")
    station = make_station(district["150603001"], operator=agency, opened_on=date(2024, 1, 1))
    person = make_plain_person(district["150603001001"])
    make_member(person, agency, "SOCIAL_WORKER", station=station, started_on=date(2024, 2, 1))
    with pytest.raises(NotInTheFuture):
        stations.close_station(by=OPERATOR, station=station, on=timezone.localdate() + timedelta(days=1))
    stations.close_station(by=OPERATOR, station=station, on=date(2025, 3, 1))
    rows = Membership.objects.filter(person=person).order_by("started_on")
    assert [(r.station_id, r.started_on, r.ended_on) for r in rows] == [
        (station.pk, date(2024, 2, 1), date(2025, 3, 1)),
        (None, date(2025, 3, 1), None),
    ]
    assert not Responsibility.objects.filter(station=station, ended_on__isnull=True).exists()
    with pytest.raises(stations.StationClosed):
        stations.edit_station(by=OPERATOR, station=station, name="合成")
    assert stations.reopen_station(by=OPERATOR, station=station).closed_on is None


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "长" * 10_000}, {"yearly_budget_fen": -1}, {"yearly_budget_fen": 10**30}],
)
def test_bad_station_values_are_refused(district: District, changes: dict) -> None:
    station = make_station(district["150603001"])
    with pytest.raises(NotStorable) as refused:
        stations.edit_station(by=OPERATOR, station=station, **changes)
    assert refused.value.field == next(iter(changes))


# --- who answers ------------------------------------------------------------------------------------------------------


def test_hand_over_ends_one_and_starts_another(district: District) -> None:
    first = make_organization(district["150603"], "合成民政局", "DEPARTMENT")
    second = make_organization(district["150603"], "合成社工部", "DEPARTMENT")
    station = make_station(district["150603001"], owner=first, opened_on=date(2022, 1, 1))
    subject = Subject(station=station)
    with pytest.raises(responsibilities.AlreadyResponsible):
        responsibilities.hand_over(
            by=OPERATOR, subject=subject, capacity=OWNER, to=first, on=date(2024, 1, 1)
        )
    with pytest.raises(responsibilities.PeriodsOverlap):
        responsibilities.hand_over(
            by=OPERATOR, subject=subject, capacity=OWNER, to=second, on=date(2021, 1, 1)
        )
    with pytest.raises(NotInTheFuture):
        responsibilities.hand_over(
            by=OPERATOR,
            subject=subject,
            capacity=OWNER,
            to=second,
            on=timezone.localdate() + timedelta(days=1),
        )
    responsibilities.hand_over(by=OPERATOR, subject=subject, capacity=OWNER, to=second, on=date(2024, 6, 1))
    lines = answering.history(OPERATOR, station=station)
    assert [(line.organization, line.started_on, line.ended_on) for line in lines] == [
        (second, date(2024, 6, 1), None),
        (first, date(2022, 1, 1), date(2024, 6, 1)),
    ]


def test_a_gap_must_be_meant_and_is_shown(district: District) -> None:
    body = make_organization(district["150603"], "合成甲部", "DEPARTMENT")
    station = make_station(district["150603001"], owner=body, opened_on=date(2022, 1, 1))
    subject = Subject(station=station)
    row = Responsibility.objects.get(station=station)
    responsibilities.end_responsibility(by=OPERATOR, responsibility=row, on=date(2023, 1, 1))
    assert answering.history(OPERATOR, station=station)[0].organization is None
    with pytest.raises(responsibilities.NobodyInBetween):
        responsibilities.hand_over(by=OPERATOR, subject=subject, capacity=OWNER, to=body, on=date(2023, 6, 1))
    responsibilities.hand_over(
        by=OPERATOR, subject=subject, capacity=OWNER, to=body, on=date(2023, 6, 1), gap_is_meant=True
    )
    lines = answering.history(OPERATOR, station=station)
    assert [(line.organization, line.started_on, line.ended_on) for line in lines] == [
        (body, date(2023, 6, 1), None),
        (None, date(2023, 1, 1), date(2023, 6, 1)),
        (body, date(2022, 1, 1), date(2023, 1, 1)),
    ]


def test_only_the_district_hands_over(district: District) -> None:
    body = make_organization(district["150603"], "合成甲部", "DEPARTMENT")
    station = make_station(district["150603001"])
    subject = Subject(station=station)
    street = actor(policy.STREET_SUPERVISOR, district["150603001"].path)
    other = actor(policy.DISTRICT_ADMIN, district["150604"].path)
    for who in (street, other, Actor.anonymous()):
        with pytest.raises(Refused):
            responsibilities.hand_over(by=who, subject=subject, capacity=OWNER, to=body, on=date(2024, 1, 1))
    own = actor(policy.DISTRICT_ADMIN, district["150603"].path)
    row = responsibilities.hand_over(by=own, subject=subject, capacity=OWNER, to=body, on=date(2024, 1, 1))
    with pytest.raises(Refused):
        responsibilities.end_responsibility(by=other, responsibility=row, on=date(2024, 2, 1))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["hand_over", "past", "end"]),
            st.integers(0, 1),
            st.integers(0, 60),
            st.integers(1, 20),
        ),
        max_size=10,
    )
)
def test_history_never_overlaps(district: District, steps: list[tuple[str, int, int, int]]) -> None:
    bodies = [make_organization(district["150603"], f"合成{n}", "DEPARTMENT") for n in range(2)]
    station = make_station(district["150603001"])
    subject = Subject(station=station)
    for verb, which, day, length in steps:
        on = date(2024, 1, 1) + timedelta(days=day)
        try:
            with transaction.atomic():
                if verb == "hand_over":
                    responsibilities.hand_over(
                        by=OPERATOR,
                        subject=subject,
                        capacity=OWNER,
                        to=bodies[which],
                        on=on,
                        gap_is_meant=True,
                    )
                elif verb == "past":
                    responsibilities.record_past_responsibility(
                        by=OPERATOR,
                        subject=subject,
                        capacity=OWNER,
                        organization=bodies[which],
                        started_on=on,
                        ended_on=on + timedelta(days=length),
                    )
                else:
                    row = Responsibility.objects.filter(station=station, ended_on__isnull=True).first()
                    if row is not None:
                        responsibilities.end_responsibility(by=OPERATOR, responsibility=row, on=on)
        except (responsibilities.PeriodsOverlap, responsibilities.AlreadyResponsible):
            pass
        spans = [
            Period(*p)
            for p in Responsibility.objects.filter(station=station).values_list("started_on", "ended_on")
        ]
        real = [span for span in spans if not span.is_empty]
        assert not any(a.overlaps(b) for i, a in enumerate(real) for b in real[i + 1 :])
        assert sum(span.ended_on is None for span in spans) <= 1
    Responsibility.objects.all().delete()
    Station.objects.all().delete()


def test_the_database_itself_refuses_two_at_once(district: District) -> None:
    body = make_organization(district["150603"], "合成甲部", "DEPARTMENT")
    station = make_station(district["150603001"], owner=body)
    with pytest.raises(IntegrityError), transaction.atomic():
        Responsibility.objects.create(
            station=station, organization=body, capacity=OWNER, started_on=date(2024, 1, 1)
        )


def test_the_nearest_place_answers_for_a_duty(district: District) -> None:
    from wushe.community.models import Duty

    duty = Duty.objects.create(code="test_duty", name="合成职责", name_en="Synthetic duty")
    city = make_organization(district["1506"], "合成市部", "DEPARTMENT")
    area = make_organization(district["150603"], "合成区部", "DEPARTMENT")
    later = make_organization(district["150603"], "合成新区部", "DEPARTMENT")
    for body, code, on in ((city, "1506", date(2020, 1, 1)), (area, "150603", date(2022, 1, 1))):
        responsibilities.hand_over(
            by=OPERATOR, subject=Subject(duty=duty, place=district[code]), capacity=OWNER, to=body, on=on
        )
    responsibilities.hand_over(
        by=OPERATOR,
        subject=Subject(duty=duty, place=district["150603"]),
        capacity=OWNER,
        to=later,
        on=date(2024, 1, 1),
    )

    def bearer(code: str, on: date | None = None) -> object:
        found = answering.who_answers(Actor.anonymous(), duty, district[code], on=on)
        return found and found.organization

    assert bearer("150603001001") == later
    assert bearer("150603001001", date(2023, 1, 1)) == area
    assert bearer("150603001001", date(2021, 1, 1)) == city
    assert bearer("150604001001") == city
    assert bearer("15") is None


# --- people -----------------------------------------------------------------------------------------------------------


def test_nobody_adds_a_stranger_to_their_own_organization(district: District) -> None:
    own = make_organization(district["150603001"], "合成甲社")
    manager = actor(policy.ORGANIZATION_MANAGER, None, own.path)
    stranger = make_plain_person(district["150604001001"])
    with pytest.raises(Refused):
        memberships.start_membership(by=manager, person=stranger, organization=own, capacity="MEMBER")
    worker = actor(policy.COMMUNITY_WORKER, district["150603001"].path)
    with pytest.raises(Refused):
        memberships.start_membership(by=worker, person=stranger, organization=own, capacity="MEMBER")
    neighbor = make_plain_person(district["150603001001"])
    row = memberships.start_membership(by=worker, person=neighbor, organization=own, capacity="MEMBER")
    with pytest.raises(memberships.AlreadyMember):
        memberships.start_membership(by=worker, person=neighbor, organization=own, capacity="MEMBER")
    with pytest.raises(Refused):
        memberships.end_membership(
            by=actor(policy.COMMUNITY_WORKER, district["150604001"].path), membership=row, on=date(2025, 1, 1)
        )
    memberships.end_membership(by=worker, membership=row, on=timezone.localdate())
    with pytest.raises(memberships.MembershipEnded):
        memberships.end_membership(by=worker, membership=row, on=timezone.localdate())


def test_station_staff_come_from_its_own_bodies(district: District) -> None:
    agency = make_organization(district["150603"], "合成机构", "SOCIAL_WORK_AGENCY")
    station = make_station(district["150603001"])
    person = make_plain_person(district["150603001001"])
    with pytest.raises(memberships.NotTheStationsBody):
        make_member(person, agency, "SOCIAL_WORKER", station=station)
    responsibilities.hand_over(
        by=OPERATOR, subject=Subject(station=station), capacity=RUNNER, to=agency, on=date(2024, 1, 1)
    )
    make_member(person, agency, "SOCIAL_WORKER", station=station)
    assert station_queries.station(OPERATOR, station.pk).staff == 1
    assert [m.person for m in station_queries.staff(OPERATOR, station)] == [person]
    assert list(station_queries.staff(Actor.anonymous(), station)) == []
    organizations.rest_organization(by=OPERATOR, organization=agency)


# --- venues -----------------------------------------------------------------------------------------------------------


def test_hours_are_replaced_as_a_whole_or_not_at_all(district: District) -> None:
    venue = make_venue(district["150603001001"], hours="周一至周五 9:00-12:00、14:00-17:30")
    assert OpeningHours.objects.filter(venue=venue).count() == 10
    for wrong in (
        [Stretch(0, 540, 700), Stretch(0, 600, 720)],
        [Stretch(0, 700, 700)],
        [Stretch(7, 1, 2)],
        [Stretch(0, 600, 1500)],
    ):
        with pytest.raises(venues.HoursOverlap):
            venues.set_opening_hours(by=OPERATOR, venue=venue, hours=wrong)
    with pytest.raises(venues.HoursUnclear) as refused:
        venues.edit_venue(by=OPERATOR, venue=venue, hours="早上有空就开", name="合成改名")
    assert refused.value.field == "hours"
    venue.refresh_from_db()
    assert venue.name == "合成活动室"
    week = venue_queries.opening_hours(OPERATOR, [venue])[venue.pk]
    assert rules.format_hours(week) == "周一至周五 09:00-12:00、14:00-17:30"
    assert [s.opens for s in venue_queries.on_day(week, date(2026, 11, 23))] == [540, 840]
    assert venue_queries.on_day(week, date(2026, 11, 22)) == ()
    venues.set_opening_hours(by=OPERATOR, venue=venue, hours="")
    assert not OpeningHours.objects.filter(venue=venue).exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"latitude": 39.6}, "latitude"),
        ({"latitude": 91, "longitude": 10}, "latitude"),
        ({"latitude": "北", "longitude": 10}, "latitude"),
        ({"capacity": -1}, "capacity"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_venue_values_are_refused(district: District, changes: dict, field: str) -> None:
    with pytest.raises(NotStorable) as refused:
        venues.add_venue(by=OPERATOR, **{"name": "合成场地", "place": district["150603001001"], **changes})
    assert refused.value.field == field
    assert not Venue.objects.exists()


def test_an_organization_offers_venues_in_its_county_only(district: District) -> None:
    own = make_organization(district["150603001"], "合成公司", "FIRM")
    manager = actor(policy.ORGANIZATION_MANAGER, None, own.path)
    venue = venues.add_venue(by=manager, name="合成会议室", place=district["150603002001"], organization=own)
    with pytest.raises(venues.VenueElsewhere):
        venues.add_venue(by=manager, name="合成会议室", place=district["150604001001"], organization=own)
    with pytest.raises(venues.VenueElsewhere):
        venues.edit_venue(by=manager, venue=venue, place=district["150604001001"])
    with pytest.raises(Refused):
        venues.add_venue(by=manager, name="合成会议室", place=district["150603001001"])


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_gaps_are_those_the_actor_can_mend(district: District) -> None:
    make_station(district["150603001"])
    make_station(district["150604001"])
    make_venue(district["150603001001"])
    admin = actor(policy.DISTRICT_ADMIN, district["150603"].path)
    found = station_queries.gaps(admin)
    assert [p.name for p in found.streets_without_station] == ["西街街道", "北河镇"]
    assert [s.place for s in found.stations_without_staff] == [district["150603001"]]
    assert [s.place for s in found.stations_without_owner] == [district["150603001"]]
    assert [p.name for p in found.communities_without_venue] == ["杏林社区", "石桥社区", "柳溪村"]
    assert found.total == 2 + 1 + 1 + 3
    assert station_queries.gaps(Actor.anonymous()).total == 0
    assert station_queries.gaps(actor(policy.DISTRICT_VIEWER, district["150603"].path)).total == 0
