"""Write the demo stories into an empty database, through the rooms' own operations: what the demo shows, the rules allow.

Everything is drawn from one seed, so two runs of one size make the same country; ids and passwords' salts differ.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy

from wushe.community.exchange import divisions
from wushe.community.models import Duty, Organization, Person, Place, Skill, Station, Venue
from wushe.community.operations import (
    accounts,
    grants,
    log_in,
    organizations,
    people,
    places,
    responsibilities,
    stations,
    tallies,
    venues,
)
from wushe.community.rules.people import NewPerson
from wushe.demo import districts, names
from wushe.demo.districts import District
from wushe.kernel import installation, policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.problems import Problem

Progress = Callable[[str], None]

PASSWORD = "wushe-demo-1"
MARK = "（演示）"
REORGANIZED_ON = date(2023, 9, 1)
_BATCH = 5_000


class DatabaseNotEmpty(Problem):
    """Demo data goes into an empty database only, so that it never mixes with real records."""

    code = "demo.not_empty"


@dataclass
class Made:
    """What one district's story has made so far."""

    district: District
    root: Place
    streets: list[Place]
    communities: list[Place]
    by_street: dict[UUID, list[Place]]
    department: Organization | None = None
    civil_affairs: Organization | None = None
    agency: Organization | None = None
    offices: dict[UUID, Organization] = field(default_factory=dict)
    committees: dict[UUID, Organization] = field(default_factory=dict)
    groups: list[Organization] = field(default_factory=list)
    teams: list[Organization] = field(default_factory=list)
    stations: list[Station] = field(default_factory=list)


def build(*, size: str, seed: int, progress: Progress = lambda line: None) -> dict[str, Any]:
    """Make the demo country of `size` ("small", "district", "city") and return its log-ins, places and ids.

    Raises `DatabaseNotEmpty`.
    """
    if Person.objects.exists() or Organization.objects.exists():
        raise DatabaseNotEmpty(
            gettext_lazy(
                "数据库里已经有数据。演示数据只能放进空的数据库：请把 WUSHE_DATA 指向一个新的文件夹再试。"
            )
        )
    by = Actor.operator("demo")
    chosen = districts.SIZES[size]
    progress("divisions")
    divisions.load(by=by, codes=[district.code for district in chosen])
    installation.note_demo(seed, size)
    stories = []
    for number, district in enumerate(chosen):
        chance = random.Random(
            f"{seed}:{number}:{district.code}"
        )  # repeatable, and nothing secret hangs on it
        story = _survey(district)
        progress(story.root.name)
        _bodies(by, story, chance)
        _places_of_work(by, story, chance)
        _staff_and_volunteers(by, story, chance)
        stories.append(story)
    progress("log-ins")
    result = _result(by, stories, size, seed)
    tallies.recount_places(by=by)
    return result


def _survey(district: District) -> Made:
    root = Place.objects.get(code=district.code)
    below = list(Place.objects.filter(path__prefix=root.path, valid_until__isnull=True).order_by("path"))
    streets = [place for place in below if place.level == Place.Level.STREET]
    communities = [place for place in below if place.level == Place.Level.COMMUNITY]
    by_street: dict[UUID, list[Place]] = {street.id: [] for street in streets}
    for community in communities:
        if community.parent_id in by_street:
            by_street[community.parent_id].append(community)
    return Made(district, root, streets, communities, by_street)


def _short(place: Place) -> str:
    name = place.name
    for ending in (
        "社区居民委员会",
        "社区居委会",
        "居民委员会",
        "居委会",
        "村民委员会",
        "村委会",
        "村村民委员会",
    ):
        if name.endswith(ending) and len(name) > len(ending):
            return name.removesuffix(ending)
    return name


# --- organizations ----------------------------------------------------------------------------------------------------


def _bodies(by: Actor, story: Made, chance: random.Random) -> None:
    Kind, Registration = Organization.Kind, Organization.Registration
    New = organizations.NewOrganization
    root, district = story.root, story.district
    top = organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=f"中共{root.name}委社会工作部{MARK}",
                kind=Kind.PARTY_BODY,
                place=root,
                office_phone="12345",
            ),
            New(name=f"{root.name}民政局{MARK}", kind=Kind.DEPARTMENT, place=root, office_phone="12345"),
            New(
                name=f"{district.agency}{MARK}",
                kind=Kind.SOCIAL_WORK_AGENCY,
                place=root,
                registration=Registration.REGISTERED,
                purpose="承接街道社工站与社区服务项目，提供个案、小组与社区服务。",
                contact_name=names.person_name(chance),
                contact_phone=names.phone(chance),
                founded_on=date(2010 + chance.randrange(8), 1 + chance.randrange(12), 1),
            ),
            New(
                name=f"{root.name}社会工作行业协会{MARK}",
                kind=Kind.TRADE_ASSOCIATION,
                place=root,
                registration=Registration.REGISTERED,
            ),
            New(
                name=f"{root.name}慈善会{MARK}",
                kind=Kind.CHARITY,
                place=root,
                registration=Registration.REGISTERED,
            ),
            New(
                name=f"{root.name}志愿者联合会{MARK}",
                kind=Kind.VOLUNTEER_ORGANIZATION,
                place=root,
                registration=Registration.REGISTERED,
            ),
            *(
                [
                    New(
                        name=f"{district.university}{MARK}",
                        kind=Kind.UNIVERSITY,
                        place=root,
                        registration=Registration.REGISTERED,
                    )
                ]
                if district.university
                else []
            ),
        ],
    )
    story.department, story.civil_affairs, story.agency = top[0], top[1], top[2]
    federation = top[5]
    offices = organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=f"{street.name}办事处{MARK}"
                if "街道" in street.name
                else f"{street.name}人民政府{MARK}",
                kind=Kind.STREET_OFFICE,
                place=street,
                office_phone="12345",
            )
            for street in story.streets
        ],
    )
    story.offices = {office.place_id: office for office in offices}
    committees = organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=f"{_short(community)}{'村民委员会' if community.kind == Place.Kind.RURAL else '社区居民委员会'}{MARK}",
                kind=Kind.VILLAGERS_COMMITTEE
                if community.kind == Place.Kind.RURAL
                else Kind.RESIDENTS_COMMITTEE,
                place=community,
                parent=story.offices.get(community.parent_id) if community.parent_id else None,
            )
            for community in story.communities
        ],
    )
    story.committees = {committee.place_id: committee for committee in committees}
    signature = next((c for c in story.communities if c.code == district.signature_community), None)
    group_homes = [signature] * 12 if signature else []
    group_homes += [
        chance.choice(story.communities) for _ in range(district.community_organizations - len(group_homes))
    ]
    taken: set[str] = set()
    story.groups = organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=_unique(f"{_short(home)}{chance.choice(districts.ORGANIZATION_THEMES)}", taken),
                kind=Kind.COMMUNITY_ORGANIZATION,
                place=home,
                registration=chance.choices(
                    [Registration.FILED, Registration.REGISTERED, Registration.NONE], [70, 12, 18]
                )[0],
                status=chance.choices([Organization.Status.ACTIVE, Organization.Status.DORMANT], [80, 20])[0],
                founded_on=date(
                    2012 + chance.randrange(13), 1 + chance.randrange(12), 1 + chance.randrange(28)
                ),
            )
            for home in group_homes
        ],
    )
    story.teams = organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=_unique(f"{_short(home)}{chance.choice(districts.TEAM_THEMES)}志愿服务队", taken),
                kind=Kind.VOLUNTEER_TEAM,
                place=home,
                parent=federation,
                founded_on=date(
                    2015 + chance.randrange(10), 1 + chance.randrange(12), 1 + chance.randrange(28)
                ),
            )
            for home in (chance.choice(story.communities) for _ in range(district.teams))
        ],
    )
    organizations.register_organizations(
        by=by,
        organizations=[
            New(
                name=_unique(f"{_short(home)}{chance.choice(districts.FIRM_THEMES)}", taken),
                kind=Kind.FIRM,
                place=home,
                registration=Registration.REGISTERED,
                purpose="愿意提供场地、物资或员工志愿时间。",
            )
            for home in (chance.choice(story.communities) for _ in range(district.firms))
        ],
    )


def _unique(name: str, taken: set[str]) -> str:
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}{number}号"
    taken.add(chosen)
    return chosen + MARK


# --- stations, venues, who answers for what ---------------------------------------------------------------------------


def _near(chance: random.Random, story: Made) -> dict[str, Any]:
    # Scattered around an invented middle: demo coordinates place nothing real.
    return {
        "latitude": round(story.district.latitude + chance.gauss(0, 0.03), 4),
        "longitude": round(story.district.longitude + chance.gauss(0, 0.04), 4),
    }


def _places_of_work(by: Actor, story: Made, chance: random.Random) -> None:
    homes = [c for c in story.communities if chance.random() < min(1.0, 300 / len(story.communities)) * 0.8]
    taken: set[str] = set()
    rooms = venues.add_venues(
        by=by,
        venues=[
            venues.NewVenue(
                name=_unique(f"{_short(home)}{chance.choice(districts.VENUE_THEMES)}", taken),
                place=home,
                organization=story.committees[home.id],
                address=f"{_short(home)}服务中心{1 + chance.randrange(4)}楼",
                capacity=chance.choice([12, 20, 30, 40, 60, 80, 120]),
                is_step_free=chance.random() < 0.6,
                hours=chance.choice(districts.HOURS),
                **_near(chance, story),
            )
            for home in homes
        ],
    )
    _stations(by, story, chance, rooms)
    _points(by, story, chance)
    duties = {duty.code: duty for duty in Duty.objects.all()}
    assert story.civil_affairs
    assert story.department
    for code in ("social_work_stations", "volunteer_service"):
        subject = responsibilities.Subject(duty=duties[code], place=story.root)
        responsibilities.hand_over(
            by=by, subject=subject, capacity="OWNER", to=story.civil_affairs, on=date(2019, 1, 1)
        )
        # The reorganization of 2023 moved these duties; the stations themselves have not all followed.
        responsibilities.hand_over(
            by=by, subject=subject, capacity="OWNER", to=story.department, on=REORGANIZED_ON
        )
    for code in ("organization_registration", "charity", "elderly_care"):
        responsibilities.hand_over(
            by=by,
            subject=responsibilities.Subject(duty=duties[code], place=story.root),
            capacity="OWNER",
            to=story.civil_affairs,
            on=date(2019, 1, 1),
        )


def _stations(by: Actor, story: Made, chance: random.Random, rooms: list[Venue]) -> None:
    New, Tier = stations.NewStation, Station.Tier
    room_at = {room.place_id: room for room in rooms}
    assert story.agency is not None
    assert story.civil_affairs is not None
    with_station = [
        s for s in story.streets if chance.random() < story.district.stations_share
    ] or story.streets[:1]
    opening = date(2021, 7, 1)
    wanted = [
        New(
            name=f"{_short(story.root)}社会工作总站{MARK}",
            tier=Tier.DISTRICT,
            place=story.root,
            opened_on=date(2020, 6, 1),
            owner=story.civil_affairs,
            operator=story.agency,
            yearly_budget_fen=68_000_000,
        )
        for _ in [0]
        if story.root.level == Place.Level.COUNTY
    ]
    wanted += [
        New(
            name=f"{street.name}社会工作站{MARK}",
            tier=Tier.STREET,
            place=street,
            venue=next((room_at[c.id] for c in story.by_street[street.id] if c.id in room_at), None),
            opened_on=opening + timedelta(days=chance.randrange(500)),
            owner=story.civil_affairs,
            operator=story.agency if chance.random() < 0.8 else story.offices[street.id],
            yearly_budget_fen=chance.choice([12_000_000, 14_600_000, 18_000_000, 25_000_000]),
        )
        for street in with_station
    ]
    centers = story.district.service_centers or len(story.communities) // 6
    served = chance.sample(story.communities, min(centers, len(story.communities), 120))
    wanted += [
        New(
            name=f"{_short(home)}{'党群服务中心社工室' if story.district.service_centers else '社工室'}{MARK}",
            tier=Tier.COMMUNITY,
            place=home,
            venue=room_at.get(home.id),
            opened_on=opening + timedelta(days=chance.randrange(900)),
            operator=story.agency,
        )
        for home in served
    ]
    story.stations = stations.open_stations(by=by, stations=wanted)
    assert story.department is not None
    for station in story.stations:
        if station.tier == Tier.DISTRICT or (station.tier == Tier.STREET and chance.random() < 0.5):
            responsibilities.hand_over(
                by=by,
                subject=responsibilities.Subject(station=station),
                capacity="OWNER",
                to=story.department,
                on=REORGANIZED_ON + timedelta(days=30 * chance.randrange(6)),
            )


def _points(by: Actor, story: Made, chance: random.Random) -> None:
    for street in story.streets[:40]:
        places.set_place_point(by=by, place_id=street.id, **_near(chance, story))
    home = next(
        (c for c in story.communities if c.code == story.district.signature_community), story.communities[0]
    )
    for number in range(1, 5):
        grid = places.create_place(
            by=by, parent_id=home.id, level=Place.Level.GRID, name=f"第{names.NUMERALS[number - 1]}网格"
        )
        for building in range(1, 4):
            places.create_place(
                by=by, parent_id=grid.id, level=Place.Level.BUILDING, name=f"{number * 10 + building}栋"
            )


# --- people -----------------------------------------------------------------------------------------------------------


def _staff_and_volunteers(by: Actor, story: Made, chance: random.Random) -> None:
    rows = _people(story, chance)
    while batch := list(islice(rows, _BATCH)):
        people.create_people_bulk(by=by, rows=batch)
    _station_staff(by, story, chance)
    _to_look_at(by, story, chance)


def _someone(chance: random.Random, home: Place, **more: Any) -> NewPerson:
    age = chance.choices([17, 24, 35, 48, 62, 71, 80], [2, 18, 24, 20, 20, 12, 4])[0] + chance.randrange(
        -1, 6
    )
    return NewPerson(
        name=names.person_name(chance),
        place_id=home.id,
        sex=chance.choice(["FEMALE", "MALE"]),
        birth_on=date(2025 - age, 1 + chance.randrange(12), 1 + chance.randrange(28)),
        **more,
    )


def _people(story: Made, chance: random.Random) -> Iterator[NewPerson]:
    assert story.department is not None
    staffed = story.communities if len(story.communities) < 400 else chance.sample(story.communities, 400)
    for home in staffed:
        committee = story.committees[home.id]
        for number in range(3 if len(staffed) < 100 else 1):
            yield _someone(
                chance,
                home,
                phones=(names.phone(chance),),
                organization_id=committee.id,
                capacity="LEADER" if number == 0 else "COMMUNITY_WORKER",
                title="主任" if number == 0 else "",
            )
    for team in story.teams:
        home = team.place
        for number in range(max(1, story.district.volunteers // len(story.teams))):
            yield _someone(
                chance,
                home if chance.random() < 0.7 else chance.choice(story.communities),
                phones=(names.phone(chance),),
                organization_id=team.id,
                capacity="LEADER" if number == 0 else "VOLUNTEER",
                is_volunteer=True,
            )
    for _ in range(story.district.residents):
        phone = (names.phone(chance),) if chance.random() < 0.6 else ()
        yield _someone(chance, chance.choice(story.communities), phones=phone)


def _to_look_at(by: Actor, story: Made, chance: random.Random) -> None:
    """Two records of one person, a child with a guardian, consents: what the desk's work list and a person's page are about."""
    home = story.communities[0]
    for _pair in range(2):
        one = _someone(chance, home, phones=(names.phone(chance),))
        twin = replace(one, sex="UNKNOWN", place_id=story.by_street[story.streets[0].id][-1].id)
        people.create_people_bulk(by=by, rows=[one, twin])
    guardian = replace(
        _someone(chance, home, id=new_id(), phones=(names.phone(chance),)), birth_on=date(1986, 3, 8)
    )
    people.create_people_bulk(by=by, rows=[guardian])
    child = replace(_someone(chance, home), birth_on=date(2016, 6, 1), guardian_id=guardian.id)
    people.create_people_bulk(by=by, rows=[replace(child, guardian_relation="父母", consent_means="PAPER")])
    assert guardian.id is not None
    for purpose in ("CONTACT", "SERVICE"):
        people.give_consent(by=by, person_id=guardian.id, purpose=purpose, means="SPOKEN")


def _station_staff(by: Actor, story: Made, chance: random.Random) -> None:
    from wushe.community.operations import memberships

    assert story.agency is not None
    rows, seats = [], []
    for station in story.stations:
        # Some stations stand empty: the place page must have a gap to show.
        staff = (
            0
            if chance.random() < 0.08
            else {"DISTRICT": 6, "STREET": 2 + (chance.random() < 0.4), "COMMUNITY": 1}[station.tier]
        )
        for _ in range(staff):
            person_id = new_id()
            rows.append(_someone(chance, station.place, id=person_id, phones=(names.phone(chance),)))
            seats.append((person_id, station))
    people.create_people_bulk(by=by, rows=rows)
    found = Person.objects.in_bulk([person_id for person_id, _ in seats])
    certified = {skill.code: skill.id for skill in Skill.objects.all()}
    for number, (person_id, _station) in enumerate(seats):
        if number % 5 < 3:
            people.add_qualification(
                by=by,
                person_id=person_id,
                skill_id=certified["social_worker_assistant" if number % 5 else "social_worker"],
                issuer="全国社会工作者职业水平考试" + MARK,
                issued_on=date(2016 + number % 9, 10, 1),
            )
    answering = {
        station.id: row.organization
        for station in story.stations
        for row in station.responsibilities.select_related("organization").filter(
            capacity="OPERATOR", ended_on=None
        )
    }
    memberships.start_memberships(
        by=by,
        memberships=[
            memberships.NewMembership(
                person=found[person_id],
                organization=answering.get(station.id, story.agency),
                station=station,
                capacity="SUPERVISOR" if station.tier == "DISTRICT" and number % 6 == 0 else "SOCIAL_WORKER",
                started_on=max(station.opened_on or date(2022, 1, 1), date(2022, 1, 1)),
            )
            for number, (person_id, station) in enumerate(seats)
        ],
    )


# --- log-ins ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LogIn:
    role: str
    title: str
    place: Place | None = None
    organization: Organization | None = None
    national: bool = False


def _log_in(by: Actor, new: _LogIn, community: Place, team: Organization) -> dict[str, str]:
    is_volunteer = new.role == "VOLUNTEER"
    body = team if is_volunteer else new.organization
    home = new.place or (body.place if body else community)
    person_id = new_id()
    person = NewPerson(
        id=person_id,
        name=f"演示{new.title}员",
        place_id=home.id,
        birth_on=date(1985, 5, 1),
        organization_id=body.id if body else None,
        capacity="VOLUNTEER" if is_volunteer else "STAFF" if body else "",
        is_volunteer=is_volunteer,
    )
    people.create_people_bulk(by=by, rows=[person])
    account = accounts.create_account(
        by=by, person=Person.objects.get(pk=person_id), first_password=False
    ).account
    token = accounts.invite(by=by, account=account).token
    log_in.accept_invitation(token=token, password=PASSWORD, address=f"demo {account.number}")
    if not is_volunteer:
        grants.give_grant(
            by=by,
            account=account,
            role=new.role,
            place=new.place,
            organization=new.organization,
            national=new.national,
        )
    return {
        "role": new.role,
        "account": account.number,
        "password": PASSWORD,
        "place": home.code or str(home.id),
        "url": "/me/" if is_volunteer else "/desk/",
    }


def _result(by: Actor, stories: list[Made], size: str, seed: int) -> dict[str, Any]:
    first = stories[0]
    street = first.streets[0]
    community = first.by_street[street.id][0]
    team = first.teams[0]
    assert first.agency is not None
    wanted = [
        _LogIn(policy.DISTRICT_ADMIN, "区级管理", place=first.root),
        _LogIn(policy.DISTRICT_VIEWER, "区级查看", place=first.root),
        _LogIn(policy.STREET_SUPERVISOR, "街道主管", place=street),
        _LogIn(policy.COMMUNITY_WORKER, "社区工作", place=community),
        _LogIn(policy.SOCIAL_WORKER, "社工", organization=first.agency),
        _LogIn(policy.ORGANIZATION_MANAGER, "队伍管理", organization=team),
        _LogIn(policy.EVALUATOR, "评估", place=first.root),
        _LogIn(policy.AUDITOR, "审计", place=first.root),
        _LogIn(policy.PLATFORM_OPERATOR, "平台运维", national=True),
        _LogIn("VOLUNTEER", "志愿"),
        *(
            _LogIn(policy.DISTRICT_ADMIN, f"区级管理{names.NUMERALS[number]}", place=story.root)
            for number, story in enumerate(stories[1:], start=1)
        ),
    ]
    logins = [_log_in(by, new, community, team) for new in wanted]
    codes = [story.root.code for story in stories] + [street.code, community.code]
    codes += [story.district.signature_community for story in stories if story.district.signature_community]
    found = Place.objects.filter(code__in=codes).values_list("code", "id")
    return {
        "size": size,
        "seed": seed,
        "logins": logins,
        "places": {code: str(place_id) for code, place_id in found},
        "ids": {
            "organization": [str(first.agency.id), str(team.id)],
            "station": [str(station.id) for station in first.stations[:3]],
            "venue": [str(pk) for pk in Venue.objects.order_by("id").values_list("id", flat=True)[:3]],
            "person": [
                str(pk)
                for pk in Person.objects.filter(place=community)
                .order_by("id")
                .values_list("id", flat=True)[:3]
            ],
        },
    }
