"""Who did what to what: one row in the same transaction as the change itself.

`record` is the last line of every operation that changes anything. Rows are written unchained, so that they never serialise
the writes of the system; `kernel.sealing` chains them afterwards.

Personal values never enter a row in clear. `image(instance)` turns a row into JSON values and seals the fields the model
names in `personal_fields`, and every encrypted column, under the key of the person they belong to. `forget` destroys
that key: the images become unreadable for ever, the chain still verifies.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

from wushe.kernel import crypto, personal
from wushe.kernel.actor import Actor
from wushe.kernel.fields import EncryptedField
from wushe.kernel.models import AuditEvent
from wushe.kernel.scoping import ScopedModel

Image = dict[str, Any]
Target = models.Model | tuple[str, object]

PERSONAL = "_personal"
_PURPOSE = "audit.image"
_LABEL_PURPOSE = "audit.actor"

# Made once: `json.dumps` would build a new encoder for every record that is checked.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class NotInTransaction(Exception):
    """An audit row was about to be written apart from the change it tells of."""


def record(
    *,
    by: Actor,
    verb: str,
    target: Target,
    before: Image | models.Model | None = None,
    after: Image | models.Model | None = None,
    note: str = "",
    place_path: str = "",
) -> AuditEvent:
    """Write one audit row: `by` did `verb` to `target` (a row, or a pair of model label and id).

    `before` and `after` are images, or instances to take an image of. `note` and hand-made images must hold no personal
    value. Without `place_path` the target's own place decides who may read the row; what has no place is read at the nation's level.
    Raises `NotInTransaction` outside `transaction.atomic`.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(f"{verb}: an audit row belongs into the transaction of the change it tells of")
    label, target_id = _target(target)
    person = by.person_id
    return AuditEvent.objects.create(
        at=timezone.now(),
        actor_kind=by.kind,
        actor_id=str(by.account_id or ""),
        actor_person_id=str(person or ""),
        actor_label=personal.seal(person, by.label, _LABEL_PURPOSE)
        if person and by.label
        else _text(by.label),
        verb=verb,
        target_label=label,
        target_id=target_id,
        place_path=place_path or _place_of(target) or "/",
        before=_stored(before),
        after=_stored(after),
        note=_text(note),
    )


def image(instance: models.Model) -> Image:
    """Return the row's fields as JSON values, personal ones sealed under their owner's key."""
    return images([instance])[0]


def images(instances: Sequence[models.Model]) -> list[Image]:
    """Return the images of many rows in as many queries as one takes (for the one audit row of a batch)."""
    owners = [_owner(instance) for instance in instances]
    keys = personal.data_keys(owner for owner in owners if owner is not None) if any(owners) else {}
    return [_image(instance, owner, keys) for instance, owner in zip(instances, owners, strict=True)]


def readable(stored: str | None) -> Image | None:
    """Return a stored image with the sealed values opened; after `forget` they are gone and `_personal` says ERASED.

    For readers the policy has let through to the row *and* to the person's data; show `_personal` to nobody else.
    """
    if stored is None:
        return None
    content: Image = json.loads(stored)
    sealed = content.get(PERSONAL)
    if isinstance(sealed, dict) and "sealed" in sealed:
        text = personal.unseal(UUID(sealed["person"]), sealed["sealed"], _PURPOSE)
        content[PERSONAL] = "ERASED" if text is None else json.loads(text)
    return content


def actor_label(event: AuditEvent) -> str:
    """Return the name the actor went by when acting; "" when that person was forgotten since."""
    if not event.actor_person_id:
        return event.actor_label
    return personal.unseal(UUID(event.actor_person_id), event.actor_label, _LABEL_PURPOSE) or ""


def actor_labels(found: Sequence[AuditEvent]) -> list[str]:
    """Return `actor_label` of many records, in at most three queries."""
    people = {UUID(event.actor_person_id) for event in found if event.actor_person_id and event.actor_label}
    keys = personal.data_keys(people) if people else {}
    labels = []
    for event in found:
        if not event.actor_person_id or not event.actor_label:
            labels.append(event.actor_label)
            continue
        key = keys.get(UUID(event.actor_person_id))
        labels.append("" if key is None else crypto.decrypt(event.actor_label, _LABEL_PURPOSE, key))
    return labels


def events(
    actor: Actor, *, target: Target | None = None, verb: str = "", since: dt.datetime | None = None
) -> models.QuerySet[AuditEvent]:
    """Return the audit rows `actor` may read, newest first, optionally of one target, verb or time."""
    found = AuditEvent.objects.visible_to(actor)
    if target is not None:
        label, target_id = _target(target)
        found = found.filter(target_label=label, target_id=target_id)
    if verb:
        found = found.filter(verb=verb)
    if since is not None:
        found = found.filter(at__gte=since)
    return found.order_by("-id")


def forget(person_id: UUID) -> None:
    """Make every audit image and message of this person unreadable for ever. The chain over the rows still verifies."""
    personal.destroy_key(person_id)


def canonical(value: Any) -> str:
    """Return the one JSON text that stands for `value`: keys sorted, no spaces, Chinese as itself."""
    return _encode(value)


def _stored(value: Image | models.Model | None) -> str | None:
    if value is None:
        return None
    return canonical(_json(image(value) if isinstance(value, models.Model) else value))


def _target(target: Target) -> tuple[str, str]:
    if isinstance(target, models.Model):
        return target._meta.label, str(target.pk)
    label, target_id = target
    return label, str(target_id or "")


def _place_of(target: Target) -> str:
    if isinstance(target, ScopedModel) and getattr(target.Scope, "place", None):
        return min(target.facts().place_paths, default="")
    return ""


def _owner(instance: models.Model) -> UUID | None:
    owner: UUID | None = getattr(instance, "personal_owner_id", lambda: None)()
    return owner


def _image(instance: models.Model, owner: UUID | None, keys: Mapping[UUID, bytes]) -> Image:
    named = set(getattr(instance, "personal_fields", ()))
    omitted = {"password", *getattr(instance, "audit_omitted", ())}
    clear: Image = {}
    private: Image = {}
    for field in instance._meta.concrete_fields:
        if field.name in omitted:
            continue
        value = _json(getattr(instance, field.attname))
        is_personal = field.name in named or field.attname in named or isinstance(field, EncryptedField)
        (private if is_personal else clear)[field.attname] = value
    if not any(value not in (None, "", [], {}) for value in private.values()):
        return {**clear, **private}
    if owner is None:
        # Nobody's key to seal under: say which fields there were, never what they held.
        return {**clear, PERSONAL: {"withheld": sorted(private)}}
    key = keys.get(owner)
    if key is None:
        return {**clear, PERSONAL: "ERASED"}
    return {
        **clear,
        PERSONAL: {"person": str(owner), "sealed": crypto.encrypt(canonical(private), _PURPOSE, key)},
    }


def _json(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _text(value)
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat() if timezone.is_aware(value) else value.isoformat()
        case bytes() | memoryview():
            return {"sha256": sha256(bytes(value)).hexdigest()}
        case Mapping():
            return {_text(str(name)): _json(item) for name, item in value.items()}
        case Decimal() | UUID() | dt.date() | dt.time():
            return str(value)
        case Iterable():
            return [_json(item) for item in value]
        case _:
            return _text(str(value))


def _text(value: str) -> str:
    # PostgreSQL stores no NUL and UTF-8 no lone surrogate; the trail must be writable whatever was typed.
    return value.replace("\x00", "\u2400").encode("utf-8", "replace").decode()
