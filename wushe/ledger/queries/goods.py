"""Read the vocabulary of goods (物品种类)."""

from django.db.models import QuerySet

from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.ledger.models import GoodsItem


def goods_items(actor: Actor) -> QuerySet[GoodsItem]:
    """Return every kind of goods that the book counts, by code."""
    policy.require(actor, "view", policy.Facts("ledger.item"))
    return GoodsItem.objects.order_by("code")
