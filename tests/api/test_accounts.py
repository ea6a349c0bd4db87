"""Accounts and grants by API: what the token's one role may, and nothing of its owner's own."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories.accounts import make_account
from tests.factories.organizations import OPERATOR, District
from wushe.community.models import Account, Person
from wushe.community.operations import accounts, grants, log_in
from wushe.community.queries import accounts as queries
from wushe.kernel.text import fold_name

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


class Caller:
    """A program with a token for the one grant of a fresh account."""

    def __init__(self, role: str, place: Any, *, read_only: bool = False) -> None:
        self.account, actor = make_account(role=role, place=place)
        self.grant = self.account.grants.get()
        issued = accounts.issue_api_token(
            by=actor,
            grant=self.grant,
            name="测试",
            expires_at=timezone.now() + timedelta(days=1),
            is_read_only=read_only,
        )
        self.headers = {"authorization": f"Bearer {issued.token}"}

    def get(self, path: str) -> Any:
        return Client().get(f"/api{path}", headers=self.headers)

    def post(self, path: str, data: object | None = None, **headers: str) -> Any:
        return Client().post(
            f"/api{path}", data or {}, content_type="application/json", headers={**self.headers, **headers}
        )


def test_a_token_says_whom_it_stands_for(district: District) -> None:
    caller = Caller("STREET_SUPERVISOR", district["150603001"], read_only=True)
    assert caller.get("/me").json() == {
        "kind": "account",
        "label": f"API {caller.account.number}",
        "read_only": True,
        "holdings": [
            {
                "role": "STREET_SUPERVISOR",
                "place_path": "/15/1506/150603/150603001/",
                "organization_path": None,
            }
        ],
    }


def test_accounts_of_the_tokens_places_are_listed_and_others_hidden(
    district: District, query_counter: Any
) -> None:
    caller = Caller("STREET_SUPERVISOR", district["150603001"])
    for _ in range(5):
        make_account(place=district["150603001001"])
    far, _ = make_account(place=district["150604001001"])
    caller.get("/me")  # draws a block of calls from the throttle
    with query_counter.at_most(2):
        page = caller.get("/accounts?limit=3").json()
    assert (len(page["rows"]), page["more"]) == (3, True)
    assert len(caller.get("/accounts?limit=3&offset=3").json()["rows"]) == 3
    assert caller.get(f"/accounts/{far.pk}").status_code == 404
    assert caller.get(f"/accounts/{caller.account.pk}").json()["roles"] == 1


def test_the_platform_operator_gets_masked_names(district: District) -> None:
    caller = Caller("PLATFORM_OPERATOR", district["150603"])
    account, _ = make_account(place=district["150603001001"], name="合成密")
    assert caller.get(f"/accounts/{account.pk}").json()["name"] == "合**"


def test_an_account_is_opened_once_however_often_it_is_sent(district: District) -> None:
    caller = Caller("COMMUNITY_WORKER", district["150603001001"])
    person = Person.objects.create(
        name="合成新", name_key=fold_name("合成新"), place=district["150603001001"]
    )
    sent = {"person": str(person.pk), "way": "CARD"}
    first = caller.post("/accounts", sent, **{"Idempotency-Key": "account-1234"})
    again = caller.post("/accounts", sent, **{"Idempotency-Key": "account-1234"})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert Account.objects.filter(person=person).count() == 1
    made = first.json()
    opened = log_in.log_in_with_card(token=made["token"], pin=made["pin"], address="a")
    assert str(opened.account_id) == made["id"]
    assert caller.post("/accounts", sent).json()["code"] == "account.exists"
    assert caller.post("/accounts", {**sent, "way": "MAGIC"}).status_code == 422


def test_roles_are_given_and_ended_as_on_the_desk(district: District) -> None:
    caller = Caller("STREET_SUPERVISOR", district["150603001"])
    account, _ = make_account(place=district["150603001001"])
    place = str(district["150603001001"].pk)
    given = caller.post("/grants", {"account": str(account.pk), "role": "COMMUNITY_WORKER", "place": place})
    assert given.status_code == 201, given.content
    assert caller.get("/grants?state=IN_FORCE").json()["rows"][0]["id"] == given.json()["id"]
    for wrong, code in (
        ({"role": "DISTRICT_ADMIN", "place": place}, "grant.not_yours_to_give"),
        ({"role": "COMMUNITY_WORKER", "place": str(district["150604001001"].pk)}, "refused.grant.create"),
        ({"role": "COMMUNITY_WORKER"}, "grant.one_scope"),
        ({"role": "COMMUNITY_WORKER", "place": place}, "grant.already"),
    ):
        assert caller.post("/grants", {"account": str(account.pk), **wrong}).json()["code"] == code
    ended = caller.post(f"/grants/{given.json()['id']}/end")
    assert ended.json()["revoked_at"]
    assert queries.actor_for_account(account).grants == ()
    own = caller.post(
        "/grants", {"account": str(caller.account.pk), "role": "COMMUNITY_WORKER", "place": place}
    )
    assert own.json()["code"] == "grant.own"


def test_a_reading_token_changes_nothing_and_an_ended_grant_opens_nothing(district: District) -> None:
    caller = Caller("STREET_SUPERVISOR", district["150603001"], read_only=True)
    account, _ = make_account(place=district["150603001001"])
    assert caller.post(f"/accounts/{account.pk}/close").json()["code"] == "token.read_only"
    account.refresh_from_db()
    assert account.is_active
    grants.end_grant(by=OPERATOR, grant=caller.grant)
    assert caller.get("/accounts").status_code == 401


def test_nobody_with_more_rights_is_closed(district: District) -> None:
    caller = Caller("STREET_SUPERVISOR", district["150603001"])
    above, _ = make_account(role="DISTRICT_ADMIN", place=district["150603001"])
    assert caller.post(f"/accounts/{above.pk}/close").json()["code"] == "account.rights_above_yours"
    below, _ = make_account(place=district["150603001001"])
    assert caller.post(f"/accounts/{below.pk}/close").json()["active"] is False
