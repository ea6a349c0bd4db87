"""Read transfers (转账): one with its legs, and what moved on the accounts of a holder."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.ledger.models import Entry, Transfer
from wushe.ledger.queries.accounts import MOST_LINES, Line, lines_of


class TransferNotFound(Problem):
    """There is no such transfer, or the actor may see none of its accounts."""

    code = "ledger.transfer_not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """A transfer with the lines of those of its accounts that the actor may see."""

    transfer: Transfer
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Movements:
    """One page of movements, the latest recorded first; `next_before` asks for the page after it, None on the last."""

    lines: tuple[Line, ...]
    next_before: UUID | None


def transfer(actor: Actor, transfer_id: UUID) -> TransferSeen:
    """Return one transfer with the lines the actor may see. Raises `TransferNotFound` where that is none."""
    found = Entry.objects.visible_to(actor).filter(transfer_id=transfer_id)
    entries = list(found.select_related("transfer__reversed_by").order_by("amount", "pk"))
    if not entries:
        raise TransferNotFound(_("没有找到这笔转账，或不在您的权限范围内。"))
    return TransferSeen(entries[0].transfer, tuple(lines_of(entries)))


def transfers_of(actor: Actor, holder_id: UUID, *, before: UUID | None = None, limit: int = 50) -> Movements:
    """Return one page of at most `limit` movements (up to 200) on all accounts of a holder, those before the entry `before`."""
    found = Entry.objects.visible_to(actor).filter(account__holder_id=holder_id)
    if before is not None:
        found = found.filter(pk__lt=before)
    limit = max(1, min(limit, MOST_LINES))
    entries = list(found.select_related("transfer__reversed_by").order_by("-pk")[: limit + 1])
    shown = entries[:limit]
    return Movements(tuple(lines_of(shown)), shown[-1].pk if len(entries) > limit and shown else None)
