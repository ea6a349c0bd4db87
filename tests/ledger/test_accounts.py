"""Accounts: opened once, on terms that stay; what is read of them, by whom; and that they follow the tree."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from tests.ledger.book import OPERATOR, PATH, holder, make_account, make_source, new_account, pay
from tests.support.queries import QueryCounter
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent
from wushe.kernel.policy import Refused
from wushe.ledger.models import GoodsItem, LedgerAccount
from wushe.ledger.operations import accounts, goods, transfers
from wushe.ledger.operations.accounts import AccountDiffers, AccountInvalid
from wushe.ledger.queries import accounts as queries
from wushe.ledger.queries import transfers as transfer_queries
from wushe.ledger.queries.accounts import AccountNotFound
from wushe.ledger.queries.goods import goods_items
from wushe.ledger.queries.transfers import TransferNotFound

pytestmark = pytest.mark.django_db


def test_an_account_is_opened_once_and_kept_apart_by_place_unit_and_purpose() -> None:
    holder_id = uuid4()
    first = make_account(holder_id=holder_id)
    before = AuditEvent.objects.count()
    assert make_account(holder_id=holder_id).pk == first.pk
    assert AuditEvent.objects.count() == before
    rice = goods.add_goods_item(by=OPERATOR, code="RICE", name="大米", unit_name="袋")
    oil = goods.add_goods_item(by=OPERATOR, code="OIL", name="食用油", unit_name="桶")
    others = [
        make_account(holder_id=holder_id, **fields)
        for fields in (
            {"unit": "FEN"}, {"purpose": "ELDERLY"}, {"place_id": uuid4()}, {"holder_kind": "FUND"},
            {"unit": "GOODS", "item": rice}, {"unit": "GOODS", "item": oil}, {"unit": "GOODS", "item": rice, "purpose": "A"},
        )
    ]  # fmt: skip
    assert len({account.pk for account in [first, *others]}) == 8
    assert make_account(holder_id=holder_id, unit="GOODS", item=rice).pk == others[4].pk


def test_terms_stay_as_they_were_opened() -> None:
    holder_id = uuid4()
    made = make_account(holder_id=holder_id, spend_until=date(2026, 6, 30))
    for terms in (
        {},
        {"spend_until": date(2026, 6, 30), "floor": None},
        {"spend_until": date(2026, 6, 30), "spend_place_path": PATH},
    ):
        with pytest.raises(AccountDiffers) as refused:
            make_account(holder_id=holder_id, **terms)
        assert refused.value.status == 409
    made.refresh_from_db()
    assert (made.floor, made.spend_until) == (0, date(2026, 6, 30))


@pytest.mark.parametrize(
    "fields",
    [
        {"holder_kind": ""},
        {"holder_kind": "X" * 31},
        {"place_path": ""},
        {"unit": "HOURS"},
        {"unit": "GOODS"},
        {"purpose": "X" * 61},
        {"floor": 1},
        {"floor": -(10**15) - 1},
    ],
)
def test_what_an_account_must_be(fields: dict[str, Any]) -> None:
    with pytest.raises(AccountInvalid) as refused:
        make_account(**fields)
    assert refused.value.message
    assert not LedgerAccount.objects.exists()


def test_many_are_opened_in_as_many_queries_as_a_few(query_counter: QueryCounter) -> None:
    def opening(count: int) -> Callable[[], list[LedgerAccount]]:
        news = [new_account() for _ in range(count)]
        return lambda: accounts.open_accounts(by=OPERATOR, accounts=[*news, news[0]])

    few, many = opening(2), opening(60)
    before = AuditEvent.objects.count()
    with query_counter.count() as small:
        few()
    with query_counter.count() as large:
        made = many()
    assert large.count == small.count
    assert (len({row.pk for row in made}), made[-1].pk) == (60, made[0].pk)
    assert AuditEvent.objects.count() == before + 2
    assert [row.pk for row in many()] == [row.pk for row in made]
    assert AuditEvent.objects.count() == before + 2
    assert accounts.open_accounts(by=OPERATOR, accounts=[]) == []


def test_opening_needs_the_right_at_the_place() -> None:
    worker = holder(policy.COMMUNITY_WORKER)
    assert accounts.open_account(by=worker, account=new_account()).place_path == PATH
    for by in (Actor.anonymous(), holder(policy.AUDITOR), holder(policy.COMMUNITY_WORKER, "/44/")):
        with pytest.raises(Refused):
            accounts.open_account(by=by, account=new_account())
    manager = holder(policy.ORGANIZATION_MANAGER, None, "/o/")
    assert accounts.open_account(by=manager, account=new_account(organization_path="/o/a/"))
    with pytest.raises(Refused):
        accounts.open_account(by=manager, account=new_account())


def test_goods_are_named_once() -> None:
    first = goods.add_goods_item(
        by=OPERATOR, code=" RICE ", name="大米", unit_name="袋", name_en="Rice", unit_name_en="bag"
    )
    again = {
        "by": OPERATOR,
        "code": "RICE",
        "name": "大米",
        "unit_name": "袋",
        "name_en": "Rice",
        "unit_name_en": "bag",
    }
    assert goods.add_goods_item(**again).pk == first.pk  # type: ignore[arg-type]  # of mixed types
    with pytest.raises(goods.GoodsItemDiffers):
        goods.add_goods_item(**{**again, "unit_name": "公斤"})  # type: ignore[arg-type]  # likewise
    for wrong in ({"code": ""}, {"name": " "}, {"unit_name": ""}, {"code": "x" * 61}, {"name": "x" * 101}):
        with pytest.raises(goods.GoodsItemInvalid):
            goods.add_goods_item(**{**again, **wrong})  # type: ignore[arg-type]  # likewise
    with pytest.raises(Refused):
        goods.add_goods_item(**{**again, "by": holder(policy.DISTRICT_ADMIN), "code": "OIL"})  # type: ignore[arg-type]  # likewise
    assert list(goods_items(Actor.anonymous())) == list(GoodsItem.objects.all()) == [first]


def test_a_statement_pages_back_to_the_first_entry(query_counter: QueryCounter) -> None:
    source, fund = make_source(), make_account()
    made = [pay(source, fund, amount) for amount in range(1, 8)]
    undone = transfers.reverse_transfer(
        by=OPERATOR, transfer_id=made[3].pk, key="reversal-1", reason="登记错误"
    )
    lines, before, pages = [], None, 0
    while True:
        page = queries.statement(OPERATOR, fund.pk, before=before, limit=3)
        lines += page.lines
        before, pages = page.next_before, pages + 1
        if before is None:
            break
    assert pages == 3
    assert [line.sequence for line in lines] == list(range(8, 0, -1))
    assert [line.amount for line in reversed(lines)] == [1, 2, 3, 4, 5, 6, 7, -4]
    assert [line.balance for line in reversed(lines)] == [1, 3, 6, 10, 15, 21, 28, 24]
    assert (lines[0].reverses_id, lines[0].reason) == (made[3].pk, "登记错误")
    assert lines[4].reversed_by_id == undone.pk
    assert lines[1].reversed_by_id is None
    assert queries.account(OPERATOR, fund.pk).balance == 24
    with query_counter.at_most(2):
        queries.statement(OPERATOR, fund.pk, limit=200)
    assert len(queries.statement(OPERATOR, fund.pk, limit=0).lines) == 1


def test_movements_of_a_holder_over_all_accounts(query_counter: QueryCounter) -> None:
    volunteer = uuid4()
    here, there = (make_source(holder_id=volunteer, place_id=uuid4(), place_path=p) for p in (PATH, "/44/"))
    project = make_account()
    for number in range(4):
        pay(here if number % 2 else there, project, number + 1)
    first = transfer_queries.transfers_of(OPERATOR, volunteer, limit=3)
    assert [line.amount for line in first.lines] == [-4, -3, -2]
    rest = transfer_queries.transfers_of(OPERATOR, volunteer, before=first.next_before, limit=3)
    assert ([line.amount for line in rest.lines], rest.next_before) == ([-1], None)
    assert {row.balance for row in queries.accounts_of(OPERATOR, volunteer)} == {-6, -4}
    assert not queries.accounts_of(OPERATOR, volunteer, unit="FEN")
    assert not queries.accounts_of(OPERATOR, volunteer, purpose="X")
    with query_counter.at_most(1):
        transfer_queries.transfers_of(OPERATOR, volunteer)


def test_what_each_may_see() -> None:
    volunteer = Actor("account", "x", uuid4(), uuid4())
    assert volunteer.person_id
    mine = make_source(holder_id=volunteer.person_id)
    project = make_account(place_path="/44/")
    made = pay(mine, project, 60)
    worker = holder(policy.COMMUNITY_WORKER)
    for actor in (volunteer, worker, holder(policy.AUDITOR)):
        assert queries.account(actor, mine.pk).balance == -60
        assert [line.amount for line in queries.statement(actor, mine.pk).lines] == [-60]
        assert [line.amount for line in transfer_queries.transfer(actor, made.pk).lines] == [-60]
        assert [line.amount for line in transfer_queries.transfers_of(actor, volunteer.person_id).lines] == [
            -60
        ]
        with pytest.raises(AccountNotFound):
            queries.statement(actor, project.pk)
    assert [line.amount for line in transfer_queries.transfer(OPERATOR, made.pk).lines] == [-60, 60]
    for actor in (
        Actor.anonymous(),
        Actor("account", "x", uuid4(), uuid4()),
        holder(policy.DISTRICT_VIEWER),
        holder(policy.COMMUNITY_WORKER, "/31/"),
    ):
        with pytest.raises(AccountNotFound):
            queries.account(actor, mine.pk)
        with pytest.raises(TransferNotFound):
            transfer_queries.transfer(actor, made.pk)
        assert not transfer_queries.transfers_of(actor, volunteer.person_id).lines
        assert not queries.accounts_of(actor, volunteer.person_id)


def test_totals_of_a_place(query_counter: QueryCounter) -> None:
    rice = goods.add_goods_item(by=OPERATOR, code="RICE", name="大米", unit_name="袋")

    def fill() -> None:
        for path, amount in ((PATH, 60), (PATH + "150603001/", 30), ("/44/", 5)):
            pay(make_source(place_path=path), make_account(place_path=path), amount)
            pay(
                make_source(place_path=path, unit="GOODS", item=rice),
                make_account(place_path=path, unit="GOODS", item=rice),
                2,
            )

    fill()
    with query_counter.at_most(1):
        found = queries.totals(OPERATOR, PATH)
    assert [(t.holder_kind, t.unit, t.item_code, t.accounts, t.balance) for t in found] == [
        ("PERSON", "GOODS", "RICE", 2, -4),
        ("PERSON", "MINUTES", "", 2, -90),
        ("PROJECT", "GOODS", "RICE", 2, 4),
        ("PROJECT", "MINUTES", "", 2, 90),
    ]
    assert sum(t.balance for t in queries.totals(OPERATOR, "/") if t.unit == "MINUTES") == 0
    assert queries.totals(holder(policy.DISTRICT_VIEWER), "/") == found
    assert queries.totals(holder(policy.DISTRICT_VIEWER, "/31/"), "/") == []
    assert queries.totals(Actor.anonymous(), "/") == []
    fill()
    with query_counter.at_most(1):
        assert queries.totals(OPERATOR, PATH)[0].balance == -8


def test_accounts_follow_the_trees() -> None:
    inside = make_account(place_path=PATH + "150603001/", spend_place_path=PATH)
    beside = make_account(place_path="/15/1506/150604/")
    team = make_account(organization_path="/a/b/")
    accounts.accounts_follow_places(PATH, "/44/4403/150603/")
    accounts.accounts_follow_organizations("/a/b/", "/c/b/")
    for row in (inside, beside, team):
        row.refresh_from_db()
    assert (inside.place_path, inside.spend_place_path) == ("/44/4403/150603/150603001/", "/44/4403/150603/")
    assert (beside.place_path, beside.spend_place_path, beside.organization_path) == (
        "/15/1506/150604/",
        "",
        "",
    )
    assert (team.organization_path, team.place_path) == ("/c/b/", "/44/4403/150603/")
