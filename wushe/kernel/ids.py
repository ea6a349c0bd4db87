"""Keys without a central sequence: UUIDv7 for rows born here, UUIDv5 for things every deployment must name alike."""

import uuid
from hashlib import sha1

from uuid_utils.compat import uuid7 as _uuid7

_OFFICIAL_BYTES = uuid.UUID("6f1f5a0e-53d2-5c0b-9a52-35c7f1b0a7d5").bytes


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: ordered by time of creation, unique without asking anybody."""
    return _uuid7()


def official_id(kind: str, code: str) -> uuid.UUID:
    """Return the UUIDv5 that every deployment gives to the official thing `code` of `kind` (for instance a division)."""
    digest = sha1(_OFFICIAL_BYTES + f"{kind}:{code}".encode(), usedforsecurity=False).digest()
    return uuid.UUID(
        bytes=digest[:16], version=5
    )  # what uuid.uuid5 returns, in half the time: the nation has 665,276
