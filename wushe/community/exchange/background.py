"""Large files on the page: the same steps, done by the worker while the page says how far they are."""

from collections.abc import Callable
from uuid import UUID

from django.utils import translation

from wushe.community.exchange import runs
from wushe.community.models import Account, ImportRun
from wushe.community.operations import imports as operations
from wushe.community.queries.accounts import actor_for_account
from wushe.kernel.actor import Actor
from wushe.kernel.background import background
from wushe.kernel.problems import Problem

AT_ONCE_BYTES = 256 * 1024
"""Files up to this size are checked while the visitor waits: a few seconds."""
AT_ONCE_ROWS = 2_000
"""Runs up to so many rows are carried out and undone while the visitor waits."""


def check_soon(*, by: Actor, run: ImportRun, size: int) -> None:
    """Check the file now when it is small, else leave it to the worker; look at the run's status afterwards."""
    if size <= AT_ONCE_BYTES or by.account_id is None:
        runs.check(by=by, run=run)
        return
    operations.begin_check(by=by, run=run)
    check_run.enqueue(str(run.pk), str(by.account_id), translation.get_language())


def carry_out_soon(*, by: Actor, run: ImportRun) -> None:
    """Carry the run out now when it is small, else leave it to the worker."""
    if run.row_count <= AT_ONCE_ROWS or by.account_id is None:
        runs.carry_out(by=by, run=run)
        return
    operations.queue(by=by, run=run)
    carry_out_run.enqueue(str(run.pk), str(by.account_id), translation.get_language())


def undo_soon(*, by: Actor, run: ImportRun) -> None:
    """Undo the run now when it is small, else leave it to the worker."""
    if run.row_count <= AT_ONCE_ROWS or by.account_id is None:
        runs.undo(by=by, run=run)
        return
    operations.begin_undo(by=by, run=run)
    undo_run.enqueue(str(run.pk), str(by.account_id), translation.get_language())


@background(attempts=3, atomic=False)
def check_run(run_id: str, account_id: str, language: str) -> None:
    """Check one run. Repeatable: what an interrupted check staged is dropped first."""
    _as(run_id, account_id, language, lambda by, run: runs.check(by=by, run=run))


@background(attempts=3, atomic=False)
def carry_out_run(run_id: str, account_id: str, language: str) -> None:
    """Carry one run out. Repeatable: the transaction that does it is the one that marks it as done."""
    _as(run_id, account_id, language, lambda by, run: runs.carry_out(by=by, run=run))


@background(attempts=3, atomic=False)
def undo_run(run_id: str, account_id: str, language: str) -> None:
    """Undo one run; repeatable in the same way."""
    _as(run_id, account_id, language, lambda by, run: runs.undo(by=by, run=run))


def _as(run_id: str, account_id: str, language: str, work: Callable[[Actor, ImportRun], object]) -> None:
    account = Account.objects.filter(pk=UUID(account_id), is_active=True).first()
    if account is None:
        return
    by = actor_for_account(account)
    with translation.override(language):
        try:
            work(by, runs.find_run(by, UUID(run_id)))
        except runs.ImportNotReady:
            return  # an earlier attempt did it
        except Problem as problem:
            operations.note_problem(run_id=UUID(run_id), code=problem.code, message=problem.message)
