"""`make wheel`: build the wheel without fetching anything, and refuse one that lacks what set-up made."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIVISIONS_LIMIT = 5_000_000

NEEDED = (
    "wushe/web/static/vendor/bootstrap/bootstrap.min.css",
    "wushe/web/static/vendor/echarts/echarts.min.js",
    "wushe/web/static/vendor/leaflet/leaflet.js",
    "wushe/locale/en/LC_MESSAGES/django.mo",
)


class Incomplete(Exception):
    """The wheel lacks a file that a running site needs."""


def build(folder: Path) -> Path:
    """Build the wheel into `folder` and return its path. Raises `Incomplete` when `make assets` was not run before."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder.resolve()),
            str(ROOT),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wheel = max(folder.glob("wushe-*.whl"), key=lambda path: path.stat().st_mtime)
    inspect(wheel)
    return wheel


def inspect(wheel: Path) -> dict[str, int]:
    """Return the wheel's files with their packed sizes in bytes. Raises `Incomplete`."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    missing = [name for name in NEEDED if name not in sizes]
    divisions = {name: size for name, size in sizes.items() if name.startswith("wushe/community/data/")}
    if not divisions:
        missing.append("wushe/community/data/*")
    if missing:
        raise Incomplete(f"{wheel.name} lacks {', '.join(missing)}; run: make assets")
    if sum(divisions.values()) > DIVISIONS_LIMIT:
        raise Incomplete(
            f"the official divisions take {sum(divisions.values()):,} bytes, at most {DIVISIONS_LIMIT:,} are allowed"
        )
    return sizes


if __name__ == "__main__":
    try:
        built = build(Path(sys.argv[1]))
    except (Incomplete, subprocess.CalledProcessError) as error:
        sys.exit(f"tools.wheel: {error}")
    print(f"{built} ({built.stat().st_size / 1e6:.1f} MB)")
