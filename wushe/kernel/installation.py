"""What kind of installation this is. Read by every page, so the answer is kept in the process for a moment."""

import time

from django.db import DatabaseError

from wushe.kernel.models import InstallationFact

_DEMO = "demo"
_KEPT_SECONDS = 30.0
_known: dict[str, tuple[float, bool]] = {}


def is_demo() -> bool:
    """True when the database holds demo data, which every page, export and print must say."""
    kept = _known.get(_DEMO)
    if kept is not None and (kept[1] or time.monotonic() - kept[0] < _KEPT_SECONDS):
        return kept[1]
    try:
        answer = InstallationFact.objects.filter(code=_DEMO).exists()
    except DatabaseError:
        return False  # an error page must still be drawn when the database is away
    _known[_DEMO] = (time.monotonic(), answer)
    return answer


def note_demo(seed: int, size: str) -> None:
    """Mark this database as holding demo data, for good."""
    InstallationFact.objects.update_or_create(code=_DEMO, defaults={"value": f"{size}:{seed}"})
    _known.clear()


def forget() -> None:
    """Drop what this process remembers (after another database was put in place)."""
    _known.clear()
