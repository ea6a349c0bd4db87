"""The book: accounts with their balances, the kinds of goods, transfers and their entries."""

from typing import TypeVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.append_only import AppendOnlyModel, AppendOnlyQuerySet
from wushe.kernel.fields import KeyField
from wushe.kernel.ids import new_id
from wushe.kernel.scoping import ScopedModel, ScopedQuerySet
from wushe.ledger import rules

M = TypeVar("M", bound=models.Model)


class GoodsItem(models.Model):
    """One row per kind of goods that is counted in the book (物品种类), with the unit it is counted in.

    Not stored: what one is worth (a dated value with its source, where an evaluation asks for it).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = KeyField(max_length=rules.CODE_LENGTH, unique=True)
    name = models.CharField(_("名称"), max_length=100)
    name_en = models.CharField(max_length=100, blank=True)
    unit_name = models.CharField(_("计量单位"), max_length=30)
    unit_name_en = models.CharField(max_length=30, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="goods_item_named", condition=~Q(code="") & ~Q(name="") & ~Q(unit_name="")
            )
        ]

    def __str__(self) -> str:
        return self.code


class LedgerAccount(ScopedModel):
    """One row per holder, place, unit and purpose (账户): what the holder has, and on what terms it may be spent.

    The holder is a kind ("PERSON", "PROJECT", "FUND" …), a UUID and the place where the account is kept, without foreign keys: the
    room that owns the holder opens the account, and rooms above the book may come and go. A person's UUID is a pseudonym; no name is stored.
    `balance` and `entry_count` follow from the entries and are kept in the transaction that writes them; `ledger verify` adds
    them up again. `floor` is the least balance, null for a source (what somebody gives), which may go below zero. Not stored:
    who runs the holder (the rooms above know).
    """

    class Unit(models.TextChoices):
        MINUTES = "MINUTES", _("分钟")
        FEN = "FEN", _("分（人民币）")
        GOODS = "GOODS", _("物品")

    class Scope:
        data_class = "ledger"
        own = "holder_id"
        place = "place_path"
        organization = "organization_path"

    holder_kind = KeyField(max_length=30)
    holder_id = models.UUIDField()
    place_id = models.UUIDField()
    place_path = KeyField(max_length=255)
    organization_path = KeyField(max_length=255, default="")
    unit = models.CharField(max_length=8, choices=Unit)
    item = models.ForeignKey(GoodsItem, on_delete=models.PROTECT, null=True, related_name="accounts")
    purpose = KeyField(max_length=rules.CODE_LENGTH, default="")
    floor = models.BigIntegerField(null=True, default=0)
    spend_place_path = KeyField(max_length=255, default="")
    spend_until = models.DateField(null=True)
    balance = models.BigIntegerField(default=0)
    entry_count = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="ledger_account_once",
                fields=["holder_id", "holder_kind", "place_id", "unit", "purpose"],
                condition=Q(item__isnull=True),
            ),
            models.UniqueConstraint(
                name="ledger_account_goods_once",
                fields=["holder_id", "holder_kind", "place_id", "item", "purpose"],
                condition=Q(item__isnull=False),
            ),
            models.CheckConstraint(
                name="ledger_account_unit",
                condition=Q(unit__in=("MINUTES", "FEN"), item__isnull=True)
                | Q(unit="GOODS", item__isnull=False),
            ),
            models.CheckConstraint(name="ledger_account_holder", condition=~Q(holder_kind="")),
            models.CheckConstraint(name="ledger_account_placed", condition=~Q(place_path="")),
            # The floor: whatever transfers run side by side, the one that would break it fails here at the latest.
            models.CheckConstraint(
                name="ledger_account_floor", condition=Q(floor__isnull=True) | Q(balance__gte=F("floor"))
            ),
            models.CheckConstraint(
                name="ledger_account_floor_sane", condition=Q(floor__isnull=True) | Q(floor__lte=0)
            ),
            models.CheckConstraint(
                name="ledger_account_bounded",
                condition=Q(balance__gte=-rules.MOST_HELD, balance__lte=rules.MOST_HELD, entry_count__gte=0),
            ),
        ]
        indexes = [models.Index(fields=["place_path", "unit"], name="ledger_account_place")]

    def __str__(self) -> str:
        return f"{self.holder_kind}:{self.holder_id}"


class Transfer(AppendOnlyModel):
    """One row per movement in the book (转账): when it took effect, when it was recorded, where, what for.

    `key` is the idempotency key and `digest` what the transfer says, so that a retry is known from another transfer under the same key.
    `reverses` points at the transfer that this one takes back, with the reason; one is reversed at most once. The right to see it
    is the right to see one of its accounts. Not stored: who did it (the audit trail), the path of the place (boundaries move).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = KeyField(max_length=rules.KEY_LENGTH[1], unique=True)
    digest = models.CharField(max_length=64)
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    place_id = models.UUIDField()
    purpose = KeyField(max_length=rules.CODE_LENGTH, default="")
    note = models.CharField(max_length=rules.NOTE_LENGTH, blank=True)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversed_by")
    reason = models.CharField(max_length=rules.NOTE_LENGTH, blank=True)
    batch_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="transfer_reversal_has_reason",
                condition=(Q(reverses__isnull=True) & Q(reason=""))
                | (Q(reverses__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(name="transfer_not_its_reversal", condition=~Q(reverses=F("id"))),
            models.CheckConstraint(
                name="transfer_not_ahead", condition=Q(effective_at__lte=F("recorded_at"))
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Entries(ScopedQuerySet[M], AppendOnlyQuerySet):  # type: ignore[override]  # both give a manager of their own
    """Entries: read through the gate, never changed."""


class Entry(ScopedModel, AppendOnlyModel):
    """One row per account and transfer (分录): the amount added to the account, and what the account then held.

    `sequence` counts the entries of an account from 1 without gaps; `balance` is the account's balance after this one. So every past
    state can be read, a missing entry leaves a gap, and two writers who took the same state for theirs cannot both write.
    """

    class Scope:
        data_class = "ledger"
        own = "account__holder_id"
        place = "account__place_path"
        organization = "account__organization_path"

    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries", db_index=False)
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    sequence = models.BigIntegerField()
    amount = models.BigIntegerField()
    balance = models.BigIntegerField()

    objects = Entries.as_manager()  # type: ignore[misc,assignment]  # one manager in place of the two inherited

    class Meta:
        constraints = [
            models.UniqueConstraint(name="entry_account_sequence", fields=["account", "sequence"]),
            models.UniqueConstraint(name="entry_account_once", fields=["transfer", "account"]),
            models.CheckConstraint(
                name="entry_amount",
                condition=~Q(amount=0) & Q(amount__gte=-rules.MOST, amount__lte=rules.MOST),
            ),
            models.CheckConstraint(name="entry_sequence", condition=Q(sequence__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}:{self.sequence}"
