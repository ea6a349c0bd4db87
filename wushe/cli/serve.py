"""`wushe serve`: the site, with a worker for background tasks beside it."""

import os
import signal
import subprocess
import sys

import click

from wushe.cli.start import start


@click.command()
@click.option("--no-worker", is_flag=True, help="Leave background tasks to a separate `wushe worker`.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=int,
    default=lambda: int(os.environ.get("PORT", "8000")),
    help="Port; default PORT or 8000.",
)
@click.option("--workers", type=int, default=1, show_default=True, help="Web processes.")
@click.option(
    "--threads", type=int, default=8, show_default=True, help="Requests each process answers at once."
)
def serve(no_worker: bool, host: str, port: int, workers: int, threads: int) -> None:
    """Serve the site until Ctrl-C, with due background tasks unless --no-worker."""
    start()
    click.echo(f"wushe: http://{host}:{port}/", err=True)
    # --parent: a server that was killed outright must not leave its worker behind.
    beside = [sys.executable, "-m", "wushe.cli.main", "worker", "--parent", str(os.getpid())]
    child = None if no_worker else subprocess.Popen(beside)
    from django.db import connections

    connections.close_all()
    from granian import Granian
    from granian.constants import Interfaces

    server = Granian(
        "wushe.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        log_level="error",  # type: ignore[arg-type]  # granian takes the level's name
    )
    try:
        server.serve()
    finally:
        if child is not None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
