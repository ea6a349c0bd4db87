"""Who calls: a bearer token stands for one role grant. A browser's session never opens the API, so no form on another site can use it."""

import threading
from typing import Any, Protocol, cast

from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer

from wushe.community.queries import accounts
from wushe.community.queries.accounts import Bearer
from wushe.kernel import throttle
from wushe.kernel.actor import Actor
from wushe.kernel.network import client_address

# Calls per minute. A token's calls are drawn from the database in blocks, so that reading does not commit once per call.
CALLS_PER_MINUTE = 600
ANONYMOUS_PER_MINUTE = 120
BAD_TOKENS_PER_MINUTE = 20
_BLOCK = 20


class ApiRequest(Protocol):
    """What `identify` makes of a request; operations annotate with it."""

    actor: Actor
    bearer: Bearer | None


class BearerToken(HttpBearer):
    """`Authorization: Bearer …`; the work is done by `identify`, which runs before the operation."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return who was identified, or None."""
        return cast(ApiRequest, request).bearer


_drawn: dict[str, int] = {}
_lock = threading.Lock()


def identify(request: HttpRequest) -> None:
    """Set `request.actor` and `request.bearer` from the token; anonymous without one.

    Raises `AuthenticationError` for a token that does not count, `TooManyTries` beyond the rate of the token or address.
    """
    caller = cast(ApiRequest, request)
    caller.actor, caller.bearer = Actor.anonymous(), None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        _spend("api.anonymous", client_address(request), ANONYMOUS_PER_MINUTE)
        return
    bearer = accounts.actor_for_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if bearer is None:
        throttle.spend(
            bucket="api.bad_token", key=client_address(request), limit=BAD_TOKENS_PER_MINUTE, per_seconds=60
        )
        raise AuthenticationError
    _spend("api.token", str(bearer.token_id), CALLS_PER_MINUTE)
    caller.actor, caller.bearer = bearer.actor, bearer


def _spend(bucket: str, key: str, per_minute: int) -> None:
    name = f"{bucket}:{key}"
    with _lock:
        left = _drawn.get(name, 0)
        if left:
            _drawn[name] = left - 1
            return
        if len(_drawn) > 10_000:
            _drawn.clear()
    throttle.spend(bucket=bucket, key=key, limit=per_minute // _BLOCK, per_seconds=60)
    with _lock:
        _drawn[name] = _drawn.get(name, 0) + _BLOCK - 1
