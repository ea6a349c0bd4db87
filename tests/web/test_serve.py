"""`wushe serve` as a program: what it leaves behind when it is stopped, and when it is killed outright."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.database import fresh_database
from tests.support.site import ROOT, free_port, program_environment, run_wushe


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with fresh_database("serve") as url:
        made = program_environment(tmp_path, url)
        run_wushe(made, "init")
        yield made


def started(environment: dict[str, str], port: int, *options: str) -> subprocess.Popen[bytes]:
    """Start the program and wait until it answers and its worker has begun."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wushe.cli.main", "serve", "--port", str(port), *options],
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: answers(port), 40)
    wait_for(lambda: worker_is_alive(environment), 40)
    return process


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.2)
    pytest.fail(f"{what} did not become true within {seconds} s")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def worker_is_alive(environment: dict[str, str]) -> bool:
    return '"alive": true' in run_wushe(environment, "worker", "--status").stdout


def test_a_stopped_server_ends_with_all_it_started(environment: dict[str, str]) -> None:
    port = free_port()
    process = started(environment, port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert is_free(port)
    assert not worker_is_alive(environment)  # it signed off


def test_a_killed_server_leaves_nothing_that_holds_its_port(
    environment: dict[str, str], fault_fired: Callable[[str], None]
) -> None:
    port = free_port()
    process = started(environment, port)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=5)
    fault_fired("server killed outright")
    wait_for(lambda: is_free(port), 20)
    wait_for(lambda: not worker_is_alive(environment), 20)
    again = started(environment, port)
    again.terminate()
    assert again.wait(timeout=20) == 0


def test_several_web_processes_never_speak_on_one_wire(environment: dict[str, str]) -> None:
    """A connection opened before the processes part would be used by all of them, and answer one with the rows of another."""
    port = free_port()
    process = started(environment, port, "--workers", "3")

    def ask(_number: int) -> int:
        # Asks the database four different things.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as answer:
            return int(answer.status)

    try:
        wait_for(lambda: ready(port), 40)
        with ThreadPoolExecutor(12) as pool:
            assert set(pool.map(ask, range(300))) == {200}
    finally:
        process.terminate()
        process.wait(timeout=20)


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
