"""Where an uploaded file waits while it is being checked: sealed, under a random name, for a day at most."""

import base64
import os
import re
import secrets
import time
from pathlib import Path

from django.conf import settings

from wushe.community.exchange.sheets import FileRefused
from wushe.kernel import crypto

_PIECE = 2**20
_NAME = re.compile(r"[0-9a-f]{32}")
KEEP_SECONDS = 24 * 3600


def size_limit() -> int:
    """The largest file a page takes, in bytes: `WUSHE_IMPORT_MB`, else 32 MB."""
    try:
        megabytes = int(os.environ.get("WUSHE_IMPORT_MB", "32"))
    except ValueError:
        megabytes = 32
    return max(1, megabytes) * 2**20


def _folder() -> Path:
    folder = Path(settings.MEDIA_ROOT) / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise _gone()
    return _folder() / name


def keep(content: bytes) -> str:
    """Seal `content` into a new file and return its name."""
    name = secrets.token_hex(16)
    descriptor = os.open(_path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        for number, start in enumerate(range(0, len(content), _PIECE)):
            piece = base64.b64encode(content[start : start + _PIECE]).decode()
            file.write(crypto.encrypt(piece, f"import.file.{name}.{number}") + "\n")
    return name


def fetch(name: str) -> bytes:
    """Return what `keep` sealed; raises `FileRefused` when it is gone or was altered."""
    try:
        with _path(name).open(encoding="ascii") as file:
            return b"".join(
                base64.b64decode(crypto.decrypt(line.rstrip("\n"), f"import.file.{name}.{number}"))
                for number, line in enumerate(file)
            )
    except (OSError, ValueError, crypto.CannotDecrypt):
        raise _gone() from None


def size_of(name: str) -> int:
    """Return about how large the kept file was, in bytes; 0 when it is gone."""
    try:
        return _path(name).stat().st_size * 9 // 16  # twice in base64: once as text, once sealed
    except (OSError, FileRefused):
        return 0


def drop(name: str) -> None:
    """Delete a kept file; harmless when it is gone."""
    if _NAME.fullmatch(name or ""):
        _path(name).unlink(missing_ok=True)


def sweep(seconds: int = KEEP_SECONDS) -> int:
    """Delete kept files older than `seconds`; return how many."""
    oldest = time.time() - seconds
    swept = 0
    for path in _folder().iterdir():
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _gone() -> FileRefused:
    from django.utils.translation import gettext as _

    return FileRefused(_("上传的文件已过期删除。请重新上传。"), code="file.gone")
