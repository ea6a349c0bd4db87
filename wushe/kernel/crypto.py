"""Keys on disk, encryption of single fields, and keyed indexes to look encrypted values up.

Keys live in `WUSHE_DATA/keys/keys.json` (mode 0600), never in the database, so that a stolen database file reveals no
personal value. Encryption is AES-256-GCM; the stored text is `v1.<key id>.<base64url(nonce + ciphertext)>`, so keys can be
rotated while old rows stay readable. The purpose ("person.phone") is bound in as associated data: a value moved to another
column no longer decrypts. Indexes are HMAC-SHA-256 under a key of their own, cut to 128 bits.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wushe.kernel.problems import Problem

_VERSION = "v1"


class KeysMissing(Problem):
    """The key file is not where it must be."""

    code = "keys.missing"
    status = 503


class CannotDecrypt(Problem):
    """A stored value was changed, or its key is not on this machine."""

    code = "crypto.cannot_decrypt"
    status = 500


@dataclass(frozen=True)
class Keys:
    """The secrets of one installation. `field_keys` maps key id to 32 bytes; `current` names the one that encrypts."""

    current: str
    field_keys: dict[str, bytes]
    index_key: bytes
    django_secret: str
    signing_seed: bytes


def data_folder() -> Path:
    """The folder of database, keys and uploads: `WUSHE_DATA`, else `wushe-data` below the current folder."""
    return Path(os.environ.get("WUSHE_DATA") or "wushe-data").resolve()


def keys_path() -> Path:
    """Where the key file of this installation stands."""
    return data_folder() / "keys" / "keys.json"


def create_keys() -> bool:
    """Write a new key file unless one exists. Return True when one was written."""
    path = keys_path()
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    os.chmod(path.parent, 0o700)
    key_id = "k" + secrets.token_hex(3)
    content = {
        "current": key_id,
        "field_keys": {key_id: _b64(secrets.token_bytes(32))},
        "index_key": _b64(secrets.token_bytes(32)),
        "django_secret": secrets.token_urlsafe(48),
        "signing_seed": _b64(secrets.token_bytes(32)),
    }
    # Written beside and linked into place, so that two starts at once agree on one file and no half file is ever read.
    beside = path.with_name(f".keys-{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    _load.cache_clear()
    return True


def add_field_key() -> str:
    """Add a new encryption key and make it the current one; old values stay readable. Return its id."""
    path = keys_path()
    content = json.loads(path.read_text())
    key_id = "k" + secrets.token_hex(3)
    content["field_keys"][key_id] = _b64(secrets.token_bytes(32))
    content["current"] = key_id
    beside = path.with_name(f".keys-{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    _load.cache_clear()
    return key_id


@lru_cache(maxsize=4)
def _load(path: Path) -> Keys:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise KeysMissing(
            f"{path}: no key file; run `wushe init`, or restore the keys of this installation"
        ) from None
    return Keys(
        current=content["current"],
        field_keys={name: _unb64(value) for name, value in content["field_keys"].items()},
        index_key=_unb64(content["index_key"]),
        django_secret=content["django_secret"],
        signing_seed=_unb64(content["signing_seed"]),
    )


def load_keys() -> Keys:
    """Return the keys of this installation; raises `KeysMissing` before `wushe init`."""
    chosen = os.environ.get("WUSHE_DATA")
    return _load(_keys_path(chosen, "" if chosen and os.path.isabs(chosen) else os.getcwd()))


@lru_cache(maxsize=4)
def _keys_path(_chosen: str | None, _here: str) -> Path:
    # Resolving a path asks the file system for each of its parts: too dear for every field of a hundred thousand rows.
    return keys_path()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encrypt(text: str, purpose: str, key: bytes | None = None) -> str:
    """Return `text` sealed for `purpose` under the current key, or under `key` (32 bytes) where one is given."""
    if key is None:
        keys = load_keys()
        key_id, key = keys.current, keys.field_keys[keys.current]
    else:
        key_id = "own"
    nonce = secrets.token_bytes(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), purpose.encode())
    return f"{_VERSION}.{key_id}.{_b64(nonce + sealed)}"


def decrypt(stored: str, purpose: str, key: bytes | None = None) -> str:
    """Return the text that `encrypt` sealed; raises `CannotDecrypt` when it was altered, moved, or its key is gone."""
    try:
        version, key_id, body = stored.split(".", 2)
        if version != _VERSION:
            raise CannotDecrypt(f"unknown version {version}")
        if key is None:
            key = load_keys().field_keys[key_id]
        raw = _unb64(body)
        return AESGCM(key).decrypt(raw[:12], raw[12:], purpose.encode()).decode()
    except (ValueError, KeyError, InvalidTag) as error:
        raise CannotDecrypt(f"{purpose}: a stored value does not decrypt") from error


def blind_index(value: str, purpose: str) -> str:
    """Return the keyed index (32 hex digits) under which `value` of `purpose` is found without storing it in clear."""
    key = load_keys().index_key
    return hmac.new(key, f"{purpose}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]
