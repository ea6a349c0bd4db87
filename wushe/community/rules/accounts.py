"""What makes a number, a password or a PIN acceptable, who may touch whose account, and which grants are dangerous.

Pure: decides from values alone. Durations and limits of the log-in stand here in one place.
"""

import hashlib
import hmac
import secrets
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant
from wushe.kernel.policy import Relation

# --- limits -----------------------------------------------------------------------------------------------------------

INVITATION_LASTS: Final = timedelta(days=7)
OWN_DEVICE_LASTS: Final = timedelta(days=14)
SHARED_DEVICE_LASTS: Final = timedelta(hours=12)
SECOND_STEP_LASTS: Final = timedelta(minutes=5)
TOKEN_LASTS_AT_MOST: Final = timedelta(days=366)
TOKEN_IS_OLD_AFTER: Final = timedelta(days=180)
GRANT_ENDS_SOON: Final = timedelta(days=30)
RECOVERY_CODES: Final = 8


@dataclass(frozen=True, slots=True)
class Limit:
    """How many tries a bucket of `kernel.throttle` holds, and in how many seconds it refills."""

    bucket: str
    limit: int
    per_seconds: int


# 10,000 guesses take more than ten days for one account, and a known device keeps a bucket of its own meanwhile.
BY_ACCOUNT: Final = Limit("login.account", 10, 900)
BY_ADDRESS: Final = Limit("login.address", 200, 900)
BY_DEVICE: Final = Limit("login.device", 10, 900)
BY_CARD: Final = Limit("login.card", 8, 900)
# A PIN has a million values; thirty a day leave whoever found a card one chance in ninety over a whole year.
BY_CARD_DAY: Final = Limit("login.card.day", 30, 86_400)
BY_SECOND_FACTOR: Final = Limit("login.second_factor", 8, 900)
BY_INVITATION: Final = Limit("login.invitation", 30, 900)

# --- numbers, passwords, PINs -----------------------------------------------------------------------------------------

PASSWORD_LEAST: Final = 8
PASSWORD_MOST: Final = 128
DIGITS_LEAST: Final = 10
PIN_LENGTH: Final = 6
# Without 0/o, 1/l/i: read aloud and copied by hand.
_READABLE: Final = "23456789abcdefghjkmnpqrstuvwxyz"


def check_digit(digits: str) -> str:
    """Return the Luhn check digit of `digits`: it catches every single wrong digit and most swapped neighbors."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def new_number() -> str:
    """Return a random account number: eight digits, the last a check digit, the first neither 0 nor 1 (no phone looks so)."""
    digits = str(secrets.randbelow(8) + 2) + "".join(str(secrets.randbelow(10)) for _ in range(6))
    return digits + check_digit(digits)


def new_password() -> str:
    """Return a random first password that can be read over the telephone (about 49 bits)."""
    return "".join(secrets.choice(_READABLE) for _ in range(10))


def new_pin() -> str:
    """Return a random PIN that is not one of the obvious ones."""
    while True:
        pin = "".join(str(secrets.randbelow(10)) for _ in range(PIN_LENGTH))
        if pin_fault(pin) is None:
            return pin


def new_token(bits: int = 128) -> str:
    """Return a random token of at least `bits` bits for a link."""
    return secrets.token_urlsafe(bits // 8)


def token_hash(token: str) -> str:
    """Return what is stored of a token. The token is random, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def new_recovery_codes() -> list[str]:
    """Return fresh recovery codes in two groups ("abcde-fghjk", about 49 bits each)."""
    return [f"{code[:5]}-{code[5:]}" for code in (new_password() for _ in range(RECOVERY_CODES))]


def recovery_code_key(typed: str) -> str:
    """Return a typed recovery code without gaps and capitals, as it was hashed."""
    return "".join(c for c in typed.casefold() if c.isalnum())


def pin_fault(pin: str) -> str | None:
    """Return why `pin` is refused, or None: FORM (not six digits), OBVIOUS (all alike, a run, a pair or triple repeated)."""
    if len(pin) != PIN_LENGTH or not (pin.isascii() and pin.isdigit()):
        return "FORM"
    steps = {int(b) - int(a) for a, b in pairwise(pin)}
    if steps in ({0}, {1}, {-1}) or pin[:3] == pin[3:] or pin == pin[:2] * 3:
        return "OBVIOUS"
    return None


def password_fault(
    password: str, *, own: Iterable[str] = (), common: Container[str] = frozenset()
) -> str | None:
    """Return why `password` is refused, or None.

    SHORT, LONG, DIGITS (digits alone must be longer), MONOTONE (fewer than four different characters), COMMON (in `common`,
    a list of lower-case passwords that attackers try first), OWN (holds the number, the phone or the name in `own`).
    """
    if len(password) < PASSWORD_LEAST:
        return "SHORT"
    if len(password) > PASSWORD_MOST:
        return "LONG"
    if password.isdigit() and len(password) < DIGITS_LEAST:
        return "DIGITS"
    if len(set(password)) < 4:
        return "MONOTONE"
    folded = password.casefold().strip()
    if folded in common:
        return "COMMON"
    if any(word and (word.casefold() in folded) and len(folded) < len(word) + 4 for word in own):
        return "OWN"
    return None


def session_stamp(secret: str, account_id: UUID, password: str, session_round: int) -> str:
    """Return what a session must carry to count: it changes with the password and with "log out everywhere"."""
    return hmac.new(
        secret.encode(),
        f"wushe.session\x00{account_id}\x00{password}\x00{session_round}".encode(),
        hashlib.sha256,
    ).hexdigest()


def same(given: str, expected: str) -> bool:
    """True when two secrets are equal; takes the same time wherever they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


# --- whose account may be touched -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """One role somebody holds now. `place_path` is the place of the grant, or of the grant's organization; "/" the nation."""

    role: str
    place_path: str | None = None
    organization_path: str | None = None


def may_give(actor: Actor, held: Held) -> bool:
    """True when `actor` may hand out, and so also end, exactly this role there."""
    return policy.may_grant(
        actor, held.role, place_path=held.place_path, organization_path=held.organization_path
    )


def covers(actor: Actor, holdings: Iterable[Held]) -> bool:
    """True when `actor` could have given every one of `holdings`.

    Whoever sets a password, prints a card or makes a link can act as that person afterwards; so nobody may do it for somebody
    whose rights they could not have given.
    """
    return all(may_give(actor, held) for held in holdings)


def _scopes_of(role: str) -> frozenset[str]:
    relations = {relation for verbs in policy.RULES.get(role, {}).values() for relation in verbs.values()}
    scopes: set[str] = set()
    if relations & {Relation.PLACE, Relation.PLACE_OR_ORGANIZATION}:
        scopes.add("place")
    if relations & {Relation.ORGANIZATION, Relation.PLACE_OR_ORGANIZATION}:
        scopes.add("organization")
    return frozenset(scopes)


SCOPES: Final = {role: _scopes_of(role) for role in policy.GRANTABLE_ROLES}


def fits(role: str, scope: str) -> bool:
    """True when `role` means something for a `scope` of "place" or "organization"."""
    return scope in SCOPES.get(role, frozenset())


def counts(grant: Grant) -> bool:
    """True when a stored grant means anything today: a role that the policy still knows, on a kind of scope it knows."""
    return fits(grant.role, "organization" if grant.organization_path else "place")


# --- dangerous grants -------------------------------------------------------------------------------------------------

# Roles whose loss would hurt many people at once: `grants check` asks for a second factor.
POWERFUL: Final = frozenset(
    {policy.PLATFORM_OPERATOR, policy.DISTRICT_ADMIN, policy.STREET_SUPERVISOR, policy.AUDITOR}
)
# Whoever checks must not be checked by themselves.
BAD_TOGETHER: Final = (
    frozenset({policy.AUDITOR, policy.DISTRICT_ADMIN}),
    frozenset({policy.AUDITOR, policy.STREET_SUPERVISOR}),
    frozenset({policy.AUDITOR, policy.PLATFORM_OPERATOR}),
    frozenset({policy.PLATFORM_OPERATOR, policy.DISTRICT_ADMIN}),
)
# A district's role above the county reaches people of many districts. A county's path has three labels: "/15/1506/150603/".
_COUNTY_SLASHES: Final = 4
_DISTRICT_ROLES: Final = frozenset({policy.DISTRICT_ADMIN, policy.STREET_SUPERVISOR, policy.COMMUNITY_WORKER})


@dataclass(frozen=True, slots=True)
class GrantState:
    """What the check needs to know of one grant that nobody has ended."""

    grant_id: UUID
    account_number: str
    role: str
    place_path: str | None
    organization_path: str | None
    is_national: bool
    expires_at: datetime | None
    account_is_active: bool
    account_has_second_factor: bool
    account_has_card: bool
    account_never_changed_password: bool
    scope_is_closed: bool
    other_roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TokenState:
    """What the check needs to know of one API token that still opens the door."""

    token_id: UUID
    account_number: str
    name: str
    created_at: datetime
    expires_at: datetime
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class Danger:
    """One finding: its stable code, whose account, and which grant or token."""

    code: str
    account_number: str
    subject: UUID
    role: str = ""


def grant_dangers(grant: GrantState, at: datetime) -> list[Danger]:
    """Return what is dangerous about one grant that nobody has ended."""
    codes: list[str] = []
    if grant.expires_at is not None and grant.expires_at <= at:
        codes.append("EXPIRED_NOT_ENDED")
    if grant.role not in policy.GRANTABLE_ROLES:
        codes.append("UNKNOWN_ROLE")
    elif not fits(grant.role, "organization" if grant.organization_path else "place"):
        codes.append("ROLE_WITHOUT_EFFECT")
    if grant.is_national:
        codes.append("NATIONAL")
    elif grant.role in _DISTRICT_ROLES and grant.place_path and grant.place_path.count("/") < _COUNTY_SLASHES:
        codes.append("WIDE")
    if not grant.account_is_active:
        codes.append("INACTIVE_ACCOUNT")
    if grant.role in POWERFUL and not grant.account_has_second_factor:
        codes.append("NO_SECOND_FACTOR")
    if grant.role in POWERFUL and grant.account_has_card:
        codes.append("CARD_WITH_POWER")
    if grant.account_never_changed_password:
        codes.append("FIRST_PASSWORD")
    if grant.scope_is_closed:
        codes.append("CLOSED_SCOPE")
    if any(grant.role in pair and pair - {grant.role} <= grant.other_roles for pair in BAD_TOGETHER):
        codes.append("BAD_TOGETHER")
    return [Danger(code, grant.account_number, grant.grant_id, grant.role) for code in codes]


def token_dangers(token: TokenState, at: datetime) -> list[Danger]:
    """Return what is dangerous about one valid API token."""
    codes = []
    if at - token.created_at > TOKEN_IS_OLD_AFTER:
        codes.append("OLD_TOKEN")
    if token.expires_at - at > TOKEN_LASTS_AT_MOST:
        codes.append("ENDLESS_TOKEN")
    return [Danger(code, token.account_number, token.token_id, token.name) for code in codes]
