"""Repeated work: what is due when, held by one worker at a time, seen when it fails.

    @scheduled(every=timedelta(hours=1))
    def sign_checkpoint() -> None: ...

A function is due again `every` after it finished. One that fails is tried again soon (10 s, 20 s, 40 s … up to its interval) and its error stays in
the Schedule row until it succeeds. `alone=False` is for cheap work that is harmless to run in every worker: it writes no row at all, so that looking once
a second costs no commit.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from wushe.kernel.models import Schedule

logger = logging.getLogger(__name__)

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Repeated:
    """One repeated piece of work."""

    name: str
    work: Work
    every: timedelta
    alone: bool
    hold: timedelta


registry: dict[str, Repeated] = {}
_next_here: dict[str, float] = {}


def scheduled(
    *, every: timedelta, alone: bool = True, hold: timedelta = timedelta(minutes=10), name: str = ""
) -> Callable[[Work], Work]:
    """Register a function without arguments to run `every` so often.

    `hold`: how long one worker may take before another thinks it dead and starts over; a killed worker's work resumes after that.
    """

    def wrap(work: Work) -> Work:
        label = name or f"{work.__module__}.{work.__qualname__}"
        registry[label] = Repeated(label, work, every, alone, hold)
        return work

    return wrap


def tick(worker_id: str, at: datetime | None = None) -> int:
    """Run whatever is due, one after the other; return how many ran. Never raises what the work raises."""
    ran = 0
    due = _due(at or timezone.now())
    for repeated in list(registry.values()):
        if repeated.alone:
            ran += repeated.name in due and _run_alone(repeated, worker_id, at or timezone.now())
        else:
            ran += _run_here(repeated)
    return ran


def failing() -> list[Schedule]:
    """Return the repeated work whose last run failed."""
    return list(Schedule.objects.filter(failures__gt=0).order_by("name"))


def _due(now: datetime) -> set[str]:
    known = dict(Schedule.objects.values_list("name", "due_at"))
    new = [Schedule(name=r.name, due_at=now) for r in registry.values() if r.alone and r.name not in known]
    if new:
        Schedule.objects.bulk_create(new, ignore_conflicts=True)
    return {row.name for row in new} | {name for name, due_at in known.items() if due_at <= now}


def _run_alone(repeated: Repeated, worker_id: str, now: datetime) -> bool:
    mine = Schedule.objects.filter(name=repeated.name)
    held = (
        mine.filter(due_at__lte=now)
        .filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))
        .update(claimed_by=worker_id, claimed_until=now + repeated.hold)
    )
    if not held:
        return False
    error = _attempt(repeated)
    failures = 0 if error is None else (mine.values_list("failures", flat=True).first() or 0) + 1
    pause = (
        repeated.every
        if error is None
        else min(repeated.every, timedelta(seconds=5 * 2 ** min(failures, 12)))
    )
    finished = max(timezone.now(), now)
    mine.filter(claimed_by=worker_id).update(
        due_at=finished + pause,
        claimed_by="",
        claimed_until=None,
        failures=failures,
        last_error=type(error).__name__ if error is not None else "",
        **({"finished_at": finished} if error is None else {}),
    )
    return True


def _run_here(repeated: Repeated) -> bool:
    now = time.monotonic()
    if _next_here.get(repeated.name, 0.0) > now:
        return False
    error = _attempt(repeated)
    _next_here[repeated.name] = time.monotonic() + (repeated.every.total_seconds() if error is None else 10.0)
    return True


def _attempt(repeated: Repeated) -> Exception | None:
    try:
        repeated.work()
    except Exception as error:  # repeated work may raise anything; the worker must go on
        logger.exception("repeated work %s failed", repeated.name)
        return error
    return None
