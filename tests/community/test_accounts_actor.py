"""Who acts: the actor carries exactly the grants in force at this instant."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories.accounts import give, make_account
from wushe.community.models import Place
from wushe.community.queries import accounts as queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def county() -> Place:
    return Place.objects.create(
        code="990101",
        name="示例区",
        level=3,
        path="/99/9901/990101/",
        name_key="示例区",
        pinyin="shiliqu",
        initials="slq",
    )


def test_an_actor_holds_the_grants_in_force_and_no_other(county: Place) -> None:
    account, actor = make_account(role="DISTRICT_ADMIN", place=county)
    assert [(g.role, g.place_path) for g in actor.grants] == [("DISTRICT_ADMIN", "/99/9901/990101/")]
    now = timezone.now()
    ended = give(account, "STREET_SUPERVISOR", place=county, granted_at=now - timedelta(days=3))
    ended.revoked_at = now
    ended.save()
    give(
        account,
        "COMMUNITY_WORKER",
        place=county,
        granted_at=now - timedelta(days=3),
        expires_at=now - timedelta(days=1),
    )
    give(account, "ORGANIZATION_MANAGER", place=county)  # means nothing for a place
    give(account, "AUDITOR", national=True)
    assert {(g.role, g.place_path) for g in queries.actor_for_account(account).grants} == {
        ("DISTRICT_ADMIN", "/99/9901/990101/"),
        ("AUDITOR", "/"),
    }


def test_a_closed_account_is_nobody(county: Place) -> None:
    account, _ = make_account(role="DISTRICT_ADMIN", place=county)
    account.is_active = False
    account.save()
    assert queries.actor_for_account(account).kind == "anonymous"


def test_the_actor_costs_one_query(county: Place, query_counter) -> None:
    account, _ = make_account(role="DISTRICT_ADMIN", place=county)
    for role in ("AUDITOR", "EVALUATOR", "STREET_SUPERVISOR"):
        give(account, role, place=county)
    with query_counter.at_most(1):
        assert len(queries.actor_for_account(account).grants) == 4
