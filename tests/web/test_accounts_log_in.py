"""The log-in pages: the same answer for unknown names, ids that rotate, links that lead nowhere else, cards, invitations, second steps."""

import re
from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from tests.factories.accounts import PASSWORD, make_account, sign_in
from tests.factories.organizations import OPERATOR, District
from wushe.community.models import Account
from wushe.community.operations import accounts, grants
from wushe.web.accounts import session

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


def enter(client: Client, identifier: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login/", {"identifier": identifier, "password": password, **more})


def without_token(body: bytes) -> str:
    text = re.sub(r'name="(csrfmiddlewaretoken|once_key)" value="[^"]+"', "", body.decode())
    return re.sub(r'value="[^"]*" (maxlength="60" )?autocomplete="username"', "", text)


def test_logging_in_rotates_the_session_id_and_leads_to_where_ones_work_is(
    client: Client, district: District
) -> None:
    resident, _ = make_account(place=district["150603001001"])
    worker, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    client.get("/login/")
    planted = "0123456789abcdefghijklmnopqrstuv"
    client.cookies["wushe_session"] = planted
    assert enter(client, worker.number).url == "/enter/"
    assert client.cookies["wushe_session"].value != planted
    assert client.get("/enter/").url == "/desk/"
    cookie = client.cookies["wushe_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    other = Client()
    enter(other, resident.number)
    assert other.get("/enter/").url == "/me/"


def test_unknown_names_and_wrong_passwords_get_the_same_page(client: Client, district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    known = enter(client, account.number, "wrong password")
    unknown = enter(client, "99999998", "wrong password")
    assert known.status_code == unknown.status_code == 422
    assert without_token(known.content).replace(account.number, "") == without_token(unknown.content).replace(
        "99999998", ""
    )
    assert "wushe_session" not in client.cookies or not client.cookies["wushe_session"].value


def test_too_many_tries_are_told_how_long_to_wait_and_what_else_works(
    client: Client, district: District
) -> None:
    account, _ = make_account(place=district["150603001001"])
    for _ in range(10):
        enter(client, account.number, "wrong password")
    locked = enter(client, account.number)
    assert locked.status_code == 429
    text = locked.content.decode()
    assert re.search(r"请在 \d+ (分钟|秒)后再试", text)
    assert "登录卡" in text
    # The same for a name nobody has.
    for _ in range(10):
        enter(client, "99999998", "wrong password")
    assert enter(client, "99999998").status_code == 429


def test_a_known_device_is_not_locked_out_by_guesses_from_elsewhere(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    owner, stranger = Client(), Client()
    assert enter(owner, account.number, own_device="on").status_code == 302
    assert owner.cookies[session.DEVICE_COOKIE]["httponly"]
    owner.post("/logout/")
    for _ in range(11):
        last = enter(stranger, account.number, "wrong password")
    assert last.status_code == 429
    assert enter(owner, account.number).status_code == 302
    stranger.cookies[session.DEVICE_COOKIE] = f"{account.pk}.forged"
    assert enter(stranger, account.number).status_code == 429


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "///evil.example",
        "\n//evil",
    ],
)
def test_no_way_out_to_another_site(client: Client, district: District, target: str) -> None:
    account, _ = make_account(place=district["150603001001"])
    assert enter(client, account.number, next=target).url == "/enter/"
    assert client.get("/login/", {"next": target}).url == "/enter/"


def test_after_logging_in_one_is_back_where_one_wanted_to_be(client: Client, district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    turned_away = client.get("/me/security/?a=1")
    assert turned_away.url == "/login/?next=%2Fme%2Fsecurity%2F%3Fa%3D1"
    assert 'value="/me/security/?a=1"' in client.get(turned_away.url).content.decode()
    assert enter(client, account.number, next="/me/security/?a=1").url == "/me/security/?a=1"


def test_the_host_header_and_a_missing_token_are_refused(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    strict = Client(enforce_csrf_checks=True)
    assert enter(strict, account.number).status_code == 403
    assert Client().get("/login/", headers={"host": "evil.example"}).status_code == 400


def test_logging_out_ends_the_session_for_good(client: Client, district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    enter(client, account.number)
    stolen = client.cookies["wushe_session"].value
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/login/"
    thief = Client()
    thief.cookies["wushe_session"] = stolen
    assert thief.get("/me/").status_code == 302


def test_sessions_elsewhere_die_with_the_password_and_this_one_lives_on(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    here, elsewhere = Client(), Client()
    enter(here, account.number)
    enter(elsewhere, account.number)
    before = here.cookies["wushe_session"].value
    done = here.post(
        "/me/security/password/",
        {"current": PASSWORD, "password": "other words 44", "again": "other words 44"},
    )
    assert done.status_code == 302
    assert here.cookies["wushe_session"].value != before
    assert here.get("/me/").status_code == 200
    assert elsewhere.get("/me/").status_code == 302
    enter(elsewhere, account.number, "other words 44")
    here.post("/me/security/sessions/end/")
    assert elsewhere.get("/me/").status_code == 302
    assert here.get("/me/").status_code == 200


def test_rights_taken_away_are_gone_with_the_next_request(client: Client, district: District) -> None:
    account, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    enter(client, account.number)
    assert client.get("/desk/").status_code == 200
    grants.end_grant(by=OPERATOR, grant=account.grants.get())
    assert client.get("/desk/").status_code == 403


def test_a_session_on_a_shared_computer_ends_after_twelve_hours(
    client: Client, district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = make_account(place=district["150603001001"])
    enter(client, account.number)
    assert not client.cookies["wushe_session"]["max-age"]  # gone when the browser closes
    now = timezone.now().timestamp()
    monkeypatch.setattr(session.time, "time", lambda: now + 11 * 3600)
    assert client.get("/me/").status_code == 200
    monkeypatch.setattr(session.time, "time", lambda: now + 13 * 3600)
    assert client.get("/me/").status_code == 302


def test_a_first_password_leads_to_one_page_only(client: Client, district: District) -> None:
    account, _ = make_account(
        role="COMMUNITY_WORKER", place=district["150603001001"], must_change_password=True
    )
    enter(client, account.number)
    for address in ("/enter/", "/me/", "/me/data/"):
        assert client.get(address).url == "/password/"
    assert client.get("/desk/").status_code in (302, 403)
    assert client.get("/").status_code == 200
    bad = client.post("/password/", {"current": PASSWORD, "password": "12345678", "again": "12345678"})
    assert bad.status_code == 422
    done = client.post(
        "/password/", {"current": PASSWORD, "password": "other words 44", "again": "other words 44"}
    )
    assert done.url == "/enter/"
    assert client.get("/desk/").status_code == 200


def test_a_card_opens_with_its_pin_and_its_address_goes_nowhere_else(
    client: Client, district: District
) -> None:
    account, _ = make_account(place=district["150603001001"], name="合成甲乙")
    made = accounts.issue_card(by=OPERATOR, account=account, pin="802615")
    shown, unknown = client.get(f"/c/{made.token}/"), client.get("/c/unknown-token-00000000/")
    assert shown.status_code == unknown.status_code == 200
    assert shown.headers["Referrer-Policy"] == "strict-origin"
    assert "no-store" in shown.headers["Cache-Control"]
    assert "合成甲乙" not in shown.content.decode()
    assert without_token(shown.content).replace(made.token, "") == without_token(unknown.content).replace(
        "unknown-token-00000000", ""
    )
    wrong = client.post(f"/c/{made.token}/", {"pin": "802616"})
    never = client.post("/c/unknown-token-00000000/", {"pin": "802616"})
    assert wrong.status_code == never.status_code == 422
    assert client.post(f"/c/{made.token}/", {"pin": "802 615"}).url == "/me/"
    assert "合成甲乙" in client.get("/me/").content.decode()


def test_an_invitation_sets_the_password_once(client: Client, district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    made = accounts.invite(by=OPERATOR, account=account)
    address = f"/invitation/{made.token}/"
    assert client.get(address).status_code == 200
    different = client.post(address, {"password": "other words 44", "again": "other words 45"})
    assert different.status_code == 422
    done = client.post(address, {"password": "other words 44", "again": "other words 44"})
    assert done.status_code == 302
    assert client.get("/me/").status_code == 200
    spent = Client().get(address)
    assert spent.status_code == 404
    assert "不能用了" in spent.content.decode()


def test_the_second_step_stands_between_password_and_page(client: Client, district: District) -> None:
    account, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    secret = accounts.start_second_factor(by=actor).secret
    at = timezone.now()
    earlier = pyotp.TOTP(secret).at(at.timestamp() - 30)
    accounts.confirm_second_factor(by=actor, code=earlier, at=at)
    assert enter(client, account.number, next="/desk/").url == "/login/code/"
    assert client.get("/desk/").status_code == 302
    assert client.get("/me/").status_code == 302
    assert client.post("/login/code/", {"code": "000000"}).status_code == 422
    assert client.post("/login/code/", {"code": pyotp.TOTP(secret).now()}).url == "/desk/"
    assert client.get("/desk/").status_code == 200
    assert Client().get("/login/code/").url == "/login/"


def test_the_second_step_waits_five_minutes(
    client: Client, district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, actor = make_account(place=district["150603"])
    secret = accounts.start_second_factor(by=actor).secret
    accounts.confirm_second_factor(by=actor, code=pyotp.TOTP(secret).now())
    enter(client, account.number)
    later = timezone.now().timestamp() + 301
    monkeypatch.setattr(session.time, "time", lambda: later)
    assert client.get("/login/code/").url == "/login/"


def test_the_door_costs_two_queries(client: Client, district: District, query_counter: Any) -> None:
    account, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    sign_in(client, account)
    with query_counter.at_most(2):
        assert client.get("/enter/").url == "/desk/"
    with query_counter.at_most(0):
        assert Client().get("/login/").status_code == 200


def test_a_garbled_session_is_nobodys(client: Client, district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    sign_in(client, account)
    store = client.session
    store["stamp"] = "0" * 64
    store.save()
    assert client.get("/me/").status_code == 302
    Account.objects.filter(pk=account.pk).update(is_active=False)
    sign_in(client, account)
    assert client.get("/me/").status_code == 302
