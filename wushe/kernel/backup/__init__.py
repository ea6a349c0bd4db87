"""Backups that can be trusted: one file, consistent, self-checking, and restorable on SQLite or PostgreSQL alike.

A backup is a zip archive of text: one JSON Lines file per table, the uploads, a manifest, and where asked the keys. Nothing in it
depends on the version of a database program. `archive` is the container, `values` the form of a value that both databases share,
`tables` reads and writes rows, `making` and `restoring` hold the two verbs.
"""

from wushe.kernel.backup.archive import Archive, BackupRefused, read
from wushe.kernel.backup.making import make
from wushe.kernel.backup.restoring import Restored, TargetInUse, TargetNotEmpty, check, describe, restore

__all__ = [
    "Archive",
    "BackupRefused",
    "Restored",
    "TargetInUse",
    "TargetNotEmpty",
    "check",
    "describe",
    "make",
    "read",
    "restore",
]
