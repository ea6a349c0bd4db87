"""What a browser's session says: whose it is, with which stamp, since when, on whose device. Nothing else is kept in it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token

from wushe.community.queries import accounts as queries
from wushe.community.rules import accounts as rules
from wushe.kernel.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID as _UUID

_ACCOUNT, _STAMP, _SINCE, _OWN, _PENDING = "account", "stamp", "since", "own_device", "pending"
DEVICE_COOKIE = "wushe_device"
_DEVICE_AGE = 365 * 24 * 3600


class Opened(Protocol):
    """What the log-in operations return: enough to open a session."""

    @property
    def account_id(self) -> "_UUID": ...
    @property
    def stamp(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Pending:
    """A log-in whose password was right and whose second factor is still to come."""

    account_id: UUID
    stamp: str
    own_device: bool
    next: str


def sign_in(request: HttpRequest, opened: Opened, *, own_device: bool) -> None:
    """Open a session for the account under a new session id; whatever the visitor's session held before is dropped."""
    request.session.flush()
    request.session[_ACCOUNT] = str(opened.account_id)
    request.session[_STAMP] = opened.stamp
    request.session[_SINCE] = int(time.time())
    request.session[_OWN] = own_device
    request.session.set_expiry(int(rules.OWN_DEVICE_LASTS.total_seconds()) if own_device else 0)
    rotate_token(request)


def renew(request: HttpRequest, stamp: str) -> None:
    """Keep this session alive after the password it was opened with has changed, under a new session id."""
    request.session.cycle_key()
    request.session[_STAMP] = stamp
    rotate_token(request)


def sign_out(request: HttpRequest) -> None:
    """End this session."""
    request.session.flush()


def wait_for_second_factor(request: HttpRequest, opened: Opened, *, own_device: bool, next_url: str) -> None:
    """Remember, signed nowhere else, that the password was right; the visitor is not signed in."""
    request.session.flush()
    request.session[_PENDING] = {
        "account": str(opened.account_id),
        "stamp": opened.stamp,
        "since": int(time.time()),
        "own_device": own_device,
        "next": next_url,
    }
    request.session.set_expiry(int(rules.SECOND_STEP_LASTS.total_seconds()))


def pending(request: HttpRequest) -> Pending | None:
    """Return the log-in that waits for its second factor, or None when there is none or it waited too long."""
    held: Any = request.session.get(_PENDING)
    if not held or time.time() - held["since"] > rules.SECOND_STEP_LASTS.total_seconds():
        return None
    return Pending(UUID(held["account"]), held["stamp"], held["own_device"], held["next"])


def signed_in(request: HttpRequest) -> queries.SignedIn | None:
    """Return who this request's session stands for now; ends sessions that no longer count."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    account = request.session.get(_ACCOUNT)
    if not account:
        return None
    lasts = rules.OWN_DEVICE_LASTS if request.session.get(_OWN) else rules.SHARED_DEVICE_LASTS
    found = None
    if time.time() - request.session.get(_SINCE, 0) <= lasts.total_seconds():
        found = queries.actor_for_session(UUID(account), request.session.get(_STAMP, ""))
    if found is None:
        request.session.flush()
    return found


def known_device(request: HttpRequest, salt: str = "wushe.device") -> str:
    """Return the id of this browser when it has logged in here before, else "". Forged cookies are nobody's device."""
    try:
        return str(signing.loads(request.COOKIES.get(DEVICE_COOKIE, ""), salt=salt, max_age=_DEVICE_AGE))
    except signing.BadSignature:
        return ""


def remember_device(request: HttpRequest, response: HttpResponse, account_id: UUID) -> None:
    """Mark this browser as one from which `account_id` logged in: guesses made elsewhere no longer lock it out."""
    value = signing.dumps(f"{account_id}.{new_id()}", salt="wushe.device")
    response.set_cookie(
        DEVICE_COOKIE,
        value,
        max_age=_DEVICE_AGE,
        httponly=True,
        samesite="Lax",
        secure=bool(settings.SESSION_COOKIE_SECURE),
    )
