"""A book that anything may happen to, in any order: after every step it balances, and agrees with a plain model of it."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.ledger.book import OPERATOR, PATH, WHEN, new_account, new_transfer
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem
from wushe.ledger.models import Entry, LedgerAccount, Transfer
from wushe.ledger.operations import accounts, goods, transfers
from wushe.ledger.operations.accounts import NewAccount
from wushe.ledger.operations.transfers import NewTransfer
from wushe.ledger.queries.verification import verify

PURPOSES = ("", "ELDERLY", "YOUTH")
PLACES = (PATH, "/15/1506/", "/44/")


class Book(RuleBasedStateMachine):
    """Accounts, transfers of two to four legs, batches, retries, altered retries, reversals; each judged by the plain model."""

    opened = Bundle("opened")
    posted = Bundle("posted")

    def __init__(self) -> None:
        super().__init__()
        self._outer = transaction.atomic()
        self._outer.__enter__()
        self.item = goods.add_goods_item(by=OPERATOR, code="RICE", name="大米", unit_name="袋")
        self.terms: dict[UUID, NewAccount] = {}
        self.balances: dict[UUID, int] = {}
        self.transfers: dict[UUID, NewTransfer] = {}
        self.reversed: dict[UUID, UUID] = {}
        self.lowest: dict[UUID, int | None] = {}
        self.events = AuditEvent.objects.count()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._outer.__exit__(None, None, None)

    @rule(
        target=opened,
        unit=st.sampled_from(["MINUTES", "FEN", "GOODS"]),
        floor=st.sampled_from([0, 0, -30, None]),
        purpose=st.sampled_from(PURPOSES),
        place=st.sampled_from(["", "/15/"]),
        until=st.sampled_from([None, None, date(2026, 1, 4)]),
    )
    def open(self, unit: str, floor: int | None, purpose: str, place: str, until: date | None) -> UUID:
        new = new_account(
            unit=unit, item=self.item if unit == "GOODS" else None, floor=floor, purpose=purpose, spend_place_path=place, spend_until=until,
        )  # fmt: skip
        made = accounts.open_account(by=OPERATOR, account=new)
        self.terms[made.pk], self.balances[made.pk] = new, 0
        self.events += 1
        return made.pk

    @rule(account=opened)
    def open_again(self, account: UUID) -> None:
        assert accounts.open_account(by=OPERATOR, account=self.terms[account]).pk == account

    def _expected(self, new: NewTransfer) -> str:
        """Say by the words of the design, without the program's rules, whether a transfer may be: "" when it may."""
        touched = [leg.account_id for leg in new.legs]
        if len(set(touched)) != len(touched) or any(leg.amount == 0 for leg in new.legs):
            return "shape"
        for unit in ("MINUTES", "FEN", "GOODS"):
            if sum(leg.amount for leg in new.legs if self.terms[leg.account_id].unit == unit):
                return "sum"
        for leg in new.legs:
            terms = self.terms[leg.account_id]
            if leg.amount < 0 and (
                (terms.purpose and terms.purpose != new.purpose)
                or not new.place_path.startswith(terms.spend_place_path)
                or (terms.spend_until and new.effective_at.date() > terms.spend_until)
                or (terms.floor is not None and self.balances[leg.account_id] + leg.amount < terms.floor)
            ):
                return "terms"
        return ""

    def _apply(self, new: NewTransfer, sign: int = 1) -> None:
        for leg in new.legs:
            self.balances[leg.account_id] += sign * leg.amount

    @rule(
        target=posted,
        pairs=st.lists(st.tuples(opened, opened, st.integers(-5, 60)), min_size=1, max_size=2),
        purpose=st.sampled_from(PURPOSES),
        place=st.sampled_from(PLACES),
        days=st.integers(0, 3),
        slip=st.sampled_from([0, 0, 0, 0, 1]),
    )
    def post(
        self, pairs: list[tuple[UUID, UUID, int]], purpose: str, place: str, days: int, slip: int
    ) -> UUID | None:
        legs = [
            part
            for source, target, amount in pairs
            for part in ((_stub(source), -amount), (_stub(target), amount + slip))
        ]
        new = new_transfer(
            *legs,
            key=f"machine-{uuid4()}",
            purpose=purpose,
            place_path=place,
            effective_at=WHEN - timedelta(days=days),
        )
        expected = self._expected(new)
        try:
            with transaction.atomic():
                made = transfers.post_transfer(by=OPERATOR, transfer=new)
        except Problem:
            made = None
        assert (made is None) == bool(expected), expected or "refused what may be"
        if made is None:
            return None
        self._apply(new)
        self.transfers[made.pk] = new
        self.events += 1
        return made.pk

    @precondition(lambda self: self.transfers)
    @rule(data=st.data(), count=st.integers(2, 25))
    def post_batch(self, data: st.DataObject, count: int) -> None:
        """Transfers as posted before, each under a new key, some under their old one: all or none."""
        old = data.draw(
            st.lists(st.sampled_from(list(self.transfers.values())), min_size=count, max_size=count)
        )
        batch = [
            new_transfer(key=new.key if n % 5 == 4 else f"batch-{uuid4()}", legs=new.legs, purpose=new.purpose,
                         place_path=new.place_path, effective_at=new.effective_at)
            for n, new in enumerate(old)
        ]  # fmt: skip
        before = dict(self.balances)
        known = {new.key for new in self.transfers.values()}
        fits, fresh = True, 0
        for new in batch:
            if new.key not in known:
                fits = fits and not self._expected(new)
                self._apply(new)
                fresh += 1
        try:
            with transaction.atomic():
                made = transfers.post_transfers(by=OPERATOR, transfers=batch)
        except Problem:
            made = None
        assert (made is not None) == fits
        if made is None:
            self.balances = before
            return
        self.events += bool(fresh)
        self.transfers |= {row.pk: new for row, new in zip(made, batch, strict=True)}

    @rule(transfer=posted)
    def retry(self, transfer: UUID | None) -> None:
        if transfer is not None:
            again = transfers.post_transfer(by=OPERATOR, transfer=self.transfers[transfer])
            assert again.pk == transfer

    @rule(transfer=posted)
    def retry_with_other_content(self, transfer: UUID | None) -> None:
        if transfer is not None:
            new = self.transfers[transfer]
            other = new_transfer(key=new.key, legs=new.legs, note="other", effective_at=new.effective_at)
            with pytest.raises(transfers.TransferKeyReused), transaction.atomic():
                transfers.post_transfer(by=OPERATOR, transfer=other)

    @rule(transfer=posted, again=st.booleans())
    def reverse(self, transfer: UUID | None, again: bool) -> None:
        if transfer is None:
            return
        new = self.transfers[transfer]
        key = f"reverse-{transfer}" if again else f"reverse-{uuid4()}"
        earlier = self.reversed.get(transfer)
        fits = all(
            leg.amount < 0
            or (floor := self.terms[leg.account_id].floor) is None
            or self.balances[leg.account_id] - leg.amount >= floor
            for leg in new.legs
        )
        try:
            with transaction.atomic():
                made = transfers.reverse_transfer(
                    by=OPERATOR, transfer_id=transfer, key=key, reason="登记错误"
                )
        except Problem:
            made = None
        assert (made is not None) == (again if earlier else fits)
        if made is None:
            return
        assert made.reverses_id == transfer
        if earlier:
            assert made.pk == earlier, "reversed twice"
            return
        self.reversed[transfer] = made.pk
        self._apply(new, -1)
        self.events += 1

    @invariant()
    def the_book_balances(self) -> None:
        report = verify(OPERATOR)
        assert report.ok, report.findings
        rows = {row.pk: row for row in LedgerAccount.objects.filter(pk__in=self.balances)}
        assert {pk: row.balance for pk, row in rows.items()} == self.balances
        assert all(row.floor is None or row.balance >= row.floor for row in rows.values())
        recount: dict[UUID, int] = dict.fromkeys(rows, 0)
        per_unit: dict[str, int] = {}
        for account, amount in Entry.objects.values_list("account_id", "amount"):
            recount[account] += amount
            per_unit[rows[account].unit] = per_unit.get(rows[account].unit, 0) + amount
        assert recount == self.balances
        assert not any(per_unit.values())
        assert Transfer.objects.count() == len(self.transfers) + len(self.reversed)
        # One row for the goods, one for each account, transfer, batch and reversal; none for what was refused or came again.
        assert AuditEvent.objects.count() == self.events


def _stub(account: UUID) -> Any:
    return LedgerAccount(id=account)


@pytest.mark.django_db
def test_whatever_happens_the_book_balances(size: str) -> None:
    run_state_machine_as_test(
        Book,
        settings=settings(
            max_examples=200 if size == "full" else 25,
            stateful_step_count=40 if size == "full" else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
