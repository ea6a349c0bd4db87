"""`wushe worker`: background tasks alone."""

import json

import click

from wushe.cli.start import start


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then end.")
@click.option("--status", is_flag=True, help="Show parked tasks and failing repeated work as JSON, then end.")
@click.option("--retry", metavar="TASK", help="Put a parked task back into the queue, then end.")
@click.option("--parent", type=int, hidden=True, help="End when this process is gone.")
def worker(once: bool, status: bool, retry: str | None, parent: int | None) -> None:
    """Run background tasks until Ctrl-C: queued work, sealing of the audit trail, messages, repeated work."""
    start()
    from wushe.kernel import background, schedule
    from wushe.kernel import worker as domain

    if status:
        parked = [
            {"task": str(t.id), "what": t.task_path, "attempts": len(t.worker_ids), "error": t.exception_class_path,
             "where": t.traceback, "at": t.finished_at.isoformat() if t.finished_at else None}
            for t in background.parked()
        ]  # fmt: skip
        failing = [
            {"what": s.name, "failures": s.failures, "error": s.last_error} for s in schedule.failing()
        ]
        click.echo(
            json.dumps({"alive": domain.is_alive(), "parked": parked, "failing": failing}, ensure_ascii=False)
        )
    elif retry:
        if not background.retry_parked(retry):
            raise click.ClickException(f"{retry}: no parked task of this id")
    elif once:
        domain.Worker().run_due()
    else:
        domain.run_worker(parent)
