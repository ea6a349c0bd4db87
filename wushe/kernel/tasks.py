"""The kernel's own repeated work. Imported by every worker."""

import time
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from wushe.kernel import background, idempotency, outbox, sealing, throttle
from wushe.kernel.schedule import scheduled

_looked: dict[str, float] = {}


@scheduled(every=timedelta(seconds=1), alone=False)
def seal_audit_trail() -> None:
    """Seal what was just written. Now and then look further back, for what was committed late."""
    now = time.monotonic()
    if now - _looked.get("all", float("-inf")) > 3600:
        _looked["all"] = _looked["hour"] = now
        sealing.seal()
    elif now - _looked["hour"] > 60:
        _looked["hour"] = now
        sealing.seal(timezone.now() - timedelta(hours=1))
    else:
        sealing.seal(timezone.now() - timedelta(minutes=1))


@scheduled(every=timedelta(hours=1))
def sign_checkpoint() -> None:
    """Sign how far the chain reaches, if it grew."""
    sealing.sign_if_grown()


@scheduled(every=timedelta(seconds=2), alone=False)
def deliver_messages() -> None:
    """Hand due messages to their adapters."""
    outbox.deliver_due()


@scheduled(every=timedelta(seconds=30), alone=False)
def revive_tasks() -> None:
    """Give tasks of dead workers back to the queue."""
    background.revive()


@scheduled(every=timedelta(days=1))
def prune() -> None:
    """Delete what has served: refilled throttle buckets, old first answers, finished tasks, expired sessions."""
    throttle.prune()
    idempotency.prune()
    background.prune()
    call_command("clearsessions")
