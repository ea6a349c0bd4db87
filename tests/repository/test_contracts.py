"""The import contracts hold, and each of them really fails when it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.tree import ROOT

# Contract → (file to change or create, line to add, words of the report).
BREACHES = {
    "upwards": ("kernel/problems.py", "import wushe.web.page", "Rooms import downwards only BROKEN"),
    "sideways": ("web/page.py", "import wushe.api", "Rooms import downwards only BROKEN"),
    "unplaced room": ("extraroom/__init__.py", "", "Rooms import downwards only BROKEN"),
    "unplaced module": ("community/extra.py", "", "Inside community"),
    "a reader that writes": (
        "community/models/__init__.py",
        "import wushe.community.queries",
        "Inside community",
    ),
    "a book that knows who is in it": (
        "ledger/queries/__init__.py",
        "import wushe.community.queries",
        "Rooms import downwards only BROKEN",
    ),
    "an impure rule": (
        "community/rules/extra.py",
        "import wushe.kernel.scoping",
        "never reach Django BROKEN",
    ),
    "an impure policy": ("kernel/policy.py", "import django.conf", "never reach Django BROKEN"),
    "a page that reaches for a model": (
        "web/page.py",
        "import wushe.community.models",
        "never import models BROKEN",
    ),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--config", folder / ".importlinter"],
        cwd=folder, env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(
        ROOT / "wushe",
        folder / "wushe",
        ignore=shutil.ignore_patterns("static", "data", "templates", "__pycache__", "locale"),
    )
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def test_the_tree_keeps_its_contracts(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "5 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_seen(copy: Path, breach: str) -> None:
    name, line, words = BREACHES[breach]
    path = copy / "wushe" / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint(copy)
    finally:
        if before is not None:
            path.write_text(before)
        elif path.name == "__init__.py":
            shutil.rmtree(path.parent)
        else:
            path.unlink()
    assert done.returncode == 1
    assert words in done.stdout.replace("\n", " "), done.stdout[-3000:]
