"""What every test stands on: the chosen database, throw-away keys and folders, and a run that cannot hide a skipped test."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.support")

from tests.support.database import NoPostgreSQL, allow_flush, start_cluster  # noqa: E402  # after the registration above
from tests.support.faults import FAULT  # noqa: E402  # likewise

_READY = "WUSHE_TEST_READY"  # set by the process that prepared the database, inherited by the workers of pytest-xdist


def _prepare() -> None:
    """Choose the database and set the environment before Django reads its settings."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.settings"
    os.environ.setdefault("WUSHE_LOG_LEVEL", "WARNING")
    folder = tempfile.mkdtemp(prefix="wushe-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["WUSHE_DATA"] = folder  # each process its own keys and files
    if os.environ.get(_READY):
        if os.environ["WUSHE_DATABASE_URL"].startswith("sqlite"):
            os.environ["WUSHE_DATABASE_URL"] = f"sqlite:///{folder}/wushe.sqlite3"
        return
    kind = os.environ.get("WUSHE_TEST_DATABASE", "sqlite")
    if kind == "sqlite":
        url = f"sqlite:///{folder}/wushe.sqlite3"
    elif kind == "postgresql":
        try:
            url = os.environ.get("WUSHE_TEST_POSTGRES_URL") or start_cluster().url
        except NoPostgreSQL as error:
            pytest.exit(str(error), returncode=3)
    else:
        pytest.exit(f"WUSHE_TEST_DATABASE={kind}: use sqlite or postgresql", returncode=3)
    os.environ["WUSHE_DATABASE_URL"] = url
    os.environ[_READY] = kind


if "django.conf" in sys.modules and sys.modules["django.conf"].settings.configured:
    pytest.exit("Django was configured before tests/conftest.py: unset DJANGO_SETTINGS_MODULE", returncode=3)
_prepare()

pytest_plugins = [
    "tests.support.faults",
    "tests.support.browser",
    "tests.support.site",
    "tests.support.queries",
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a real headless Chromium")
    config.addinivalue_line("markers", "matrix: every door times every role; on PostgreSQL at full size only")
    config.addinivalue_line(
        "markers", "repository: judges the source tree, whatever the database; runs once, on SQLite"
    )
    import django

    django.setup()
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        # A worker must prepare its own folder first; with this set, pytest-django would load the settings before that.
        del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(item.config.rootpath / "tests" / "repository"):
            item.add_marker("repository")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The test database, as pytest-django makes it, which transactional tests can empty in spite of its triggers."""
    allow_flush()


@pytest.fixture(scope="session")
def size() -> str:
    """`full` in `make test-long`, else `reduced`: every kind of check runs in both, on more or fewer cases."""
    value = os.environ.get("WUSHE_TEST_SIZE", "reduced")
    if value not in ("reduced", "full"):
        pytest.fail(f"WUSHE_TEST_SIZE={value}: use reduced or full")
    return value


@pytest.fixture(scope="session")
def database() -> str:
    """The kind of database under test: `sqlite` or `postgresql`."""
    return os.environ[_READY]


@pytest.fixture(autouse=True)
def _fresh_translation() -> Iterator[None]:
    """No test inherits the language another one switched to."""
    from django.utils import translation

    translation.activate("zh-hans")
    yield
    translation.activate("zh-hans")


def _unwanted(stats: dict[str, list[Any]]) -> list[Any]:
    return [report for kind in ("skipped", "xfailed", "xpassed") for report in stats.get(kind, [])]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the planted faults, and name every test that did not really run."""
    stats = terminalreporter.stats
    fired = [
        value
        for reports in stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == FAULT
    ]
    terminalreporter.write_line(f"faults fired: {len(fired)}")
    for report in _unwanted(stats):
        terminalreporter.write_line(f"NOT RUN, which this suite does not allow: {report.nodeid}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped or expected-to-fail test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _unwanted(reporter.stats) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
