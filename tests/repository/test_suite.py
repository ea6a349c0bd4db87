"""The suite's own promises: nothing is skipped quietly, faults are counted, and the instruments see what they are for."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from tests.repository.tree import ROOT
from tests.support.browser import accessibility_faults, check_accessible, find_chromium
from tests.support.database import find_binaries
from tests.support.queries import QueryCounter


def run_suite(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as `make test` does on one file of its own."""
    (folder / "test_planted.py").write_text(source)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "WUSHE_", "DJANGO_"))}
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT, "-p", "tests.conftest",
            *options, folder / "test_planted.py",
        ],
        cwd=ROOT, env=kept, capture_output=True, text=True,
    )  # fmt: skip


GOOD = "def test_good():\n    assert True\n"


NOT_RUN = """
import pytest

@pytest.mark.skip(reason='later')
def test_skipped():
    assert True

@pytest.mark.xfail
def test_expected_to_fail():
    assert False

def test_of_a_missing_module():
    pytest.importorskip('no_such_module_at_all')

def test_fault(fault_fired):
    fault_fired('killed once')
    fault_fired('killed twice')
    assert True
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "side by side"])
def test_a_skipped_test_fails_the_run_and_fired_faults_are_counted(
    tmp_path: Path, workers: list[str]
) -> None:
    done = run_suite(tmp_path, NOT_RUN + GOOD, *workers)
    assert done.returncode == 1, done.stdout
    assert len(re.findall("NOT RUN, which this suite does not allow", done.stdout)) == 3
    assert "faults fired: 2" in done.stdout
    assert re.search("2 passed, 2 skipped, 1 xfailed", done.stdout)


def test_a_skipped_module_fails_the_run(tmp_path: Path) -> None:
    done = run_suite(tmp_path, f"import pytest\npytest.skip('later', allow_module_level=True)\n{GOOD}")
    assert done.returncode != 0
    assert "NOT RUN, which this suite does not allow" in done.stdout


def test_a_clean_run_passes(tmp_path: Path) -> None:
    done = run_suite(tmp_path, GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 passed in", done.stdout)


def test_an_unknown_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_planted.py").write_text(GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", tmp_path / "test_planted.py"],
        cwd=ROOT,
        env={**os.environ, "WUSHE_TEST_DATABASE": "oracle", "WUSHE_TEST_READY": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "use sqlite or postgresql" in done.stdout + done.stderr


def test_the_query_counter_fails_past_its_limit(db: None, query_counter: QueryCounter) -> None:
    def two_queries() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SELECT 2")

    with query_counter.at_most(2) as counted:
        two_queries()
    assert counted.count == 2
    with pytest.raises(pytest.fail.Exception, match="2 queries, at most 1"), query_counter.at_most(1):
        two_queries()


@pytest.mark.django_db(transaction=True)
def test_tables_are_emptied_between_tests_although_triggers_guard_them() -> None:
    from django.core.management import call_command

    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        before = cursor.fetchall()
        cursor.execute("CREATE TABLE suite_probe (n integer)")
        cursor.execute("INSERT INTO suite_probe VALUES (1)")
        cursor.execute(
            "CREATE TRIGGER suite_probe_kept BEFORE DELETE ON suite_probe BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    try:
        call_command("flush", interactive=False, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
            assert cursor.fetchall() == sorted([*before, ("suite_probe_kept",)])
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute("DELETE FROM suite_probe")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE suite_probe")


def test_a_postgresql_is_found() -> None:
    assert (find_binaries() / "initdb").exists()


@pytest.mark.browser
def test_the_accessibility_check_sees_faults(new_context: Callable) -> None:
    page = new_context().new_page()
    page.set_content(
        "<html lang=zh><head><title>测试</title></head><body><main><h1>测试</h1><p>好</p></main></body></html>"
    )
    assert accessibility_faults(page) == []
    page.set_content(
        "<html><head></head><body><main><img src=x><input type=text><p style='color:#bbb;background:#fff'>太淡的字看不清</p></main></body></html>"
    )
    seen = " ".join(accessibility_faults(page))
    for rule in ("html-has-lang", "document-title", "image-alt", "label", "color-contrast"):
        assert rule in seen
    with pytest.raises(pytest.fail.Exception, match="accessibility faults"):
        check_accessible(page)


@pytest.mark.browser
def test_no_browser_is_a_failure_that_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, playwright_driver: object
) -> None:
    class Driver:
        class chromium:  # the name Playwright gives it
            executable_path = "/nowhere/chromium"

    monkeypatch.delenv("WUSHE_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        find_chromium(Driver())  # type: ignore[arg-type]  # a stand-in for a machine without a browser
    monkeypatch.setenv("WUSHE_CHROMIUM", "/nowhere/browser")
    with pytest.raises(pytest.fail.Exception, match="cannot be run"):
        find_chromium(Driver())  # type: ignore[arg-type]  # likewise
