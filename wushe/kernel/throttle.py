"""Slowing guesses down: token buckets in the database, right under any number of simultaneous tries.

A bucket holds `limit` tries and refills evenly over `per_seconds`. It is stored as one instant, the moment it will be full again: a try
moves that instant `per_seconds / limit` into the future and is refused when the instant would lie further ahead than `per_seconds`.
One conditional UPDATE does both, so two tries can never spend the same token, and no row lock is needed.
"""

import time
from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from wushe.kernel import crypto
from wushe.kernel.models import ThrottleBucket
from wushe.kernel.problems import Problem

_SECOND = 1_000_000


class TooManyTries(Problem):
    """The bucket is empty. `retry_after` is in whole seconds."""

    code = "too_many_tries"
    status = 429

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        minutes = -(-retry_after // 60)
        super().__init__(
            _("尝试次数过多，请在 %(seconds)d 秒后再试。") % {"seconds": retry_after}
            if retry_after < 60
            else _("尝试次数过多，请在 %(minutes)d 分钟后再试。") % {"minutes": minutes}
        )


def spend(*, bucket: str, key: str, limit: int, per_seconds: int) -> None:
    """Spend one try of `key` in `bucket`; raises `TooManyTries` when none is left.

    `key` (an account name, an address, a token's id) is stored only as a keyed hash. Call it *before* the operation's own
    transaction: a refused log-in rolls back, and the try it cost must not roll back with it. Django raises `RuntimeError` otherwise.
    """
    step = per_seconds * _SECOND // limit
    hashed = _hashed(bucket, key)
    now = _now()
    with transaction.atomic(durable=True):
        if _take(bucket, hashed, now, step, per_seconds):
            return
        if ThrottleBucket.objects.bulk_create(
            [ThrottleBucket(bucket=bucket, key_hash=hashed, full_at_us=0)], ignore_conflicts=True
        ) and _take(bucket, hashed, now, step, per_seconds):
            return
        full_at = ThrottleBucket.objects.values_list("full_at_us", flat=True).get(
            bucket=bucket, key_hash=hashed
        )
    raise TooManyTries(max(1, -(-(full_at + step - now - per_seconds * _SECOND) // _SECOND)))


def refill(*, bucket: str, key: str) -> None:
    """Forget the tries of `key`, for instance after a log-in that succeeded."""
    ThrottleBucket.objects.filter(bucket=bucket, key_hash=_hashed(bucket, key)).delete()


def left(*, bucket: str, key: str, limit: int, per_seconds: int) -> int:
    """Return how many tries `key` still has at this moment."""
    rows: Iterable[int] = ThrottleBucket.objects.filter(
        bucket=bucket, key_hash=_hashed(bucket, key)
    ).values_list("full_at_us", flat=True)
    ahead = max((full_at - _now() for full_at in rows), default=0)
    return limit - max(0, -(-ahead // (per_seconds * _SECOND // limit)))


def prune() -> int:
    """Delete the buckets that are full again (they say nothing); return how many."""
    return ThrottleBucket.objects.filter(full_at_us__lt=_now()).delete()[0]


def _take(bucket: str, hashed: str, now: int, step: int, per_seconds: int) -> bool:
    return bool(
        ThrottleBucket.objects.filter(
            bucket=bucket, key_hash=hashed, full_at_us__lte=now + per_seconds * _SECOND - step
        ).update(full_at_us=Greatest(F("full_at_us"), Value(now)) + step)
    )


def _hashed(bucket: str, key: str) -> str:
    return crypto.blind_index(key, f"throttle.{bucket}")


def _now() -> int:
    return time.time_ns() // 1000
