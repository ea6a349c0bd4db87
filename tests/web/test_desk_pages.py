"""The desk: what waits, the first day, one search box, and the audit trail without personal values for those who may not see them."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from tests.factories.accounts import give, make_account, sign_in
from tests.factories.organizations import OPERATOR, District, make_organization, make_station
from tests.factories.people import make_person
from wushe.community.models import Account
from wushe.community.operations import accounts, people
from wushe.community.rules.people import NewPerson
from wushe.kernel import audit
from wushe.kernel.models import AuditEvent
from wushe.kernel.scoping import ScopedModel
from wushe.web.desk import acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def district() -> District:
    return District()


def signed_in(role: str, place: Any, **more: Any) -> tuple[Client, Account]:
    account, _ = make_account(role=role, place=place, **more)
    client = Client()
    sign_in(client, account)
    return client, account


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content.decode()[:3000]
    return response.content.decode()


def test_what_waits_is_listed_with_the_oldest_first(district: District) -> None:
    client, _ = signed_in("STREET_SUPERVISOR", district["150603001"])
    invited, _ = make_account(place=district["150603001001"], name="合成受邀")
    accounts.invite(by=OPERATOR, account=invited, at=timezone.now() - timedelta(days=2))
    forgotten, _ = make_account(place=district["150603001001"], name="合成初始", must_change_password=True)
    Account.objects.filter(pk=forgotten.pk).update(created_at=timezone.now() - timedelta(days=9))
    ending, _ = make_account(place=district["150603001001"], name="合成到期")
    give(
        ending,
        "COMMUNITY_WORKER",
        place=district["150603001001"],
        expires_at=timezone.now() + timedelta(days=5),
    )
    elsewhere, _ = make_account(place=district["150604001001"], name="合成别处")
    accounts.invite(by=OPERATOR, account=elsewhere)
    body = page(client, "/desk/")
    assert body.index("合成初始还没有改初始密码") < body.index("合成受邀还没有打开邀请链接")
    assert "合成别处" not in body
    assert "还没有社工站的街道" in body
    make_station(district["150603001"], name="合成东街站")
    body = page(client, "/desk/")
    assert "还没有社工站的街道" not in body
    assert "合成东街站" in body  # it has no staff yet


@pytest.mark.parametrize("role", ["DISTRICT_ADMIN", "STREET_SUPERVISOR", "COMMUNITY_WORKER"])
def test_however_much_waits_the_desk_asks_few_questions(
    district: District, role: str, query_counter: Any
) -> None:
    home = {"DISTRICT_ADMIN": "150603", "STREET_SUPERVISOR": "150603001", "COMMUNITY_WORKER": "150603001001"}
    client, _ = signed_in(role, district[home[role]])
    community = district["150603001001"]
    for number in range(8):
        invited, _ = make_account(place=community, name=f"合成受邀{number}")
        accounts.invite(by=OPERATOR, account=invited)
        late, _ = make_account(place=community, name=f"合成初始{number}", must_change_password=True)
        Account.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(days=9))
        give(late, "COMMUNITY_WORKER", place=community, expires_at=timezone.now() + timedelta(days=5))
        make_station(district["150603001"], name=f"合成空站{number}")
        for _ in range(2):  # the same name and telephone twice, the second time under another name too
            make_person(community, f"合成重复{number}", phone=f"1390000000{number}")
        make_person(community, f"另名{number}", phone=f"1390000000{number}")
    page(client, "/desk/")
    with query_counter.at_most(15):
        body = page(client, "/desk/")
    if role == "DISTRICT_ADMIN":
        assert "合成空站" in body
        assert "合成重复" in body


def test_the_first_day_teaches(district: District) -> None:
    client, _ = signed_in("COMMUNITY_WORKER", district["150603001001"])
    assert "首次使用" in page(client, "/desk/")
    assert "导入一份名单" in page(client, "/desk/start/")
    make_organization(district["150603001001"])
    assert "五分钟，三步" not in page(client, "/desk/")


def test_nothing_waiting_says_so(district: District) -> None:
    client, _ = signed_in("EVALUATOR", district["150603001001"])
    assert "今天没有等着办的事" in page(client, "/desk/")


def test_the_desk_offers_what_the_role_may_do_and_opens_it(district: District) -> None:
    worker, _ = signed_in("COMMUNITY_WORKER", district["150603001001"])
    evaluator, _ = signed_in("EVALUATOR", district["150603001001"])
    body = page(worker, "/desk/")
    doors = re.findall(r'class="w-door" href="([^"]+)"', body)
    assert "/desk/people/new/" in doors
    assert "/desk/exchange/" in doors
    assert doors[-1] == "/p/150603001001/"
    for address in doors:
        assert worker.get(address, follow=True).status_code == 200, address
    others = re.findall(r'class="w-door" href="([^"]+)"', page(evaluator, "/desk/"))
    assert others
    assert "/desk/people/new/" not in others
    for address in others:
        assert evaluator.get(address, follow=True).status_code == 200, address


def test_what_changed_lately_is_for_those_who_may_look_back(district: District) -> None:
    auditor, _ = signed_in("AUDITOR", district["150603"])
    worker, _ = signed_in("COMMUNITY_WORKER", district["150603001001"])
    asked = {"HTTP_HX_REQUEST": "true"}
    assert 'hx-get="/desk/?lately"' in page(auditor, "/desk/")
    assert 'hx-get="/desk/?lately"' not in page(worker, "/desk/")
    _, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"], name="合成动手")
    people.create_person(by=actor, values=NewPerson("合成新来", district["150603001001"].pk))
    told = auditor.get("/desk/?lately", **asked).content.decode()
    assert "新建：人员" in told
    assert "合成动手" in told
    assert "合成新来" not in told
    assert "合成动手" not in worker.get("/desk/?lately", **asked).content.decode()


def test_one_box_finds_people_organizations_places_and_accounts(district: District) -> None:
    client, me = signed_in("STREET_SUPERVISOR", district["150603001"])
    people.create_person(by=OPERATOR, values=NewPerson("合成寻找", district["150603001001"].pk))
    people.create_person(by=OPERATOR, values=NewPerson("合成寻常", district["150604001001"].pk))
    make_organization(district["150603001001"], "合成寻访社")
    body = page(client, "/desk/search/?q=合成寻")
    assert "合成寻找" in body
    assert "合成寻常" not in body
    assert "合成寻访社" in body
    assert "槐花社区" in page(client, "/desk/search/?q=槐花")
    assert me.number[:4] in page(client, f"/desk/search/?q={me.number}")
    assert "没有找到" in page(client, "/desk/search/?q=zzzzqqqq")
    assert "找人、找组织、找地方" in page(client, "/desk/search/")
    assert client.get("/desk/search/", {"q": "\x00'\"<script>%" + "长" * 500}).status_code == 200


def test_who_may_not_see_people_finds_none(district: District) -> None:
    client, _ = signed_in("DISTRICT_VIEWER", district["150603"])
    people.create_person(by=OPERATOR, values=NewPerson("合成寻找", district["150603001001"].pk))
    assert "合成寻找" not in page(client, "/desk/search/?q=合成寻找").replace("搜索“合成寻找”", "").replace(
        'value="合成寻找"', ""
    )


def _changed_person(district: District) -> AuditEvent:
    person = people.create_person(by=OPERATOR, values=NewPerson("合成旧名", district["150603001001"].pk))
    people.edit_person(by=OPERATOR, person_id=person.pk, seen=people.seen_token(person), name="合成新名")
    return AuditEvent.objects.filter(target_id=str(person.pk), verb="edit").get()


def test_the_audit_trail_shows_personal_values_only_to_those_who_may_see_them(district: District) -> None:
    event = _changed_person(district)
    admin, _ = signed_in("DISTRICT_ADMIN", district["150603"])
    auditor, _ = signed_in("AUDITOR", district["150603"])
    supervisor, _ = signed_in("STREET_SUPERVISOR", district["150603001"])
    other, _ = signed_in("AUDITOR", district["150604"])
    body = page(admin, f"/desk/audit/{event.pk}/")
    assert "合成旧名" in body
    assert "合成新名" in body
    body = page(auditor, f"/desk/audit/{event.pk}/")
    assert "合成旧名" not in body
    assert "您的角色不能看" in body
    page(supervisor, f"/desk/audit/{event.pk}/", 403)
    page(other, f"/desk/audit/{event.pk}/", 404)
    assert str(event.pk) in page(auditor, f"/desk/audit/?text={event.target_id}")
    assert str(event.pk) not in page(other, "/desk/audit/")
    assert "没有符合条件的记录" in page(auditor, "/desk/audit/?verb=nothing")
    assert str(event.pk) in page(
        auditor, f"/desk/audit/?since={timezone.localdate()}&until={timezone.localdate()}"
    )


def test_identity_numbers_stay_masked_in_the_trail(district: District) -> None:
    person = people.create_person(by=OPERATOR, values=NewPerson("合成证件", district["150603001001"].pk))
    people.edit_person(
        by=OPERATOR, person_id=person.pk, seen=people.seen_token(person), identity_number="11010519491231002X"
    )
    event = AuditEvent.objects.filter(target_id=str(person.pk), verb="edit").get()
    client, _ = signed_in("DISTRICT_ADMIN", district["150603"])
    body = page(client, f"/desk/audit/{event.pk}/")
    assert "11010519491231002X" not in body
    assert "1****************X" in body


def test_the_audit_list_costs_the_same_for_many_as_for_few(district: District, query_counter: Any) -> None:
    client, _ = signed_in("DISTRICT_ADMIN", district["150603"])
    with query_counter.count() as few:
        page(client, "/desk/audit/")
    for _ in range(30):
        made, _ = make_account(place=district["150603001001"])
        accounts.close_account(by=OPERATOR, account=made)
    with query_counter.count() as many:
        page(client, "/desk/audit/")
    assert many.count <= few.count + 3
    assert many.count <= 12


def test_after_being_forgotten_the_trail_keeps_the_act_and_loses_the_person(district: District) -> None:
    event = _changed_person(district)
    audit.forget(UUID(event.target_id))
    client, _ = signed_in("DISTRICT_ADMIN", district["150603"])
    body = page(client, f"/desk/audit/{event.pk}/")
    assert "合成旧名" not in body
    assert "再也打不开" in body


def test_the_menu_holds_what_one_may_open(district: District) -> None:
    auditor, _ = signed_in("AUDITOR", district["150603"])
    viewer, _ = signed_in("DISTRICT_VIEWER", district["150603"])
    assert 'href="/desk/audit/"' in page(auditor, "/desk/")
    body = page(viewer, "/desk/")
    assert 'href="/desk/audit/"' not in body
    assert 'href="/desk/accounts/"' not in body
    operator, _ = signed_in("PLATFORM_OPERATOR", district["150603"])
    assert 'href="/desk/accounts/"' in page(operator, "/desk/")


def test_whatever_the_source_records_has_words() -> None:
    package = Path(acts.__file__).parents[2]
    recorded: set[str] = set()
    for file in [*package.glob("community/operations/*.py"), *package.glob("kernel/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        recorded |= set(re.findall(r'\bverb="([\w.]+)"', text))
        recorded |= set(re.findall(r'_record\(by, (?:run, )?"([\w.]+)"', text))
    assert len(recorded) > 40
    assert recorded <= acts.ACTS.keys()
    audited = {
        model._meta.label
        for model in apps.get_app_config("community").get_models()
        if issubclass(model, ScopedModel)
    }
    without = {"community.Invitation", "community.LoginCard"}  # recorded as acts on their account
    assert audited - without <= acts.KINDS.keys()
