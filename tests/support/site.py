"""Sites to look at: Django's live server on the test's own rows, and the real program in a process of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import fresh_database

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Site:
    """A running program: `url` without a slash at the end, its environment, and what `wushe demo` printed."""

    url: str
    environment: dict[str, str]
    folder: Path
    demo: dict[str, Any] = field(default_factory=dict)

    def wushe(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `wushe` on this site's database; with `check` a failure fails the test and shows what it printed."""
        return run_wushe(self.environment, *arguments, check=check)

    def login(self, role: str) -> dict[str, Any]:
        """Return the demo log-in {role, account, password, place, url} of `role`."""
        for entry in self.demo.get("logins", []):
            if entry["role"] == role:
                return dict(entry)
        pytest.fail(
            f"the demo data has no log-in for {role}: {[entry['role'] for entry in self.demo.get('logins', [])]}"
        )

    def sign_in(self, page: "Page", role: str) -> None:
        """Sign the browser page in as the demo account of `role`, through the log-in form."""
        entry = self.login(role)
        page.goto(f"{self.url}/login/")
        page.locator("input[name=identifier], input[name=username]").first.fill(str(entry["account"]))
        page.locator("input[name=password]").fill(str(entry["password"]))
        page.locator("main form [type=submit]").first.click()
        page.wait_for_url(lambda url: "/login" not in url)


def run_wushe(
    environment: dict[str, str], *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the real command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "wushe.cli.main", *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600,
    )  # fmt: skip
    if check and done.returncode != 0:
        pytest.fail(
            f"wushe {' '.join(arguments)} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done


def program_environment(folder: Path, database_url: str) -> dict[str, str]:
    """Return the environment of a program that shares nothing with the test process but the code."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WUSHE_", "PYTEST_", "DJANGO_"))}
    chosen = {name: os.environ[name] for name in ("WUSHE_NO_MIGRATIONS",) if name in os.environ}
    return (
        kept
        | chosen
        | {"WUSHE_DATA": str(folder), "WUSHE_DATABASE_URL": database_url, "WUSHE_LOG_LEVEL": "WARNING"}
    )


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(environment: dict[str, str], command: list[str] | None = None) -> Iterator[str]:
    """Run `wushe serve` until the block ends; yield its URL once it answers. The log is shown when it does not."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = Path(environment["WUSHE_DATA"]) / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*(command or [sys.executable, "-m", "wushe.cli.main"]), "serve", "--port", str(port)],
            env=environment, cwd=environment["WUSHE_DATA"], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        for _ in range(300):
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except urllib.error.HTTPError as error:
                pytest.fail(f"/healthz answers {error.code}\n{log.read_text()[-4000:]}")
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail(f"wushe serve does not answer\n{log.read_text()[-4000:]}")
        if process.poll() is not None:
            pytest.fail(f"wushe serve ended with {process.returncode}\n{log.read_text()[-4000:]}")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def demo_site() -> Iterator[Site]:
    """The real program on a database of its own with `wushe demo --size small`; started once per worker process.

    Tests share it: they may add to it, but must not lean on totals.
    """
    folder = Path(tempfile.mkdtemp(prefix="wushe-demo-"))
    try:
        with fresh_database("demo") as database_url:
            environment = program_environment(folder, database_url)
            printed = run_wushe(environment, "demo", "--size", "small").stdout
            with serving(environment) as url:
                yield Site(url, environment, folder, json.loads(printed[printed.index("{") :]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def live_site(transactional_db: None, live_server: Any) -> str:
    """The URL of Django's live server on this test's own rows, on either database."""
    return str(live_server.url)
