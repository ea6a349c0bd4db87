"""The audit trail (审计记录) as the desk reads it: who did what to what, when; personal values only for those who may see them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.community.models import Account, Place
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem
from wushe.kernel.text import mask_identity, mask_phone


class EventNotFound(Problem):
    """There is no such record, or the actor may not read it."""

    code = "audit.not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class EventRow:
    """One record as the list shows it."""

    event: AuditEvent
    who: str
    number: str
    where: str


@dataclass(frozen=True, slots=True)
class Change:
    """One column before and after."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One record with what changed. `withheld`: personal values there are but the actor may not see; `erased`: the person was forgotten."""

    row: EventRow
    changes: tuple[Change, ...]
    withheld: bool
    erased: bool


def events(
    actor: Actor,
    *,
    text: str = "",
    verb: str = "",
    account: str = "",
    since: date | None = None,
    until: date | None = None,
) -> QuerySet[AuditEvent]:
    """Return the records the actor may read, newest first.

    `text` is a target's kind or id, `account` the number of who acted, `since` and `until` days, both included.
    """
    found = audit.events(actor, verb=verb, since=_midnight(since))
    if until is not None:
        found = found.filter(at__lt=_midnight(until + timedelta(days=1)))
    if text.strip():
        typed = text.strip()[:80].replace("\x00", "")
        try:
            found = found.filter(target_id=str(UUID(typed)))
        except ValueError:
            found = found.filter(target_label__icontains=typed)
    if account.strip():
        ids = (
            Account.objects.visible_to(actor).filter(number=account.strip()[:20]).values_list("pk", flat=True)
        )
        found = found.filter(actor_id__in=[str(pk) for pk in ids])
    return found


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else timezone.make_aware(datetime.combine(day, time.min))


def rows_of(actor: Actor, found: list[AuditEvent]) -> list[EventRow]:
    """Return list rows for records the actor may read. Three queries for any number."""
    names = audit.actor_labels(found)
    paths = {event.place_path for event in found}
    places = dict(Place.objects.visible_to(actor).filter(path__in=paths).values_list("path", "name"))
    ids = {UUID(event.actor_id) for event in found if event.actor_id}
    numbers = {
        str(pk): number for pk, number in Account.objects.filter(pk__in=ids).values_list("pk", "number")
    }
    return [
        EventRow(
            event,
            name,
            numbers.get(event.actor_id, ""),
            places.get(event.place_path, str(_("全国")) if event.place_path == "/" else event.place_path),
        )
        for event, name in zip(found, names, strict=True)
    ]


def event_record(actor: Actor, event_id: UUID) -> EventRecord:
    """Return one record with its changes. Raises `EventNotFound`."""
    event = AuditEvent.objects.visible_to(actor).filter(pk=event_id).first()
    if event is None:
        raise EventNotFound(_("没有这条审计记录，或它不在您负责的范围内。"))
    may_read = all(
        policy.allows(actor, "view", policy.Facts(data_class, place_paths=frozenset({event.place_path})))
        for data_class in ("person", "person.contact", "person.identity")
    )
    before, after = audit.readable(event.before) or {}, audit.readable(event.after) or {}
    sealed = [part for image in (before, after) if (part := _open(image, may_read)) is not None]
    columns = list(dict.fromkeys([*before, *after]))
    changes = [
        Change(column, _text(before.get(column)), _text(after.get(column)))
        for column in columns
        if not before or not after or before.get(column) != after.get(column)
    ]
    return EventRecord(
        row=rows_of(actor, [event])[0],
        changes=tuple(changes),
        withheld=bool(sealed) and not may_read,
        erased=any(part == "ERASED" for part in sealed),
    )


def _open(image: dict[str, Any], may_read: bool) -> object:
    """Put the sealed part of an image among its columns where it may be read; return what the part was, None where there is none."""
    part: object = image.pop(audit.PERSONAL, None)
    if may_read and isinstance(part, dict) and "withheld" not in part:
        image.update({column: _masked(column, value) for column, value in part.items()})
    return part


def _masked(column: str, value: Any) -> Any:
    """Numbers by which somebody is reached or identified stay masked here too: showing them in clear is an act of its own."""
    if not value:
        return value
    if column == "identity_number":
        return mask_identity(str(value))
    if column == "value":
        return mask_phone(str(value))
    return value


def _text(value: Any) -> str:
    return "" if value is None else str(value)
