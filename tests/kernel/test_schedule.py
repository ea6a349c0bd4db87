"""Background work: retries, parking, each effect once with two workers and with a killed one, clean stops."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from wushe.kernel import audit, background, schedule, worker
from wushe.kernel.actor import Actor
from wushe.kernel.background import background as as_task
from wushe.kernel.models import AuditEvent, Schedule, WorkerBeat
from wushe.kernel.schedule import scheduled

BY = Actor.system("test")


def effect(name: str) -> None:
    with transaction.atomic():
        audit.record(by=BY, verb="test.effect", target=("a.B", name))


def effects(name: str) -> int:
    return AuditEvent.objects.filter(verb="test.effect", target_id=name).count()


@as_task()
def good(name: str) -> str:
    """Have one effect."""
    effect(name)
    return f"did {name}"


@as_task(attempts=3, first_delay=10)
def poison(name: str) -> None:
    """Have one effect, then fail."""
    effect(name)
    raise ValueError("CANARY 13800138000")


@as_task(atomic=False)
def long_work(name: str) -> None:
    """Have one effect, in its own transaction."""
    effect(name)


@as_task()
def steal(name: str) -> None:
    """Be thought dead half-way: another worker is given the task."""
    effect(name)
    DBTaskResult.objects.update(started_at=timezone.now() + timedelta(seconds=1))


def make_due() -> None:
    DBTaskResult.objects.filter(status="READY").update(run_after=timezone.now())


@pytest.mark.django_db
def test_a_queued_task_runs_once_and_its_result_is_kept() -> None:
    good.enqueue("a")
    assert background.run_next("w1")
    assert not background.run_next("w1")
    row = DBTaskResult.objects.get()
    assert (row.status, row.return_value, effects("a")) == ("SUCCESSFUL", "did a", 1)


@pytest.mark.django_db
def test_a_task_vanishes_with_the_change_that_queued_it() -> None:
    with transaction.atomic():
        good.enqueue("a")
        transaction.set_rollback(True)
    assert not background.run_next("w1")


@pytest.mark.django_db
def test_a_poisonous_task_backs_off_is_parked_and_leaves_no_effect() -> None:
    poison.enqueue("p")
    delays = []
    while background.run_next("w1"):
        row = DBTaskResult.objects.get()
        delays.append(round((row.run_after - timezone.now()).total_seconds()))
        make_due()
    assert delays == [10, 20, 40]
    (row,) = background.parked()
    assert (row.status, len(row.worker_ids), effects("p")) == ("FAILED", 3, 0)
    assert row.exception_class_path == "builtins.ValueError"
    assert "CANARY" not in row.traceback
    assert background.retry_parked(str(row.id))
    assert background.run_next("w2")
    assert DBTaskResult.objects.get().status == "READY"


@pytest.mark.django_db
def test_one_poisonous_task_does_not_stop_the_others() -> None:
    poison.enqueue("p")
    good.enqueue("a")
    while background.run_next("w1"):
        pass
    assert effects("a") == 1


@pytest.mark.django_db
def test_a_task_that_no_longer_exists_is_parked() -> None:
    good.enqueue("a")
    DBTaskResult.objects.update(task_path="wushe.nowhere.gone")
    assert background.run_next("w1")
    assert background.parked()[0].exception_class_path.endswith(("ModuleNotFoundError", "ImportError"))


@pytest.mark.django_db
def test_a_worker_that_lost_its_hold_has_no_effect() -> None:
    steal.enqueue("s")
    assert background.run_next("w1")
    assert effects("s") == 0
    assert DBTaskResult.objects.get().status == "RUNNING"


@pytest.mark.django_db
def test_tasks_of_dead_workers_come_back_and_those_of_living_ones_do_not() -> None:
    now = timezone.now()
    good.enqueue("a")
    for name, beat in (("dead", now - timedelta(minutes=2)), ("alive", now)):
        WorkerBeat.objects.create(worker_id=name, started_at=now, beat_at=beat)
        DBTaskResult.objects.update(
            status="RUNNING", started_at=now - timedelta(minutes=3), worker_ids=[name]
        )
        assert background.revive() == (name == "dead")
    DBTaskResult.objects.update(status="RUNNING", started_at=now - timedelta(minutes=3), worker_ids=["dead"])
    background.revive()
    make_due()
    assert background.run_next("alive")
    assert effects("a") == 1


@pytest.mark.django_db
def test_a_task_that_kills_its_worker_every_time_is_parked() -> None:
    good.enqueue("a")
    for attempt in range(1, 6):
        DBTaskResult.objects.update(
            status="RUNNING", started_at=timezone.now() - timedelta(minutes=3), worker_ids=["w"] * attempt
        )
        assert background.revive() == 1
    assert len(background.parked()) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_run_each_task_once() -> None:
    for number in range(30):
        (good if number % 2 else long_work).enqueue(str(number))

    def work(name: str) -> None:
        for _ in range(200):
            if not background.run_next(name) and not DBTaskResult.objects.filter(status="READY").exists():
                break
        connection.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DBTaskResult.objects.filter(status="SUCCESSFUL").count() == 30
    assert [effects(str(n)) for n in range(30)] == [1] * 30


# --- repeated work ----------------------------------------------------------------------------------------------------


@pytest.fixture
def repeated(monkeypatch: pytest.MonkeyPatch) -> dict[str, schedule.Repeated]:
    """An empty registry of repeated work."""
    monkeypatch.setattr(schedule, "registry", {})
    monkeypatch.setattr(schedule, "_next_here", {})
    return schedule.registry


@pytest.mark.django_db
def test_repeated_work_runs_when_due(repeated: dict[str, schedule.Repeated]) -> None:
    ran: list[int] = []
    scheduled(every=timedelta(hours=1), name="x")(lambda: ran.append(1))
    now = timezone.now() + timedelta(seconds=5)
    assert [schedule.tick("w", now), schedule.tick("w", now)] == [1, 0]
    assert schedule.tick("w", now + timedelta(minutes=59)) == 0
    assert schedule.tick("w", now + timedelta(minutes=61)) == 1
    assert len(ran) == 2


@pytest.mark.django_db
def test_repeated_work_that_fails_is_seen_and_tried_again_soon(
    repeated: dict[str, schedule.Repeated],
) -> None:
    broken = [True]

    def work() -> None:
        if broken[0]:
            raise ValueError("CANARY")

    scheduled(every=timedelta(hours=1), name="x")(work)
    now = timezone.now() + timedelta(seconds=5)
    for failures, pause in ((1, 10), (2, 20), (3, 40)):
        assert schedule.tick("w", now) == 1
        row = Schedule.objects.get()
        assert (row.failures, row.last_error, row.due_at - now) == (
            failures,
            "ValueError",
            timedelta(seconds=pause),
        )
        now = row.due_at
    assert schedule.failing()
    broken[0] = False
    assert schedule.tick("w", now) == 1
    assert not schedule.failing()


@pytest.mark.django_db
def test_work_held_by_another_worker_waits_until_that_one_is_given_up(
    repeated: dict[str, schedule.Repeated],
) -> None:
    ran: list[int] = []
    scheduled(every=timedelta(hours=1), hold=timedelta(minutes=5), name="x")(lambda: ran.append(1))
    now = timezone.now()
    Schedule.objects.create(
        name="x", due_at=now, claimed_by="other", claimed_until=now + timedelta(minutes=5)
    )
    assert schedule.tick("w", now + timedelta(minutes=4)) == 0
    assert schedule.tick("w", now + timedelta(minutes=6)) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_run_repeated_work_once(repeated: dict[str, schedule.Repeated]) -> None:
    ran: list[int] = []
    scheduled(every=timedelta(hours=1), name="x")(lambda: (time.sleep(0.1), ran.append(1)))
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        barrier.wait()
        schedule.tick(name)
        connection.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]


@pytest.mark.django_db
def test_cheap_work_runs_in_every_worker_and_writes_nothing(repeated: dict[str, schedule.Repeated]) -> None:
    ran: list[int] = []
    scheduled(every=timedelta(seconds=60), alone=False, name="x")(lambda: ran.append(1))
    assert [schedule.tick("w"), schedule.tick("w")] == [1, 0]
    assert not Schedule.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_idle_worker_writes_nothing_between_beats() -> None:
    """An office server that nobody uses at night must not commit once a second."""
    from django.test.utils import CaptureQueriesContext

    one = worker.Worker()
    one.run_due()
    with CaptureQueriesContext(connection) as captured:
        for _ in range(3):
            one._step()
    assert not [q["sql"] for q in captured if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]


# --- the process ------------------------------------------------------------------------------------------------------

PROGRAM = """
    import django, sys
    django.setup()
    from wushe.kernel.worker import run_worker
    run_worker(int(sys.argv[1]) if len(sys.argv) > 1 else None)
"""


@pytest.fixture
def start_worker(transactional_db: None) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start real worker processes on the test database."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        url = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    environment = {**os.environ, "WUSHE_DATABASE_URL": url, "WUSHE_LOG_LEVEL": "WARNING"}
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_worker_works_beats_and_stops_cleanly_on_sigterm(
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    assert not worker.is_alive()
    process = start_worker()
    effect("sealed by the worker")
    assert wait_for(worker.is_alive)
    assert wait_for(lambda: not AuditEvent.objects.exclude(id__in=_sealed()).exists())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert not WorkerBeat.objects.exists()


def test_a_worker_leaves_when_its_parent_is_gone(
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = start_worker("1")  # a parent it does not have
    assert process.wait(timeout=20) == 0


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(
    start_worker: Callable[..., subprocess.Popen[bytes]], fault_fired: Callable[[str], None]
) -> None:
    """Two workers, one of them killed again and again; then the dead one's tasks are revived: each effect once."""
    good.enqueue("warm")
    for number in range(40):
        good.enqueue(str(number))
    for _ in range(2):
        process = start_worker()
        wait_for(lambda: DBTaskResult.objects.filter(status__in=("RUNNING", "SUCCESSFUL")).exists())
        time.sleep(0.05)
        process.kill()
        process.wait()
        fault_fired("worker killed")
    WorkerBeat.objects.update(beat_at=timezone.now() - timedelta(minutes=5))
    DBTaskResult.objects.filter(status="RUNNING").update(started_at=timezone.now() - timedelta(minutes=5))
    background.revive()
    make_due()
    while background.run_next("survivor"):
        pass
    assert [effects(str(n)) for n in range(40)] == [1] * 40


def _sealed() -> list[object]:
    from wushe.kernel.models import AuditLeaf

    return list(AuditLeaf.objects.values_list("event_id", flat=True))
