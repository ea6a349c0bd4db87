"""SIGKILL at every statement and every commit: what was acknowledged is there once, the rest wholly or not at all, and the book balances."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ledger import kill_program as program
from tests.support.database import fresh_database
from tests.support.site import ROOT, program_environment

PER_TURN = program.SINGLES + program.BATCH + 1


def run(
    environment: dict[str, str], *arguments: str, before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, Path(program.__file__), *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def environment_of(folder: Path, url: str) -> dict[str, str]:
    return {
        **program_environment(folder, url),
        "DJANGO_SETTINGS_MODULE": "wushe.config.settings",
        "PYTHONPATH": str(ROOT),
    }


def judge(book: dict[str, Any], turn: int, acknowledged: list[str], *, whole: bool) -> None:
    """Check the book after `turn` turns, the last of which may have been cut short."""
    keys = book["keys"]
    assert book["ok"]
    assert set(keys.values()) <= {1}
    assert set(acknowledged) <= keys.keys(), "acknowledged and not there"
    assert book["legs"] == 2 * len(keys)
    last = [key for key in keys if key.startswith(f"turn-{turn}-")]
    assert len(keys) == (turn - 1) * PER_TURN + len(last)
    assert len([key for key in last if "batch" in key]) in (0, program.BATCH), "half a batch"
    if whole:
        assert len(last) == PER_TURN
        assert book["balances"] == {
            "PERSON": -30 * turn,
            "FUND": turn,
            "PROJECT": 29 * turn,
        }
        assert book["audit"] == turn * (program.SINGLES + 2)


@pytest.mark.parametrize("after", ["0", "1"], ids=["before each step", "after each step"])
def test_killed_at_every_statement_and_commit(
    tmp_path: Path, after: str, fault_fired: Callable[[str], None]
) -> None:
    with fresh_database("ledgerkill") as url:
        environment = environment_of(tmp_path, url)
        ready = run(environment, "prepare")
        assert ready.returncode == 0, ready.stderr
        swept = run(environment, "sweep", after)
        assert swept.returncode == 0, swept.stderr[-3000:]
        turns = [json.loads(line) for line in swept.stdout.splitlines()]
    for turn in turns:
        judge(turn["between"], turn["turn"], turn["acknowledged"], whole=False)
        assert turn["done"] == 0, "a retry after the kill did not go through"
        judge(turn["finally"], turn["turn"], turn["acknowledged"], whole=True)
        if turn["ended"] == -signal.SIGKILL:
            fault_fired(f"killed at step {turn['turn']}")
    assert [turn["ended"] for turn in turns] == [-signal.SIGKILL] * (len(turns) - 1) + [0]
    assert len(turns) > 30, "the sweep did not reach the statements"
    acknowledged = {len(turn["acknowledged"]) for turn in turns}
    assert {0, 1, program.SINGLES, PER_TURN - 1, PER_TURN} <= acknowledged, "not killed between all of them"


def test_killed_at_every_sync_of_the_disk(
    tmp_path: Path, size: str, database: str, fault_fired: Callable[[str], None]
) -> None:
    """The kernel's own view: strace kills SQLite at the N-th fdatasync. Where there is no strace, and on a server, the sweep above stands alone."""
    tool = shutil.which("strace")
    with fresh_database("ledgersync") as url:
        environment = environment_of(tmp_path, url)
        assert run(environment, "prepare").returncode == 0
        points = 0
        if tool and database == "sqlite":
            points = _sync_points(environment, tool, 60 if size == "full" else 4, fault_fired)
            assert points >= 4
        assert run(environment, "post", "0", "0").returncode == 0
        book = json.loads(run(environment, "check").stdout)
    judge(book, 1, [], whole=True)


def _sync_points(
    environment: dict[str, str], tool: str, most: int, fault_fired: Callable[[str], None]
) -> int:
    """Kill at the first, second … sync until one run ends by itself, all of them on one book; return how many were killed."""
    for number in range(1, most + 1):
        inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={number}"
        killed = run(
            environment,
            "post",
            "0",
            "0",
            before=(tool, "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", inject),
        )
        book = json.loads(run(environment, "check").stdout)
        judge(book, 1, killed.stdout.split(), whole=killed.returncode == 0)
        if killed.returncode == 0:
            return number - 1
        fault_fired(f"killed at sync {number}")
    return most
