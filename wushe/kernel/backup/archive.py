"""The container: a zip archive that notices a single flipped bit anywhere in it.

The archive's comment, its last bytes, holds an HMAC over every byte before it under a key of the installation, and a SHA-256 over all of that.
The checksum finds damage and cuts, for anyone who holds the file. The HMAC finds deliberate changes and the wrong keys, for whoever
holds the keys. The program also checks the manifest against the members it finds.

Keys are left out unless asked for: whoever holds both backup and keys can read everything. With a passphrase they are sealed (scrypt, AES-256-GCM);
`plain` puts them in readably, for a backup that is itself kept like a key.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wushe.kernel import crypto
from wushe.kernel.crypto import Keys
from wushe.kernel.problems import Problem

FORMAT = 1
_MAGIC = b"wushe-backup-1 "
_COMMENT_LENGTH = len(_MAGIC) + 64 + 1 + 64
_CHUNK = 1 << 20
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}


class BackupRefused(Problem):
    """The file is no backup, is damaged or cut, or belongs to other keys. Nothing was touched."""

    code = "backup.refused"


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup whose every byte was checked. `keys` are those it brings along, where they could be opened."""

    path: Path
    manifest: dict[str, Any]
    keys_text: str | None

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """Read one member as a stream; raises `BackupRefused` when it is not there."""
        with zipfile.ZipFile(self.path) as file:
            try:
                stream = file.open(member)
            except KeyError:
                raise BackupRefused(f"{self.path}: {member} is missing in the backup") from None
            with stream:
                yield stream

    @property
    def tables(self) -> list[dict[str, Any]]:
        """The tables in the order they were written: name, columns [[name, kind]], rows, digest."""
        tables: list[dict[str, Any]] = self.manifest["tables"]
        return tables

    @property
    def keys_are(self) -> str:
        """`sealed`, `plain` or `absent`."""
        return str(self.manifest["keys"]["included"])

    def fits(self, keys: Keys) -> bool:
        """True when this installation's keys can read what is encrypted in the backup."""
        wanted: dict[str, str] = self.manifest["keys"]["fingerprints"]
        have = fingerprints(keys)
        return all(have.get(name) == print_ for name, print_ in wanted.items())


# --- keys -------------------------------------------------------------------------------------------------------------


def fingerprints(keys: Keys) -> dict[str, str]:
    """Return name → fingerprint of every key that stored data depends on; says nothing about the keys themselves."""
    named = {**{f"field.{name}": key for name, key in keys.field_keys.items()}, "index": keys.index_key}
    return {name: _mac(key, b"wushe backup fingerprint")[:16] for name, key in named.items()}


def parse_keys(text: str) -> Keys:
    """Return the keys in the text of a key file."""
    content = json.loads(text)

    def raw(value: str) -> bytes:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))

    return Keys(
        current=content["current"],
        field_keys={name: raw(value) for name, value in content["field_keys"].items()},
        index_key=raw(content["index_key"]),
        django_secret=content["django_secret"],
        signing_seed=raw(content["signing_seed"]),
    )


def seal_keys(text: str, passphrase: str) -> str:
    """Return the key file's text sealed under the passphrase."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = AESGCM(_stretched(passphrase, salt, _SCRYPT)).encrypt(nonce, text.encode(), b"wushe backup keys")
    parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    return json.dumps(
        {"scrypt": _SCRYPT, **{name: base64.b64encode(part).decode() for name, part in parts.items()}}
    )


def open_keys(text: str, passphrase: str) -> str:
    """Return the text sealed by `seal_keys`; raises `BackupRefused` for a wrong passphrase."""
    content = json.loads(text)
    salt, nonce, sealed = (base64.b64decode(content[name]) for name in ("salt", "nonce", "sealed"))
    try:
        return (
            AESGCM(_stretched(passphrase, salt, content["scrypt"]))
            .decrypt(nonce, sealed, b"wushe backup keys")
            .decode()
        )
    except InvalidTag:
        raise BackupRefused("the passphrase does not open the keys in this backup") from None


def _stretched(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, dklen=32, maxmem=128 * 1024 * 1024, **cost)


def _mac(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


# --- writing ----------------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[zipfile.ZipFile]:
    """Write a new archive beside `path`, seal it, and put it in place only when the block ended well. Readable by this user alone."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
            with zipfile.ZipFile(
                file, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=3
            ) as archive:
                yield archive
                archive.comment = b" " * _COMMENT_LENGTH
            digest = _digest_of(file, file.seek(0, os.SEEK_END) - _COMMENT_LENGTH)
            file.seek(-_COMMENT_LENGTH, os.SEEK_END)
            file.write(_comment(digest))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _comment(digest: str) -> bytes:
    mac = _mac(crypto.load_keys().index_key, digest.encode())
    return _MAGIC + f"{mac} {_checksum(digest, mac)}".encode()


def _checksum(digest: str, mac: str) -> str:
    # Over the HMAC too, so that a bit flipped there is found even by those who have no keys.
    return hashlib.sha256(f"{digest} {mac}".encode()).hexdigest()


def _digest_of(file: IO[bytes], length: int) -> str:
    total = hashlib.sha256()
    file.seek(0)
    while length > 0:
        chunk = file.read(min(_CHUNK, length))
        if not chunk:
            break
        total.update(chunk)
        length -= len(chunk)
    return total.hexdigest()


# --- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path, passphrase: str = "") -> Archive:
    """Check every byte of a backup and return it; raises `BackupRefused` with the reason, in one sentence.

    Where the keys are known (this installation's, or those in the backup), the HMAC is checked too.
    """
    digest, mac = _check_bytes(path)
    try:
        with zipfile.ZipFile(path) as file:
            manifest: dict[str, Any] = json.loads(file.read("manifest.json"))
            if manifest["format"] > FORMAT:
                raise BackupRefused(
                    f"{path}: made by a newer Wushe ({manifest['wushe']}); upgrade this one first"
                )
            included = manifest["keys"]["included"]
            keys_text = None
            if included == "plain":
                keys_text = file.read("keys.json").decode()
            elif included == "sealed" and passphrase:
                keys_text = open_keys(file.read("keys.sealed.json").decode(), passphrase)
            named = {f"tables/{table['name']}.jsonl" for table in manifest["tables"]}
            named |= {f"uploads/{upload['path']}" for upload in manifest["uploads"]}
            missing = sorted(named - set(file.namelist()))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise BackupRefused(f"{path}: the backup's list of contents cannot be read") from error
    if missing:
        raise BackupRefused(f"{path}: {missing[0]} is missing in the backup")
    archive = Archive(path, manifest, keys_text)
    keys = parse_keys(keys_text) if keys_text else crypto.load_keys()
    if archive.fits(keys) and not hmac.compare_digest(mac, _mac(keys.index_key, digest.encode())):
        raise BackupRefused(f"{path}: the backup was changed after it was made")
    return archive


def _check_bytes(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END) - _COMMENT_LENGTH
            if length <= 0:
                raise BackupRefused(f"{path}: not a backup of Wushe")
            file.seek(length)
            comment = file.read()
            if not comment.startswith(_MAGIC):
                raise BackupRefused(f"{path}: not a backup of Wushe, or its end is cut off or damaged")
            digest = _digest_of(file, length)
            mac, _, checksum = comment[len(_MAGIC) :].decode("latin-1").partition(" ")
            if checksum != _checksum(digest, mac):
                raise BackupRefused(f"{path}: damaged: its contents do not give its checksum")
    except OSError as error:
        raise BackupRefused(f"{path}: cannot be read ({error.strerror})") from error
    return digest, mac
