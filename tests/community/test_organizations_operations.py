"""Registering, editing, moving and closing organizations; who may; what is refused."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories.organizations import (
    CREDIT_CODES,
    OPERATOR,
    District,
    make_member,
    make_organization,
    make_plain_person,
    make_station,
)
from wushe.community.models import Membership, Organization, OrganizationKey
from wushe.community.operations import organizations as operations
from wushe.community.operations.typed import NotInTheFuture, NotStorable
from wushe.community.rules import organizations as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.models import AuditEvent
from wushe.kernel.policy import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


def actor(role: str, place_path: str | None = None, organization_path: str | None = None) -> Actor:
    return Actor(kind="account", label="t", grants=(Grant(role, place_path, organization_path),))


def test_registering_writes_row_keys_and_audit(district: District) -> None:
    row = make_organization(
        district["150603001001"], "合成 银杏志愿者协会", credit_code=CREDIT_CODES[0].lower()
    )
    row.refresh_from_db()
    assert (row.name, row.credit_code, row.status) == ("合成 银杏志愿者协会", CREDIT_CODES[0], "ACTIVE")
    assert row.path == f"/{row.path.strip('/')}/"
    kinds = set(OrganizationKey.objects.filter(organization=row).values_list("kind", flat=True))
    assert kinds == {"N", "P", "I", "B"}
    event = AuditEvent.objects.get(target_id=str(row.pk))
    assert (event.verb, event.place_path) == ("register", district["150603001001"].path)


def test_contact_person_never_enters_the_audit_in_clear(district: District) -> None:
    row = make_organization(district["150603001001"], contact_name="合成联系人", contact_phone="13900001234")
    operations.edit_organization(by=OPERATOR, organization=row, contact_phone="13900005678")
    text = " ".join(f"{e.before} {e.after}" for e in AuditEvent.objects.all())
    assert "合成联系人" not in text
    assert "1390000" not in text
    row.refresh_from_db()
    assert (row.contact_name, row.contact_phone) == ("合成联系人", "13900005678")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " \x00\n "}, "name"),
        ({"name": "长" * 10_000}, "name"),
        ({"kind": "GANG"}, "kind"),
        ({"registration": "MAYBE"}, "registration"),
        ({"credit_code": "91110000600037341X"}, "credit_code"),
        ({"founded_on": date(2999, 1, 1)}, "founded_on"),
        ({"purpose": "长" * 2001}, "purpose"),
        ({"contact_name": "长" * 101}, "contact_name"),
    ],
)
def test_bad_values_are_refused_and_nothing_is_stored(district: District, changes: dict, field: str) -> None:
    fields = {"name": "合成社", "kind": "FIRM", "place": district["150603001"], **changes}
    with pytest.raises((NotStorable, NotInTheFuture, operations.CreditCodeWrong)) as refused:
        operations.register_organization(by=OPERATOR, **fields)
    assert refused.value.field == field
    assert refused.value.message
    assert not Organization.objects.exists()


def test_a_credit_code_is_held_once(district: District) -> None:
    first = make_organization(district["150603001"], credit_code=CREDIT_CODES[0])
    with pytest.raises(operations.CreditCodeTaken):
        make_organization(district["150604001"], "合成另一家", credit_code=CREDIT_CODES[0])
    with pytest.raises(operations.CreditCodeTaken):
        operations.register_organizations(
            by=OPERATOR,
            organizations=[
                operations.NewOrganization(
                    name=n, kind="FIRM", place=district["150603001"], credit_code="91350100M000100Y43"
                )
                for n in ("合成一", "合成二")
            ],
        )
    assert list(Organization.objects.all()) == [first]
    operations.edit_organization(
        by=OPERATOR, organization=first, credit_code=CREDIT_CODES[0], name="合成改名"
    )


def test_only_those_with_the_place_may_register(district: District) -> None:
    inside, outside = district["150603001001"], district["150604001001"]
    worker = actor(policy.COMMUNITY_WORKER, district["150603001"].path)
    operations.register_organization(by=worker, name="合成里", kind="VOLUNTEER_TEAM", place=inside)
    for who, place in (
        (worker, outside),
        (Actor.anonymous(), inside),
        (actor(policy.DISTRICT_VIEWER, "/15/"), inside),
    ):
        with pytest.raises(Refused):
            operations.register_organization(by=who, name="合成外", kind="VOLUNTEER_TEAM", place=place)


def test_nobody_pulls_an_organization_into_a_foreign_place_or_tree(district: District) -> None:
    own = make_organization(district["150603001"], "合成甲")
    foreign = make_organization(district["150604001"], "合成乙")
    admin = actor(policy.DISTRICT_ADMIN, district["150603"].path)
    manager = actor(policy.ORGANIZATION_MANAGER, None, own.path)
    with pytest.raises(Refused):
        operations.edit_organization(by=admin, organization=own, place=district["150604001"])
    with pytest.raises(Refused):
        operations.edit_organization(by=manager, organization=own, place=district["150604001"])
    with pytest.raises(Refused):
        operations.move_organization(by=admin, organization=own, parent=foreign)
    with pytest.raises(Refused):
        operations.move_organization(by=admin, organization=foreign, parent=own)
    with pytest.raises(Refused):
        operations.register_organization(
            by=admin, name="合成丙", kind="FIRM", place=district["150603001"], parent=foreign
        )
    operations.edit_organization(by=manager, organization=own, purpose="合成宗旨")


def test_circles_are_refused(district: District) -> None:
    top = make_organization(district["150603001"], "合成上")
    middle = make_organization(district["150603001"], "合成中", parent=top)
    low = make_organization(district["150603001"], "合成下", parent=middle)
    for parent in (top, middle, low):
        with pytest.raises(operations.OrganizationCircle):
            operations.move_organization(by=OPERATOR, organization=top, parent=parent)
    top.refresh_from_db()
    assert top.parent_id is None


def test_the_tree_has_a_depth_it_can_hold(district: District) -> None:
    row = make_organization(district["150603001"], "合成0")
    for step in range(rules.DEEPEST - 1):
        row = make_organization(district["150603001"], f"合成{step}", parent=row)
    with pytest.raises(operations.OrganizationTooDeep):
        make_organization(district["150603001"], "合成太深", parent=row)
    other = make_organization(district["150603001"], "合成另根")
    below = make_organization(district["150603001"], "合成另根之下", parent=other)
    with pytest.raises(operations.OrganizationTooDeep):
        operations.move_organization(by=OPERATOR, organization=other, parent=row)
    below.refresh_from_db()
    assert below.path.startswith(other.path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parents=st.lists(st.integers(-1, 6), min_size=2, max_size=7),
    moves=st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 6)), max_size=8),
)
def test_paths_always_tell_the_tree(
    district: District, parents: list[int], moves: list[tuple[int, int]]
) -> None:
    rows: list[Organization] = []
    for number, above in enumerate(parents):
        parent = Organization.objects.get(pk=rows[above % number].pk) if number and above >= 0 else None
        rows.append(make_organization(district["150603001"], f"合成{number}", parent=parent))
    for which, above in moves:
        row = Organization.objects.get(pk=rows[which % len(rows)].pk)
        parent = Organization.objects.get(pk=rows[above % len(rows)].pk) if above >= 0 else None
        ahead = parent
        circle = False
        while ahead is not None:
            circle = circle or ahead.pk == row.pk
            ahead = ahead.parent
        if circle:
            with pytest.raises(operations.OrganizationCircle):
                operations.move_organization(by=OPERATOR, organization=row, parent=parent)
        else:
            operations.move_organization(by=OPERATOR, organization=row, parent=parent)
        for one in Organization.objects.select_related("parent"):
            expected = (one.parent.path if one.parent else "/") + one.path.strip("/").split("/")[-1] + "/"
            assert one.path == expected
    for row in rows:
        Organization.objects.filter(pk=row.pk).update(parent=None)
    OrganizationKey.objects.all().delete()
    Organization.objects.all().delete()


def test_closing_ends_what_hangs_on_it_and_keeps_history(district: District) -> None:
    row = make_organization(district["150603001"], "合成将注销")
    child = make_organization(district["150603001"], "合成下属", parent=row)
    member = make_member(make_plain_person(district["150603001001"]), row, started_on=date(2024, 1, 1))
    station = make_station(district["150603001"], operator=row, opened_on=date(2024, 1, 1))
    with pytest.raises(operations.StillAnswers):
        operations.close_organization(by=OPERATOR, organization=row, on=date(2025, 1, 1))
    station.responsibilities.update(ended_on=date(2024, 12, 1))
    with pytest.raises(operations.StillAnswers):
        operations.close_organization(by=OPERATOR, organization=row, on=date(2025, 1, 1))
    operations.close_organization(by=OPERATOR, organization=child, on=date(2025, 1, 1))
    tomorrow = timezone.localdate() + timedelta(days=1)
    with pytest.raises(NotInTheFuture):
        operations.close_organization(by=OPERATOR, organization=row, on=tomorrow)
    operations.close_organization(by=OPERATOR, organization=row, on=date(2025, 1, 1))
    row.refresh_from_db()
    assert (row.status, row.closed_on) == ("CLOSED", date(2025, 1, 1))
    assert Membership.objects.get(pk=member.pk).ended_on == date(2025, 1, 1)
    with pytest.raises(operations.OrganizationClosed):
        operations.close_organization(by=OPERATOR, organization=row, on=date(2025, 1, 1))
    operations.reopen_organization(by=OPERATOR, organization=row)
    row.refresh_from_db()
    assert (row.status, row.closed_on) == ("ACTIVE", None)


def test_rest_and_wake(district: District) -> None:
    row = make_organization(district["150603001"])
    assert operations.rest_organization(by=OPERATOR, organization=row).status == "DORMANT"
    with pytest.raises(operations.OrganizationClosed):
        operations.rest_organization(by=OPERATOR, organization=row)
    assert operations.wake_organization(by=OPERATOR, organization=row).status == "ACTIVE"
