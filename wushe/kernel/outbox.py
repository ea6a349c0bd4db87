"""Messages to people, by whatever way this office has: one table, one sender, many adapters.

    outbox.send(by=actor, to_person=person.id, kind="shift.reminder", subject="…", body="…", place_path=place.path)

writes a row in the caller's transaction; nothing leaves before that commits. In-app messages and texts to copy into a chat
group need no sending: they are there once due. The others are handed to their adapter by the worker, with retries. That a message
was sent says nothing; a person is reached only when they acknowledge.

An adapter is any object with `send(outgoing)`. It raises `Undeliverable` when trying again is useless, anything else when it is not. A crash
between sending and noting it makes the worker send again: adapters pass `outgoing.message_id` on to the gateway as its idempotency key.
SMS, WeCom and e-mail gateways are named in the setting `WUSHE_OUTBOX_ADAPTERS` ({"SMS": "package.module.Class"}).
"""

import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from wushe.kernel import crypto, personal
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.models import OutboxMessage
from wushe.kernel.problems import Problem

Channel = OutboxMessage.Channel
State = OutboxMessage.State

MOST_ATTEMPTS = 6
_CLAIM = timedelta(minutes=2)
_PURPOSE = "outbox.text"
_HELD_BY_PEOPLE = (Channel.IN_APP, Channel.COPY_TEXT)

logger = logging.getLogger(__name__)


class Undeliverable(Exception):
    """This message will never go out this way (no such number, blocked): do not try again."""


class NoAddress(Problem):
    """A message needs a person or an address."""

    code = "outbox.no_address"


class NoAdapter(Problem):
    """This installation has no way to send by this channel."""

    code = "outbox.no_adapter"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What an adapter gets. `address` is empty where the adapter finds it from `person_id` itself."""

    message_id: UUID
    kind: str
    person_id: UUID | None
    address: str
    subject: str
    body: str
    link: str


class Adapter(Protocol):
    """A way out of the house."""

    def send(self, outgoing: Outgoing) -> None:
        """Hand the message over. Raises `Undeliverable` when it never will go, anything else to be called again later."""


class ConsoleAdapter:
    """Prints the message: for trying the system out."""

    def send(self, outgoing: Outgoing) -> None:
        """Print it on standard error."""
        parts = (f"[{outgoing.kind}] {outgoing.address}", outgoing.subject, outgoing.body, outgoing.link, "")
        sys.stderr.write("\n".join(parts))


class FileAdapter:
    """Writes each message as one JSON file below `WUSHE_DATA/outbox`, for a gateway that picks files up."""

    def send(self, outgoing: Outgoing) -> None:
        """Write `<message id>.json`, whole or not at all, readable by this user only."""
        folder = crypto.data_folder() / "outbox"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {
            "id": str(outgoing.message_id),
            "kind": outgoing.kind,
            "person": str(outgoing.person_id or ""),
            "address": outgoing.address,
            "subject": outgoing.subject,
            "body": outgoing.body,
            "link": outgoing.link,
        }
        beside = folder / f".{outgoing.message_id}"
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(content, file, ensure_ascii=False)
        os.replace(beside, folder / f"{outgoing.message_id}.json")


@cache
def _adapters() -> dict[str, Adapter]:
    named: dict[str, str] = getattr(settings, "WUSHE_OUTBOX_ADAPTERS", {})
    return {
        Channel.CONSOLE: ConsoleAdapter(),
        Channel.FILE: FileAdapter(),
        **{channel: import_string(path)() for channel, path in named.items()},
    }


def register(channel: str, adapter: Adapter) -> None:
    """Use `adapter` for `channel` in this process."""
    _adapters()[channel] = adapter


def channels() -> list[str]:
    """Return the channels this installation can use."""
    return [*_HELD_BY_PEOPLE, *_adapters()]


def send(
    *,
    by: Actor,
    kind: str,
    subject: str,
    body: str,
    to_person: UUID | None = None,
    to_address: str = "",
    channel: str = Channel.IN_APP,
    due_at: datetime | None = None,
    place_path: str = "",
    link: str = "",
) -> UUID:
    """Put one message into the outbox, in the caller's transaction; return its id.

    The caller's operation has authorised it. `link` is a path of this site. Raises `NoAddress`, `NoAdapter`.
    """
    if to_person is None and not to_address:
        raise NoAddress(_("请选择收信人，或填写地址。"))
    if channel not in channels():
        raise NoAdapter(_("本系统尚未配置这种发送方式，请改用站内消息或可复制文本。"))
    message_id = new_id()
    OutboxMessage.objects.create(
        id=message_id,
        kind=kind,
        channel=channel,
        person_id=to_person,
        place_path=place_path or "/",
        address=to_address,
        sealed_subject=_seal(to_person, subject),
        sealed_body=_seal(to_person, body),
        link=link,
        sent_by=str(by.account_id or by.label)[:64],
        due_at=due_at or timezone.now(),
    )
    return message_id


def messages(actor: Actor, at: datetime | None = None) -> QuerySet[OutboxMessage]:
    """Return the messages `actor` may see that are due and not canceled, newest first."""
    return (
        OutboxMessage.objects.visible_to(actor)
        .filter(due_at__lte=at or timezone.now())
        .exclude(state=State.CANCELED)
        .order_by("-due_at", "-id")
    )


def read(message: OutboxMessage) -> tuple[str, str]:
    """Return subject and body; both "" once the person was forgotten."""
    return _unseal(message, message.sealed_subject), _unseal(message, message.sealed_body)


def mark_copied(*, message_id: UUID, at: datetime | None = None) -> bool:
    """Note that someone passed a COPY_TEXT message on by hand. False when it was noted before."""
    return bool(
        OutboxMessage.objects.filter(id=message_id, channel=Channel.COPY_TEXT, sent_at__isnull=True)
        .filter(state=State.WAITING)
        .update(state=State.SENT, sent_at=at or timezone.now())
    )


def acknowledge(*, message_id: UUID, person_id: UUID, at: datetime | None = None) -> bool:
    """Note that the person themselves confirmed the message: now, and only now, they are reached. False when noted before or not theirs."""
    now = at or timezone.now()
    return bool(
        OutboxMessage.objects.filter(id=message_id, person_id=person_id, acknowledged_at__isnull=True)
        .exclude(state=State.CANCELED)
        .update(state=State.ACKNOWLEDGED, acknowledged_at=now)
    )


def cancel(*, message_id: UUID) -> bool:
    """Take back a message that has not gone out. False when it is too late."""
    return bool(
        OutboxMessage.objects.filter(id=message_id, state__in=(State.WAITING, State.PARKED)).update(
            state=State.CANCELED
        )
    )


def retry(*, message_id: UUID) -> bool:
    """Give a parked message a fresh set of attempts."""
    return bool(
        OutboxMessage.objects.filter(id=message_id, state=State.PARKED).update(
            state=State.WAITING, attempts=0, due_at=timezone.now()
        )
    )


def deliver_due(at: datetime | None = None, limit: int = 100) -> int:
    """Hand due messages to their adapters; return how many went out. Two workers at once never hand over the same one."""
    now = at or timezone.now()
    due = Q(state=State.WAITING, due_at__lte=now) | Q(state=State.SENDING, claimed_until__lt=now)
    waiting = OutboxMessage.objects.filter(due, channel__in=list(_adapters())).order_by("due_at")
    gone = 0
    for message in waiting[:limit]:
        claimed = (
            OutboxMessage.objects.filter(due, id=message.id)
            .filter(attempts=message.attempts)
            .update(state=State.SENDING, claimed_until=now + _CLAIM, attempts=F("attempts") + 1)
        )
        if claimed:
            gone += _deliver(message, now)
    return gone


def _deliver(message: OutboxMessage, now: datetime) -> bool:
    subject, body = read(message)
    attempts = message.attempts + 1
    mine = OutboxMessage.objects.filter(id=message.id, state=State.SENDING, attempts=attempts)
    if message.person_id is not None and not body:
        mine.update(state=State.CANCELED, claimed_until=None)
        return False
    outgoing = Outgoing(
        message.id, message.kind, message.person_id, message.address, subject, body, message.link
    )
    try:
        _adapters()[message.channel].send(outgoing)
    except Exception as error:  # whatever an adapter raises, the other messages must go out
        parked = isinstance(error, Undeliverable) or attempts >= MOST_ATTEMPTS
        # The class alone: a gateway's own words may repeat the number or the text.
        logger.warning(
            "outbox %s by %s: attempt %d failed: %s",
            message.id,
            message.channel,
            attempts,
            type(error).__name__,
        )
        mine.update(
            state=State.PARKED if parked else State.WAITING,
            claimed_until=None,
            due_at=now + timedelta(seconds=30 * 2**attempts),
            last_error=type(error).__name__,
        )
        return False
    mine.update(state=State.SENT, sent_at=timezone.now(), claimed_until=None, last_error="")
    return True


def _seal(person_id: UUID | None, text: str) -> str:
    if person_id is None:
        return crypto.encrypt(text, _PURPOSE)
    return personal.seal(person_id, text, _PURPOSE)


def _unseal(message: OutboxMessage, stored: str) -> str:
    if not stored:
        return ""
    if message.person_id is None:
        return crypto.decrypt(stored, _PURPOSE)
    return personal.unseal(message.person_id, stored, _PURPOSE) or ""
