"""The desk's pages about accounts and grants: secrets shown once, only what one may, the same number of queries for many as for one."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories.accounts import give, make_account, sign_in
from tests.factories.organizations import District, make_member, make_organization
from wushe.community.models import Account, Invitation, LoginCard, Person, RoleGrant
from wushe.community.operations import log_in
from wushe.kernel.text import fold_name

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def supervisor(client: Client, district: District) -> Account:
    account, _ = make_account(role="STREET_SUPERVISOR", place=district["150603001"], name="合成主管")
    sign_in(client, account)
    return account


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content.decode()[:3000]
    return response.content.decode()


def test_the_list_shows_filters_and_exports_the_accounts_of_ones_places(
    client: Client, district: District, supervisor: Account
) -> None:
    mine, _ = make_account(place=district["150603001001"], name="合成甲乙")
    other, _ = make_account(place=district["150604001001"], name="合成丙丁")
    body = page(client, "/desk/accounts/")
    assert "合成甲乙" in body
    assert "合成丙丁" not in body
    assert "合成甲乙" in page(client, "/desk/accounts/?text=甲乙") or "合成甲乙" in page(
        client, f"/desk/accounts/?text={mine.number}"
    )
    assert "没有符合条件的账号" in page(client, f"/desk/accounts/?text={other.number}")
    assert "还没改初始密码" in page(client, "/desk/accounts/?state=FIRST_PASSWORD")
    sheet = client.get("/desk/accounts/?export=csv")
    text = b"".join(sheet.streaming_content) if sheet.streaming else sheet.content
    assert mine.number in text.decode("utf-8-sig")
    assert other.number not in text.decode("utf-8-sig")


def test_lists_cost_the_same_for_many_as_for_few(
    client: Client, district: District, supervisor: Account, query_counter: Any
) -> None:
    def cost(address: str) -> int:
        with query_counter.count() as counted:
            page(client, address)
        return int(counted.count)

    make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    few = [cost(a) for a in ("/desk/accounts/", "/desk/grants/", "/desk/grants/dangers/", "/desk/")]
    for _ in range(15):
        make_account(role="COMMUNITY_WORKER", place=district["150603001001"], must_change_password=True)
    many = [cost(a) for a in ("/desk/accounts/", "/desk/grants/", "/desk/grants/dangers/", "/desk/")]
    assert many[:3] == few[:3]
    assert all(count <= 15 for count in many[:3])
    assert many[3] <= 26


def test_accounts_elsewhere_are_not_found_and_others_rights_stay(
    client: Client, district: District, supervisor: Account
) -> None:
    far, _ = make_account(place=district["150604001001"])
    above, _ = make_account(role="DISTRICT_ADMIN", place=district["150603001"])
    page(client, f"/desk/accounts/{far.pk}/", 404)
    for action in (
        "password",
        "link",
        "close",
        "reopen",
        "sessions/end",
        "second-factor/off",
        "card/end",
        "link/end",
    ):
        assert client.post(f"/desk/accounts/{far.pk}/{action}/").status_code == 404
    assert "您不能授予的权限" in page(client, f"/desk/accounts/{above.pk}/")
    for action in ("password", "link", "close", "sessions/end"):
        assert client.post(f"/desk/accounts/{above.pk}/{action}/").status_code == 403
    assert client.post(f"/desk/accounts/{above.pk}/card/", {"pin": ""}).status_code == 403
    assert client.post(f"/desk/accounts/{above.pk}/phone/", {"phone": "13800138000"}).status_code == 403
    above.refresh_from_db()
    assert above.is_active


def test_a_person_gets_an_account_each_of_the_three_ways(
    client: Client, district: District, supervisor: Account
) -> None:
    shown = {}
    for way, name in (("PASSWORD", "合成一"), ("INVITATION", "合成二"), ("CARD", "合成三")):
        person = Person.objects.create(name=name, name_key=fold_name(name), place=district["150603001001"])
        address = f"/desk/accounts/new/?person={person.pk}"
        assert name in page(client, address)
        made = client.post(address, {"way": way, "phone": ""})
        assert made.status_code == 200
        assert "no-store" in made.headers["Cache-Control"]
        shown[way] = (made.content.decode(), Account.objects.get(person=person))
        assert client.get(address).status_code == 302
    text, account = shown["PASSWORD"]
    password = re.search(r"初始密码：(\w+)（", text).group(1)  # type: ignore[union-attr]  # no match fails the test  # the assertion is the match itself
    assert log_in.log_in(identifier=account.number, password=password, address="a").must_change_password
    text, account = shown["INVITATION"]
    token = re.search(r"http://testserver/invitation/([\w-]+)/", text).group(1)  # type: ignore[union-attr]  # no match fails the test
    assert (
        log_in.accept_invitation(token=token, password="other words 44", address="a").account_id == account.pk
    )
    text, account = shown["CARD"]
    token = re.search(r"http://testserver/c/([\w-]+)/", text).group(1)  # type: ignore[union-attr]  # no match fails the test
    pin = "".join(re.search(r'login-slip-pin">([\d ]+)<', text).group(1).split())  # type: ignore[union-attr]  # no match fails the test
    assert log_in.log_in_with_card(token=token, pin=pin, address="a").account_id == account.pk
    assert "<svg" in text
    assert "style=" not in text[text.index("login-card") :]


def test_people_are_found_before_they_get_an_account(
    client: Client, district: District, supervisor: Account
) -> None:
    assert "给谁开账号" in page(client, "/desk/accounts/new/")
    assert "没有找到这个人" in page(client, "/desk/accounts/new/?q=不存在的人")
    page(client, "/desk/accounts/new/?person=not-an-id", 404)
    far = Person.objects.create(name="合成远", name_key="合成远", place=district["150604001001"])
    page(client, f"/desk/accounts/new/?person={far.pk}", 404)


def test_a_new_password_link_or_card_is_shown_once_and_ends_the_old(
    client: Client, district: District, supervisor: Account
) -> None:
    account, _ = make_account(place=district["150603001001"])
    base = f"/desk/accounts/{account.pk}"
    assert "请马上交给本人" in client.post(f"{base}/password/").content.decode()
    first = client.post(f"{base}/link/").content.decode()
    client.post(f"{base}/link/")
    assert Invitation.objects.filter(revoked_at__isnull=True).count() == 1
    assert re.search(r"/invitation/[\w-]{20,}/", first)
    assert client.post(f"{base}/card/", {"pin": "123456"}).status_code == 422
    assert client.post(f"{base}/card/", {"pin": "802615"}).status_code == 200
    assert LoginCard.objects.filter(revoked_at__isnull=True).count() == 1
    body = page(client, f"{base}/")
    assert "换一张登录卡" in body
    assert "802615" not in body
    for action in ("card/end", "link/end", "sessions/end", "close", "reopen"):
        assert client.post(f"{base}/{action}/").status_code == 302
    assert client.post(f"{base}/card/end/").status_code == 409
    assert client.post(f"{base}/phone/", {"phone": "x"}).status_code == 422
    assert client.post(f"{base}/phone/", {"phone": "13800138000"}).status_code == 302
    assert "13800138000" not in page(client, f"{base}/")


def test_roles_are_given_prolonged_and_ended(client: Client, district: District, supervisor: Account) -> None:
    account, _ = make_account(place=district["150603001001"])
    address = f"/desk/accounts/{account.pk}/grants/new/"
    form = page(client, address)
    assert "社区工作者" in form
    assert "区县管理员" not in form
    tomorrow = (timezone.localdate() + timedelta(days=1)).isoformat()
    wrong = client.post(address, {"role": "COMMUNITY_WORKER", "place": "150604001001"})
    assert wrong.status_code == 422
    assert "不在您负责的范围内" in wrong.content.decode()
    assert client.post(address, {"role": "COMMUNITY_WORKER"}).status_code == 422
    assert client.post(address, {"role": "DISTRICT_ADMIN", "place": "150603001"}).status_code == 422
    given = client.post(address, {"role": "COMMUNITY_WORKER", "place": "槐花社区", "ends_on": tomorrow})
    assert given.status_code == 302, given.content.decode()[:2000]
    grant = RoleGrant.objects.get(account=account)
    assert grant.place == district["150603001001"]
    assert timezone.localtime(grant.expires_at).hour == 0
    assert "社区工作者" in page(client, f"/desk/accounts/{account.pk}/")
    assert client.post(f"/desk/grants/{grant.pk}/prolong/", {"ends_on": "2000-01-01"}).status_code == 422
    assert client.post(f"/desk/grants/{grant.pk}/prolong/", {"ends_on": ""}).status_code == 302
    assert client.post(f"/desk/grants/{grant.pk}/end/").status_code == 302
    assert client.post(f"/desk/grants/{grant.pk}/end/").status_code == 409


def test_a_manager_gives_roles_in_their_organization(client: Client, district: District) -> None:
    body = make_organization(district["150603001001"], "合成甲社")
    manager, _ = make_account(role="ORGANIZATION_MANAGER", organization=body)
    member, _ = make_account(place=district["150603001001"])
    make_member(member.person, body)
    sign_in(client, manager)
    address = f"/desk/accounts/{member.pk}/grants/new/"
    assert client.post(address, {"role": "SOCIAL_WORKER", "organization": "没有这个社"}).status_code == 422
    assert client.post(address, {"role": "SOCIAL_WORKER", "organization": "合成甲社"}).status_code == 302
    assert member.grants.get().organization == body


def test_ones_own_rights_are_nobodys_but_others_to_change(
    client: Client, district: District, supervisor: Account
) -> None:
    extra = give(supervisor, "COMMUNITY_WORKER", place=district["150603001001"])
    body = page(client, f"/desk/accounts/{supervisor.pk}/")
    assert "这是您自己的账号" in body
    assert f"/desk/grants/{extra.pk}/end/" not in body
    assert client.post(f"/desk/grants/{extra.pk}/end/").status_code == 403
    refused = client.post(
        f"/desk/accounts/{supervisor.pk}/grants/new/", {"role": "COMMUNITY_WORKER", "place": "150603001001"}
    )
    assert refused.status_code == 422
    assert supervisor.grants.count() == 2


def test_grants_and_their_dangers_are_listed(client: Client, district: District, supervisor: Account) -> None:
    worker, _ = make_account(
        role="COMMUNITY_WORKER", place=district["150603001001"], must_change_password=True
    )
    assert worker.number[:4] in page(client, "/desk/grants/?state=IN_FORCE")
    assert "没有符合条件的授权" in page(client, "/desk/grants/?state=ENDED")
    assert "初始密码还没有改" in page(client, "/desk/grants/dangers/")
    assert client.get("/desk/grants/?sort=password").status_code == 400


def test_form_fields_nobody_asked_for_change_nothing(
    client: Client, district: District, supervisor: Account
) -> None:
    account, _ = make_account(place=district["150603001001"])
    before = Account.objects.filter(pk=account.pk).values().get()
    extra = {
        "is_active": "",
        "number": "1",
        "person": "x",
        "must_change_password": "on",
        "is_national": "on",
        "granted_by": "x",
    }
    client.post(f"/desk/accounts/{account.pk}/phone/", {"phone": "", **extra})
    assert Account.objects.filter(pk=account.pk).values().get() == before
    client.post(
        f"/desk/accounts/{account.pk}/grants/new/",
        {"role": "COMMUNITY_WORKER", "place": "150603001001", **extra},
    )
    grant = account.grants.get()
    assert not grant.is_national
    assert grant.granted_by == supervisor.pk


@pytest.mark.parametrize(
    "address", ["/desk/accounts/", "/desk/grants/", "/desk/", "/desk/audit/", "/me/", "/me/security/"]
)
def test_strangers_are_sent_to_the_log_in(client: Client, address: str) -> None:
    assert client.get(address).url.startswith("/login/?next=")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_is_drawn_in_both_languages(
    client: Client, district: District, supervisor: Account, language: str
) -> None:
    account, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    client.cookies["wushe_language"] = language
    for address in (
        "/login/", "/c/x/", "/desk/accounts/", f"/desk/accounts/{account.pk}/", f"/desk/accounts/{account.pk}/card/",
        f"/desk/accounts/{account.pk}/phone/", f"/desk/accounts/{account.pk}/grants/new/", "/desk/accounts/new/",
        "/desk/grants/", "/desk/grants/dangers/", f"/desk/grants/{account.grants.get().pk}/prolong/",
        "/desk/", "/desk/start/", "/desk/search/?q=%E5%90%88", "/me/", "/me/data/", "/me/data/address/",
        "/me/data/contacts/new/", "/me/data/erase/", "/me/data/erase/sure/", "/me/consents/", "/me/security/",
        "/me/security/password/", "/me/security/phone/", "/me/security/pin/", "/me/security/second-factor/",
        "/me/security/second-factor/off/", "/me/security/second-factor/codes/", "/me/security/tokens/new/",
        "/me/settings/", "/me/erased/",
    ):  # fmt: skip
        if address == "/login/":
            continue  # who is signed in is led on
        body = page(client, address)
        assert "<h1" in body
        assert " style=" not in body
