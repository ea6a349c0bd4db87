"""A request sent twice is carried out once, and answered alike.

The claim row, the effect and the kept answer are one transaction. So there is no moment at which the effect stands and the
answer is lost, and none at which a crashed first try blocks a second. A simultaneous duplicate waits at the unique row until
the first has committed, then gets its answer; if the first was refused, the duplicate is carried out.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from wushe.kernel import crypto
from wushe.kernel.models import FirstAnswer
from wushe.kernel.problems import Problem

KEEP = timedelta(days=7)
KEY_LENGTH = (8, 200)


class KeyReused(Problem):
    """The key was used before for a different request."""

    code = "idempotency.key_reused"
    status = 409


class BadKey(Problem):
    """The key is too short, too long, or not plain text."""

    code = "idempotency.bad_key"
    status = 422


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: HTTP-like status, headers worth repeating, body."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Claim:
    """The right to carry the request out, unless `earlier` already answers it. Call `keep` with the answer, or `give_up`."""

    earlier: Answer | None = None
    answer: Answer | None = None
    refused: bool = False

    def keep(self, answer: Answer) -> None:
        """Remember `answer` for later duplicates; what was done so far is committed with it."""
        self.answer = answer

    def give_up(self) -> None:
        """Roll back whatever was done: the request was refused, a later try starts afresh."""
        self.refused = True


def digest(*parts: str | bytes) -> str:
    """Return the digest of a request: its parts (method, path, body …), each kept apart from the next."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "big") + raw)
    return total.hexdigest()


@contextmanager
def once(key: str, scope: str, request_digest: str) -> Iterator[Claim]:
    """Run the body once for (`scope`, `key`); `scope` names the actor and the route, so that keys of two people never meet.

        with once(key, scope, digest(...)) as claim:
            if claim.earlier is None:
                ...do it, inside this transaction...
                claim.keep(Answer(201, body))

    Raises `KeyReused` when the key came before with another request, `BadKey` for an unusable key. An exception in the body
    rolls everything back, and so does `claim.give_up()`; a body that does neither leaves its effects but no answer.
    """
    if not KEY_LENGTH[0] <= len(key) <= KEY_LENGTH[1] or not key.isprintable():
        raise BadKey(_("Idempotency-Key 须为 8 至 200 个可见字符。"))
    hashed = crypto.blind_index(f"{scope}\x00{key}", "idempotency")
    with transaction.atomic():
        claim = Claim(earlier=_claim(hashed, request_digest))
        yield claim
        if claim.refused:
            transaction.set_rollback(True)
        elif claim.answer is not None:
            FirstAnswer.objects.filter(key_hash=hashed).update(
                status=claim.answer.status, headers=claim.answer.headers, body=claim.answer.body
            )
        elif claim.earlier is None:
            FirstAnswer.objects.filter(key_hash=hashed).delete()


def _claim(hashed: str, request_digest: str) -> Answer | None:
    try:
        with transaction.atomic():
            FirstAnswer.objects.create(key_hash=hashed, request_digest=request_digest)
        return None
    except IntegrityError:
        row = FirstAnswer.objects.get(key_hash=hashed)
    if row.request_digest != request_digest:
        raise KeyReused(
            _("同一个提交编号已用于内容不同的另一次提交。请重新打开页面再填，或换一个 Idempotency-Key。")
        )
    return Answer(status=row.status or 200, body=row.body, headers=row.headers)


def prune() -> int:
    """Delete answers older than seven days; return how many."""
    return FirstAnswer.objects.filter(created_at__lt=timezone.now() - KEEP).delete()[0]
