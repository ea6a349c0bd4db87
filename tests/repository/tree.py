"""The files of this source tree, as git would commit them."""

import subprocess
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = {
    ".py", ".html", ".txt", ".md", ".js", ".css", ".toml", ".lock", ".json", ".po", ".sh", ".in", ".yml", ".yaml", ".csv",
    ".svg", ".cfg", ".ini", "",
}  # fmt: skip


@lru_cache
def files() -> tuple[Path, ...]:
    """Return every file that is tracked, or would be by `git add`: what is ignored is none of this tree."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(
        path for name in sorted(set(listed.stdout.split("\0")) - {""}) if (path := ROOT / name).is_file()
    )


@lru_cache
def texts() -> dict[str, str]:
    """Return the text files by their path below the root."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in files()
        if path.suffix in TEXT and not _binary(path)
    }


def _binary(path: Path) -> bool:
    content = path.read_bytes()
    if b"\0" in content[:4096]:
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True  # a sheet in another encoding, made for the import's tests
    return False


def matching(*suffixes: str, below: str = "") -> dict[str, str]:
    """Return the texts whose path ends with one of `suffixes` and starts with `below`."""
    return {
        name: text for name, text in texts().items() if name.endswith(suffixes) and name.startswith(below)
    }
