"""`wushe serve`: the site, with a worker for background tasks beside it."""

import os
import signal
import subprocess
import sys
import threading

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
    # A server that was killed outright must leave neither its web processes nor its worker behind.
    os.environ["WUSHE_SERVED_BY"] = str(os.getpid())
    worker = None if no_worker else _Worker()
    from django.db import connections

    connections.close_all()
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql":
            # The pool keeps its connections open, and the web processes would inherit them: two that speak on one wire read each other's rows.
            connection.close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend
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
        if worker is not None:
            worker.stop()


class _Worker:
    """The worker beside the site. It starts a little later: its first seconds would be taken from the first page."""

    HEAD_START_SECONDS = 1.5

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._timer = threading.Timer(self.HEAD_START_SECONDS, self._start)
        self._timer.daemon = True
        self._timer.start()

    def _start(self) -> None:
        parent = ["--parent", str(os.getpid())]
        self._process = subprocess.Popen([sys.executable, "-m", "wushe.cli.main", "worker", *parent])

    def stop(self) -> None:
        """Let the work in hand be finished, for ten seconds at most."""
        self._timer.cancel()
        self._timer.join()  # or one that is starting at this moment would be missed
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
