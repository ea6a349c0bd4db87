"""Queued work that survives crashes: django-tasks with its database backend, plus retries with back-off and parking.

    @background(attempts=5, first_delay=10)
    def rebuild_summaries(place_id: str) -> None: ...

    rebuild_summaries.enqueue(str(place.id))     # in the caller's transaction: commits or vanishes with it

By default a task's effects and the note that it is done commit together, fenced by the worker that holds it. So each effect
on the database happens once, even when a worker is killed in the middle or was thought dead too early. Work too long for one transaction
(SQLite has a single writer) says `atomic=False` and must then be repeatable by itself.

A task that failed its last attempt stays FAILED: parked, listed by `wushe worker --status` with its error, and started again by `--retry`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from traceback import format_exception_only
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from django.utils import timezone
from django_tasks import task as _task
from django_tasks.base import Task, TaskContext, TaskResultStatus
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction

from wushe.kernel.models import WorkerBeat

logger = logging.getLogger(__name__)

# A worker that gave no sign for this long is dead: its beat comes every ten seconds.
DEAD_AFTER = timedelta(seconds=60)


class LostHold(Exception):
    """Another worker was given this task meanwhile; what this one did is rolled back."""


@dataclass(frozen=True, slots=True)
class _Terms:
    attempts: int = 1
    first_delay: int = 10
    atomic: bool = True


_terms: dict[str, _Terms] = {}


def background(
    *,
    attempts: int = 5,
    first_delay: int = 10,
    atomic: bool = True,
    queue_name: str = "default",
    priority: int = 0,
) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """Make a module-level function a task. Delays between attempts, in seconds, double from `first_delay` on, up to an hour.

    Arguments must be JSON values and hold no personal value: they are kept with the task.
    """

    def wrap(function: Callable[..., Any]) -> Task[..., Any]:
        made: Task[..., Any] = _task(queue_name=queue_name, priority=priority)(function)
        _terms[made.module_path] = _Terms(attempts, first_delay, atomic)
        return made

    return wrap


def run_next(worker_id: str) -> bool:
    """Take the next due task and run it. False when nothing was due. Never raises what a task raises."""
    row = _claim(worker_id)
    if row is None:
        return False
    terms = _terms.get(row.task_path, _Terms())
    try:
        task = row.task
        # Importing the task may just have declared its terms.
        terms = _terms.get(row.task_path, terms)
        if terms.atomic:
            with transaction.atomic():
                _finish(row, worker_id, _call(task, row))
        else:
            _finish(row, worker_id, _call(task, row))
        logger.info("task %s %s: done", row.id, row.task_path)
    except LostHold:
        logger.warning("task %s %s: given to another worker meanwhile, rolled back", row.id, row.task_path)
    except Exception as error:  # a task may raise anything; the worker must go on
        _fail(row, worker_id, terms, error)
    return True


def revive() -> int:
    """Give tasks held by dead workers back to the queue, or park them after their last attempt; return how many."""
    alive = set(
        WorkerBeat.objects.filter(beat_at__gte=timezone.now() - DEAD_AFTER).values_list(
            "worker_id", flat=True
        )
    )
    revived = 0
    for row in DBTaskResult.objects.running():
        if row.worker_ids and row.worker_ids[-1] in alive:
            continue
        if row.started_at is not None and row.started_at > timezone.now() - DEAD_AFTER:
            continue
        holder = row.worker_ids[-1] if row.worker_ids else ""
        _fail(row, holder, _terms.get(row.task_path, _Terms(attempts=2)), RuntimeError("its worker died"))
        revived += 1
    return revived


def parked() -> list[DBTaskResult]:
    """Return the tasks that failed for good, newest first."""
    return list(DBTaskResult.objects.failed().order_by("-finished_at"))


def retry_parked(task_id: str) -> bool:
    """Put a parked task back into the queue with all its attempts; False when there is none of this id."""
    try:
        wanted = UUID(task_id)
    except ValueError:
        return False
    return bool(
        DBTaskResult.objects.failed()
        .filter(id=wanted)
        .update(status=TaskResultStatus.READY, run_after=timezone.now(), worker_ids=[], finished_at=None)
    )


def prune(keep: timedelta = timedelta(days=14)) -> int:
    """Delete finished tasks older than `keep`; parked ones stay until somebody looked."""
    return DBTaskResult.objects.successful().filter(finished_at__lt=timezone.now() - keep).delete()[0]


def _claim(worker_id: str) -> DBTaskResult | None:
    # Looked at first without a lock: an idle worker must not take SQLite's one write lock every second.
    ready = DBTaskResult.objects.ready()
    if not ready.exists():
        return None
    try:
        with exclusive_transaction():
            row = ready.get_locked()
            if row is not None:
                row.claim(worker_id)
            return row
    except OperationalError as error:
        if "locked" in str(error):
            return None
        raise


def _call(task: Any, row: DBTaskResult) -> Any:
    arguments, named = row.args_kwargs["args"], row.args_kwargs["kwargs"]
    if task.takes_context:
        result: Any = row.task_result  # typed by its package as Django 6's own class
        return task.call(TaskContext(task_result=result), *arguments, **named)
    return task.call(*arguments, **named)


def _held(row: DBTaskResult, worker_id: str) -> Any:
    # `started_at` is the fence: every claim sets it anew, so it names this very hold.
    return DBTaskResult.objects.filter(id=row.id, status=TaskResultStatus.RUNNING, started_at=row.started_at)


def _finish(row: DBTaskResult, worker_id: str, result: Any) -> None:
    done = _held(row, worker_id).update(
        status=TaskResultStatus.SUCCESSFUL,
        finished_at=timezone.now(),
        return_value=result,
        exception_class_path="",
        traceback="",
    )
    if not done:
        raise LostHold


def _fail(row: DBTaskResult, worker_id: str, terms: _Terms, error: BaseException) -> None:
    tried = len(row.worker_ids)
    again = tried < terms.attempts
    delay = min(terms.first_delay * 2 ** (tried - 1), 3600)
    changed = _held(row, worker_id).update(
        status=TaskResultStatus.READY if again else TaskResultStatus.FAILED,
        run_after=timezone.now() + timedelta(seconds=delay),
        finished_at=None if again else timezone.now(),
        exception_class_path=f"{type(error).__module__}.{type(error).__qualname__}",
        # The last frame and the class; the message of an exception may quote what a person typed.
        traceback=_where(error),
    )
    if changed:
        logger.log(
            logging.WARNING if again else logging.ERROR,
            "task %s %s: attempt %d of %d failed (%s)%s",
            row.id,
            row.task_path,
            tried,
            terms.attempts,
            type(error).__name__,
            f", again in {delay} s" if again else ": parked",
        )


def _where(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}: " if frame is not None else ""
    return place + (
        type(error).__name__
        if not isinstance(error, RuntimeError)
        else format_exception_only(error)[-1].strip()
    )
