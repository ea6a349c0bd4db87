"""`make run` from nothing, and again: seconds until the first page, bytes over the network, folder sizes.

A copy of the tree in a temporary folder, with empty package caches; the registries are those of this machine. The bytes are
what the network interfaces received meanwhile (Linux), so run it while nothing else downloads.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def copy_tree(target: Path) -> None:
    """Copy what git would commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def received() -> int:
    """Return the bytes all interfaces but loopback have received so far; 0 where the system does not say."""
    path = Path("/proc/net/dev")
    if not path.exists():
        return 0
    rows = [line.split(":") for line in path.read_text().splitlines()[2:]]
    return sum(int(numbers.split()[0]) for name, numbers in rows if name.strip() != "lo")


def folder_mb(folder: Path) -> float:
    """Return what a folder's files take, in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def until_first_page(folder: Path, environment: dict[str, str]) -> float:
    """Run `make run` until its first page has been fetched, stop it, and return the seconds that took."""
    url = f"http://127.0.0.1:{environment['PORT']}/"
    began = time.monotonic()
    log = folder / "make-run.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["make", "--no-print-directory", "run"],
            cwd=folder, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    answer.read()
                return time.monotonic() - began
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"make run ended with {process.returncode}:\n{log.read_text()[-3000:]}")
                time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="wushe-setup-") as name:
        folder = Path(name) / "wushe"
        copy_tree(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        caches = {
            key: f"{name}/cache/{key.lower()}"
            for key in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "NPM_CONFIG_CACHE")
        }
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("WUSHE_", "VIRTUAL_ENV"))
        }
        environment = {**kept, **caches, "PORT": str(port)}
        before = received()
        first = until_first_page(folder, environment)
        downloaded = received() - before
        second = min(until_first_page(folder, environment) for _ in range(3))
        figures = {
            "first start, s": round(first, 1),
            "downloaded, MB": round(downloaded / 1e6, 1) or None,
            "second start, s (best of 3)": round(second, 2),
            "environment on disk, MB": round(folder_mb(folder / ".venv")),
            "node_modules on disk, MB": round(folder_mb(folder / "node_modules")),
            "cores": os.cpu_count(),
        }
    print(json.dumps(figures, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
