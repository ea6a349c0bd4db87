"""The background process: queued tasks, repeated work, a sign of life."""

import logging
import os
import secrets
import signal
import socket
import threading
from datetime import timedelta
from types import FrameType

from django.db import OperationalError, close_old_connections, connection
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from wushe.kernel import background, schedule
from wushe.kernel.models import WorkerBeat

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0


class Worker:
    """One worker. `run` returns when `stop` was called and the piece of work in hand is done."""

    def __init__(self, *, pause: float = 1.0, parent: int | None = None) -> None:
        self.worker_id = f"{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._pause = pause
        self._parent = parent
        self._stopping = threading.Event()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Finish what is in hand, then leave. A signal handler, too."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped, or until the parent process is gone."""
        autodiscover_modules("tasks")
        self._beat()
        heart = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        heart.start()
        logger.info("worker %s started", self.worker_id)
        try:
            while not self._stopping.is_set() and self._parent in (None, os.getppid()):
                busy = self._step()
                if not busy:
                    self._stopping.wait(self._pause)
        finally:
            self._stopping.set()
            heart.join(timeout=5)
            self._sign_off()
            connection.close()
            logger.info("worker %s stopped", self.worker_id)

    def run_due(self) -> None:
        """Do everything that is due now, then return (for tests and `wushe worker --once`)."""
        autodiscover_modules("tasks")
        self._beat()
        schedule.tick(self.worker_id)
        while background.run_next(self.worker_id):
            pass
        self._sign_off()

    def _step(self) -> bool:
        close_old_connections()
        try:
            schedule.tick(self.worker_id)
            return background.run_next(self.worker_id)
        except OperationalError as error:
            # The database is away or busy: it comes back, and so do we. Nothing was acknowledged meanwhile.
            logger.warning(
                "worker %s: the database does not answer: %s", self.worker_id, type(error).__name__
            )
            connection.close()
            return False

    def _beat(self) -> None:
        now = timezone.now()
        WorkerBeat.objects.update_or_create(
            worker_id=self.worker_id,
            defaults={"beat_at": now},
            create_defaults={"beat_at": now, "started_at": now},
        )
        WorkerBeat.objects.filter(beat_at__lt=now - timedelta(days=1)).delete()

    def _beat_on(self) -> None:
        # A thread of its own: a long task must not look like a dead worker.
        while not self._stopping.wait(BEAT_SECONDS):
            try:
                self._beat()
            except OperationalError:
                logger.warning("worker %s: missed a beat", self.worker_id)
        connection.close()

    def _sign_off(self) -> None:
        try:
            WorkerBeat.objects.filter(worker_id=self.worker_id).delete()
        except OperationalError:
            logger.warning("worker %s: could not sign off", self.worker_id)


def run_worker(parent: int | None = None) -> None:
    """Work until SIGTERM or Ctrl-C, or until the process `parent` is gone. Call in the main thread of a set-up process."""
    worker = Worker(parent=parent)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, worker.stop)
    worker.run()


def is_alive() -> bool:
    """True when some worker gave a sign of life within the last minute."""
    return WorkerBeat.objects.filter(beat_at__gte=timezone.now() - background.DEAD_AFTER).exists()
