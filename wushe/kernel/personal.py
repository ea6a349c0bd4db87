"""Sealing under a key that belongs to one person, so that forgetting the person is destroying one key."""

import base64
import secrets
from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from wushe.kernel import crypto
from wushe.kernel.models import PersonalKey


def data_keys(person_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """Return each person's key, made where there was none; people who were forgotten are missing from the answer.

    Three queries (inserts of very many rows come in batches). Nothing is cached: a destroyed key must be gone at once everywhere.
    """
    wanted = set(person_ids)
    rows = {row.person_id: row for row in PersonalKey.objects.filter(person_id__in=wanted)}
    new = wanted - rows.keys()
    if new:
        made = [
            PersonalKey(person_id=person_id, wrapped_key=_wrap(person_id, secrets.token_bytes(32)))
            for person_id in new
        ]
        # Another process may make the same person's key at the same moment: the first row wins, so read back.
        PersonalKey.objects.bulk_create(made, ignore_conflicts=True, batch_size=1000)
        rows.update({row.person_id: row for row in PersonalKey.objects.filter(person_id__in=new)})
    return {person_id: _unwrap(row) for person_id, row in rows.items() if row.destroyed_at is None}


def seal(person_id: UUID, text: str, purpose: str) -> str:
    """Return `text` sealed under the person's key; "" when the person was forgotten (nothing may be kept of them)."""
    key = data_keys([person_id]).get(person_id)
    return "" if key is None else crypto.encrypt(text, purpose, key)


def unseal(person_id: UUID, stored: str, purpose: str) -> str | None:
    """Return the text sealed under the person's key, or None once the key is destroyed."""
    row = PersonalKey.objects.filter(person_id=person_id).first()
    if row is None or row.destroyed_at is not None or not stored:
        return None
    return crypto.decrypt(stored, purpose, _unwrap(row))


def destroy_key(person_id: UUID) -> None:
    """Destroy the person's key for ever. Harmless to repeat, and it also bars a key from being made later."""
    now = timezone.now()
    changed = PersonalKey.objects.filter(person_id=person_id, destroyed_at__isnull=True).update(
        wrapped_key="", destroyed_at=now
    )
    if not changed:
        PersonalKey.objects.bulk_create(
            [PersonalKey(person_id=person_id, destroyed_at=now)], ignore_conflicts=True
        )


def _wrap(person_id: UUID, key: bytes) -> str:
    return crypto.encrypt(base64.b64encode(key).decode(), f"personal-key.{person_id}")


def _unwrap(row: PersonalKey) -> bytes:
    return base64.b64decode(crypto.decrypt(row.wrapped_key, f"personal-key.{row.person_id}"))
