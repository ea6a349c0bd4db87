"""Transfers: the zero sum, retries, terms of accounts, reversal, rights, audit, bulk."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from tests.ledger.book import (
    OPERATOR,
    PATH,
    PLACE,
    WHEN,
    balance,
    holder,
    make_account,
    make_source,
    new_transfer,
    pay,
    recounted,
)
from tests.support.queries import QueryCounter
from wushe.kernel import policy
from wushe.kernel.append_only import AppendOnlyViolation
from wushe.kernel.models import AuditEvent
from wushe.kernel.policy import Refused
from wushe.kernel.problems import Problem
from wushe.ledger.models import Entry, LedgerAccount, Transfer
from wushe.ledger.operations import goods, transfers
from wushe.ledger.operations.transfers import (
    AccountUnknown,
    TransferInvalid,
    TransferKeyReused,
    TransferRefused,
    TransferReversed,
    TransferUnknown,
)
from wushe.ledger.rules import Leg

pytestmark = pytest.mark.django_db


def code_of(kind: type[Problem], act: Callable[[], Any]) -> str:
    """Return the code of the problem that `act` ends in, without "ledger.transfer."; nothing is written by it."""
    before = (Transfer.objects.count(), Entry.objects.count(), AuditEvent.objects.count())
    with pytest.raises(kind) as refused:
        act()
    assert (Transfer.objects.count(), Entry.objects.count(), AuditEvent.objects.count()) == before
    assert refused.value.message
    return refused.value.code.removeprefix("ledger.transfer.")


def test_minutes_pass_from_a_volunteer_to_a_project() -> None:
    volunteer, project = make_source(), make_account()
    made = pay(volunteer, project, 90, purpose="VISITS", note="探访")
    assert (balance(volunteer), balance(project)) == (-90, 90)
    assert (made.effective_at, made.purpose, made.note) == (WHEN, "VISITS", "探访")
    assert made.recorded_at > made.effective_at
    entries = Entry.objects.filter(transfer=made).order_by("amount")
    assert [(e.amount, e.balance, e.sequence) for e in entries] == [(-90, -90, 1), (90, 90, 1)]
    pay(volunteer, project, 30)
    assert list(
        Entry.objects.filter(account=project).order_by("sequence").values_list("sequence", "balance")
    ) == [(1, 90), (2, 120)]


def test_one_transfer_writes_one_audit_row() -> None:
    volunteer, project = make_source(), make_account()
    before = AuditEvent.objects.count()
    made = pay(volunteer, project, 90)
    event = AuditEvent.objects.latest("id")
    assert AuditEvent.objects.count() == before + 1
    assert (event.verb, event.target_label, event.target_id) == ("post", "ledger.Transfer", str(made.pk))
    assert event.place_path == PATH
    assert str(project.pk) in (event.after or "")
    transfers.reverse_transfer(by=OPERATOR, transfer_id=made.pk, key="reversal-1", reason="登记错误")
    assert AuditEvent.objects.count() == before + 2
    assert AuditEvent.objects.latest("id").verb == "reverse"


def test_one_transfer_moves_several_units_and_each_adds_up() -> None:
    rice = goods.add_goods_item(by=OPERATOR, code="RICE", name="大米", unit_name="袋")
    oil = goods.add_goods_item(by=OPERATOR, code="OIL", name="食用油", unit_name="桶")
    shop, project = uuid4(), uuid4()
    legs = []
    for item, amount in ((rice, 5), (oil, 2)):
        legs.append((make_source(holder_id=shop, unit="GOODS", item=item), -amount))
        legs.append((make_account(holder_id=project, unit="GOODS", item=item), amount))
    transfers.post_transfer(by=OPERATOR, transfer=new_transfer(*legs))
    assert [balance(account) for account, _ in legs] == [-5, 5, -2, 2]
    crossed = [(account, amount * 2 if number else amount) for number, (account, amount) in enumerate(legs)]
    assert (
        code_of(
            TransferInvalid, lambda: transfers.post_transfer(by=OPERATOR, transfer=new_transfer(*crossed))
        )
        == "not_zero"
    )
    swapped = [(legs[0][0], -2), (legs[3][0], 2)]
    assert (
        code_of(
            TransferInvalid, lambda: transfers.post_transfer(by=OPERATOR, transfer=new_transfer(*swapped))
        )
        == "not_zero"
    )


def test_a_retry_returns_the_first_and_other_content_is_refused() -> None:
    volunteer, project = make_source(), make_account()
    new = new_transfer((volunteer, -60), (project, 60), key="service.record:1", purpose="A")
    first = transfers.post_transfer(by=OPERATOR, transfer=new)
    before = AuditEvent.objects.count()
    turned = replace(new, legs=tuple(reversed(new.legs)), place_path="/99/")
    for again in (new, turned, replace(new, effective_at=WHEN.astimezone(timezone.get_fixed_timezone(480)))):
        assert transfers.post_transfer(by=OPERATOR, transfer=again).pk == first.pk
    assert (balance(project), AuditEvent.objects.count()) == (60, before)
    for other in (
        replace(new, legs=(Leg(volunteer.pk, -61), Leg(project.pk, 61))),
        replace(new, purpose="B"),
        replace(new, note="x"),
        replace(new, effective_at=WHEN - timedelta(seconds=1)),
        replace(new, place_id=uuid4()),
    ):
        code = code_of(
            TransferKeyReused, lambda other=other: transfers.post_transfer(by=OPERATOR, transfer=other)
        )
        assert code == "ledger.key_reused"
    assert balance(project) == 60


def test_a_retry_is_harmless_after_the_money_is_gone() -> None:
    source, fund, project = (make_source(unit="FEN"), make_account(unit="FEN"), make_account(unit="FEN"))
    pay(source, fund, 30_000)
    new = new_transfer((fund, -30_000), (project, 30_000))
    first = transfers.post_transfer(by=OPERATOR, transfer=new)
    assert transfers.post_transfer(by=OPERATOR, transfer=new).pk == first.pk
    assert code_of(TransferRefused, lambda: pay(fund, project, 1)) == "below_floor"


def test_what_a_transfer_must_be() -> None:
    a, b = make_source(), make_account()

    def post(*legs: tuple[Any, Any], **fields: Any) -> Callable[[], Any]:
        return lambda: transfers.post_transfer(by=OPERATOR, transfer=new_transfer(*legs, **fields))

    assert code_of(TransferInvalid, post((a, -1))) == "too_few_legs"
    assert code_of(TransferInvalid, post((a, -1), (a, 1))) == "account_twice"
    for amount in (0, True, 1.0, "1", 10**12 + 1):
        assert code_of(TransferInvalid, post((a, amount), (b, 1))) == "amount_invalid"
    assert code_of(TransferInvalid, post((a, -1), (b, 2))) == "not_zero"
    for key in ("short", "k" * 201, "with\nnewline"):
        assert code_of(TransferInvalid, post((a, -1), (b, 1), key=key)) == "key_invalid"
    late = timezone.now() + timedelta(minutes=1)
    assert code_of(TransferInvalid, post((a, -1), (b, 1), effective_at=late)) == "time_invalid"
    assert (
        code_of(TransferInvalid, post((a, -1), (b, 1), effective_at=datetime(2026, 1, 1))) == "time_invalid"
    )
    assert code_of(TransferInvalid, post((a, -1), (b, 1), note="x" * 501)) == "invalid"
    assert code_of(TransferInvalid, post((a, -1), (b, 1), purpose="x" * 61)) == "invalid"
    unknown = LedgerAccount(id=uuid4())
    assert code_of(AccountUnknown, post((unknown, -1), (b, 1))) == "ledger.account_unknown"
    full = make_source()
    LedgerAccount.objects.filter(pk=full.pk).update(balance=-(10**15))
    assert code_of(TransferRefused, post((full, -1), (b, 1))) == "too_much_held"


def test_what_an_account_may_be_spent_on() -> None:
    source, project = make_source(unit="FEN"), make_account(unit="FEN")
    fund = make_account(
        unit="FEN", purpose="ELDERLY", spend_place_path="/15/1506/", spend_until=date(2026, 6, 30)
    )
    # The limits bind what is taken out, not what is put in.
    pay(source, fund, 1000, purpose="", effective_at=datetime(2026, 8, 1, tzinfo=UTC))
    fits = {"purpose": "ELDERLY", "place_path": "/15/1506/150603/"}
    # 30 June 23:59 in China is the last minute.
    last = datetime(2026, 6, 30, 15, 59, tzinfo=UTC)
    pay(fund, project, 100, **fits, effective_at=last)
    for field, value, code in (
        ("purpose", "YOUTH", "wrong_purpose"),
        ("purpose", "", "wrong_purpose"),
        ("place_path", "/15/1507/", "wrong_place"),
        ("place_path", "/", "wrong_place"),
        ("effective_at", last + timedelta(minutes=1), "too_late"),
    ):
        assert (
            code_of(TransferRefused, lambda f=field, v=value: pay(fund, project, 100, **{**fits, f: v}))
            == code
        )
    assert code_of(TransferRefused, lambda: pay(fund, project, 901, **fits)) == "below_floor"
    assert balance(fund) == 900


def test_a_credit_reaches_down_to_its_floor() -> None:
    source, bank = make_source(), make_account(floor=-600)
    pay(bank, source, 600)
    assert code_of(TransferRefused, lambda: pay(bank, source, 1)) == "below_floor"


def test_a_reversal_takes_back_once_and_points_at_what_it_reverses() -> None:
    volunteer, project = make_source(), make_account()
    made = pay(volunteer, project, 90, purpose="VISITS")

    def reverse(key: str = "reversal-1", reason: str = "签到错误", transfer: UUID = made.pk) -> Transfer:
        return transfers.reverse_transfer(by=OPERATOR, transfer_id=transfer, key=key, reason=reason)

    undone = reverse()
    assert (undone.reverses_id, undone.reason, undone.effective_at) == (
        made.pk,
        "签到错误",
        made.effective_at,
    )
    assert undone.recorded_at > made.recorded_at
    assert (balance(volunteer), balance(project)) == (0, 0)
    assert reverse().pk == undone.pk, "a retry returns the first reversal"
    assert code_of(TransferReversed, lambda: reverse("reversal-2")) == "ledger.already_reversed"
    assert (
        code_of(TransferReversed, lambda: reverse("reversal-3", transfer=undone.pk))
        == "ledger.already_reversed"
    )
    assert code_of(TransferKeyReused, lambda: reverse(reason="另一原因")) == "ledger.key_reused"
    assert code_of(TransferInvalid, lambda: reverse("reversal-4", reason=" ")) == "invalid"
    assert code_of(TransferInvalid, lambda: reverse("short")) == "key_invalid"
    assert (
        code_of(TransferUnknown, lambda: reverse("reversal-5", transfer=uuid4())) == "ledger.transfer_unknown"
    )
    assert balance(project) == recounted(project) == 0


def test_a_reversal_is_no_spending_but_keeps_the_floor() -> None:
    source, other = make_source(unit="FEN"), make_account(unit="FEN")
    fund = make_account(unit="FEN", purpose="ELDERLY", spend_until=date(2026, 1, 1))
    gift = pay(source, fund, 500)
    second = pay(source, fund, 300)
    transfers.reverse_transfer(by=OPERATOR, transfer_id=gift.pk, key="reversal-1", reason="重复登记")
    assert balance(fund) == 300
    pay(fund, other, 200, purpose="ELDERLY", effective_at=datetime(2025, 12, 31, tzinfo=UTC))
    code = code_of(
        TransferRefused,
        lambda: transfers.reverse_transfer(by=OPERATOR, transfer_id=second.pk, key="reversal-2", reason="x"),
    )
    assert code == "below_floor"


def test_taking_out_needs_the_right_at_the_account_and_putting_in_does_not() -> None:
    there = "/44/4403/440307/"
    here_source, here = make_source(), make_account()
    there_source, other = make_source(place_path=there), make_account(place_path=there)
    worker = holder(policy.COMMUNITY_WORKER)

    def post(by: Any, source: Any, target: Any) -> Transfer:
        return transfers.post_transfer(by=by, transfer=new_transfer((source, -1), (target, 1)))

    made = post(worker, here_source, other)
    for by, source, target in (
        (worker, there_source, here),
        (holder(policy.DISTRICT_VIEWER), here_source, here),
        (holder(policy.AUDITOR), here_source, here),
        (holder(policy.ORGANIZATION_MANAGER, None, "/o/"), here_source, here),
    ):
        with pytest.raises(Refused):
            post(by, source, target)
    with pytest.raises(Refused):
        transfers.reverse_transfer(by=worker, transfer_id=made.pk, key="reversal-1", reason="x")
    transfers.reverse_transfer(
        by=holder(policy.COMMUNITY_WORKER, there), transfer_id=made.pk, key="reversal-1", reason="x"
    )
    team = make_source(organization_path="/o/a/")
    post(holder(policy.ORGANIZATION_MANAGER, None, "/o/"), team, here)


def test_a_batch_is_all_or_none_and_writes_one_audit_row() -> None:
    source, fund = make_source(), make_account()
    first = pay(source, fund, 10, key="batch-key-0")
    before = AuditEvent.objects.count()
    batch = [new_transfer((source, -10), (fund, 10), key=f"batch-key-{n}") for n in range(60)]
    made = transfers.post_transfers(by=OPERATOR, transfers=[*batch, batch[7]])
    assert [transfer.key for transfer in made] == [new.key for new in [*batch, batch[7]]]
    assert (made[0].pk, made[-1].pk) == (first.pk, made[7].pk)
    assert (balance(fund), balance(source)) == (600, -600)
    assert AuditEvent.objects.count() == before + 1
    event = AuditEvent.objects.latest("id")
    assert (event.verb, event.target_id) == ("post_many", str(made[1].batch_id))
    assert '"transfers":59' in (event.after or "")
    again = transfers.post_transfers(by=OPERATOR, transfers=batch)
    assert [transfer.pk for transfer in again] == [transfer.pk for transfer in made[:60]]
    assert (balance(fund), AuditEvent.objects.count()) == (600, before + 1)
    overdrawn = [new_transfer((fund, -200), (source, 200)) for _ in range(4)]
    assert (
        code_of(TransferRefused, lambda: transfers.post_transfers(by=OPERATOR, transfers=overdrawn))
        == "below_floor"
    )
    assert balance(fund) == recounted(fund) == 600
    same_key = [replace(batch[0], key="batch-key-x"), replace(batch[0], key="batch-key-x", note="y")]
    assert (
        code_of(TransferKeyReused, lambda: transfers.post_transfers(by=OPERATOR, transfers=same_key))
        == "ledger.key_reused"
    )
    assert transfers.post_transfers(by=OPERATOR, transfers=[]) == []


def test_a_batch_is_read_back_as_single_transfers_are() -> None:
    one, many = (make_source(), make_account()), (make_source(), make_account())
    amounts = list(range(1, 40))
    for amount in amounts:
        pay(*one, amount)
    news = [new_transfer((many[0], -amount), (many[1], amount)) for amount in amounts]
    made = transfers.post_transfers(by=OPERATOR, transfers=news)
    assert list(Transfer.objects.filter(pk__in=[row.pk for row in made]).order_by("pk")) == made
    columns = (
        "sequence",
        "amount",
        "balance",
        "transfer__effective_at",
        "transfer__note",
        "transfer__place_id",
    )
    for single, bulk in zip(one, many, strict=True):
        rows = [
            list(Entry.objects.filter(account=a).order_by("sequence").values_list(*columns))
            for a in (single, bulk)
        ]
        assert rows[0] == rows[1]
        assert rows[0][0][-1] == PLACE


def test_queries_do_not_grow_with_the_batch(query_counter: QueryCounter) -> None:
    source, fund = make_source(), make_account()

    def post(count: int) -> None:
        transfers.post_transfers(
            by=OPERATOR, transfers=[new_transfer((source, -1), (fund, 1)) for _ in range(count)]
        )

    with query_counter.count() as small:
        post(30)
    with query_counter.count() as large:
        post(300)
    assert large.count == small.count
    with query_counter.at_most(10):
        pay(source, fund, 1)


def test_the_database_keeps_the_book_against_those_who_go_round_the_code() -> None:
    source, fund = make_source(), make_account()
    made = pay(source, fund, 5)
    entry = Entry.objects.get(transfer=made, account=fund)

    def tries() -> list[Callable[[], Any]]:
        again = {"transfer": made, "account": fund, "amount": 1, "balance": 6}
        return [
            lambda: LedgerAccount.objects.filter(pk=fund.pk).update(balance=-1),
            lambda: LedgerAccount.objects.filter(pk=fund.pk).update(floor=1),
            lambda: Entry.objects.create(**again, sequence=2),
            lambda: Entry.objects.create(**{**again, "transfer": pay(source, fund, 1), "sequence": 1}),
            lambda: Transfer.objects.create(
                key=made.key, digest="x", effective_at=WHEN, recorded_at=WHEN, place_id=PLACE
            ),
            lambda: Transfer.objects.create(
                key="other-key",
                digest="x",
                effective_at=WHEN,
                recorded_at=WHEN,
                place_id=PLACE,
                reverses=made,
            ),
            lambda: LedgerAccount.objects.filter(pk=fund.pk).delete(),
        ]

    for attempt in tries():
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()
    for row in (made, entry):
        with pytest.raises(AppendOnlyViolation):
            row.save()
        with pytest.raises(AppendOnlyViolation):
            row.delete()
    for rows in (Transfer.objects.all(), Entry.objects.all()):
        with pytest.raises(AppendOnlyViolation):
            rows.delete()
        with pytest.raises(DatabaseError), transaction.atomic():
            _delete_by_hand(rows.model)
    assert balance(fund) == recounted(fund) == 5


def _delete_by_hand(model: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
