"""What the book accepts, decided from values alone: amounts, the zero sum, floors, and what an account may be spent on.

Amounts are integers: minutes, fen (0.01 yuan), or whole units of a kind of goods. A leg takes from an account when it is
negative and adds to it when it is positive.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

MINUTES: Final = "MINUTES"
FEN: Final = "FEN"
GOODS: Final = "GOODS"
UNITS: Final = (MINUTES, FEN, GOODS)

MOST: Final = 10**12
"""Most that one leg may move, in the account's unit: ten billion yuan, or two million years."""

MOST_HELD: Final = 10**15
"""Furthest that a balance may stand from zero; leaves the sums of a whole city within 64 bits."""

KEY_LENGTH: Final = (8, 200)
NOTE_LENGTH: Final = 500
CODE_LENGTH: Final = 60

# Why a transfer is refused; the operation turns the code into a sentence.
TOO_FEW_LEGS: Final = "too_few_legs"
ACCOUNT_TWICE: Final = "account_twice"
AMOUNT_INVALID: Final = "amount_invalid"
NOT_ZERO: Final = "not_zero"
BELOW_FLOOR: Final = "below_floor"
TOO_MUCH_HELD: Final = "too_much_held"
WRONG_PURPOSE: Final = "wrong_purpose"
WRONG_PLACE: Final = "wrong_place"
TOO_LATE: Final = "too_late"


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer: `amount` (in the account's unit, never zero) is added to the account's balance."""

    account_id: UUID
    amount: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What an account holds and what it may be spent on.

    `measure` is what must sum to zero: "MINUTES", "FEN", or "GOODS" with the id of the item. `floor` is the least balance, None
    where there is none (a source, such as what somebody gives). "" and None in the rest mean: no condition.
    """

    measure: str
    floor: int | None = 0
    purpose: str = ""
    spend_place_path: str = ""
    spend_until: date | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transfer cannot be: a code of this module, and the account it concerns where it is one."""

    code: str
    account_id: UUID | None = None


def shape_refusal(legs: Sequence[Leg]) -> Refusal | None:
    """Judge the legs by themselves: two or more, each account once, whole amounts that are not zero and not beyond `MOST`."""
    if len(legs) < 2:
        return Refusal(TOO_FEW_LEGS)
    seen: set[UUID] = set()
    for leg in legs:
        if leg.account_id in seen:
            return Refusal(ACCOUNT_TWICE, leg.account_id)
        seen.add(leg.account_id)
        # bool is an int to Python; True is no amount of anything.
        if type(leg.amount) is not int or leg.amount == 0 or abs(leg.amount) > MOST:
            return Refusal(AMOUNT_INVALID, leg.account_id)
    return None


def sums(legs: Iterable[Leg], measures: Mapping[UUID, str]) -> dict[str, int]:
    """Return what the legs add up to, per measure."""
    total: dict[str, int] = {}
    for leg in legs:
        measure = measures[leg.account_id]
        total[measure] = total.get(measure, 0) + leg.amount
    return total


def refusal(
    legs: Sequence[Leg],
    terms: Mapping[UUID, Terms],
    balances: Mapping[UUID, int],
    *,
    purpose: str,
    place_path: str,
    on: date,
    is_reversal: bool = False,
) -> Refusal | None:
    """Judge a transfer for `purpose` at `place_path` on the day `on`; None when it may be.

    A reversal is no spending: purpose, place and day do not bind it, but no account falls below its floor by it either.
    """
    wrong = shape_refusal(legs)
    if wrong is not None:
        return wrong
    # Only these accounts: a batch hands in the terms of all its thousands for each of its transfers.
    if any(sums(legs, {leg.account_id: terms[leg.account_id].measure for leg in legs}).values()):
        return Refusal(NOT_ZERO)
    for leg in legs:
        held, after = terms[leg.account_id], balances[leg.account_id] + leg.amount
        if leg.amount < 0:
            if not is_reversal and (code := _spending_fault(held, purpose, place_path, on)):
                return Refusal(code, leg.account_id)
            if held.floor is not None and after < held.floor:
                return Refusal(BELOW_FLOOR, leg.account_id)
        if abs(after) > MOST_HELD:
            return Refusal(TOO_MUCH_HELD, leg.account_id)
    return None


def _spending_fault(held: Terms, purpose: str, place_path: str, on: date) -> str:
    if held.purpose and held.purpose != purpose:
        return WRONG_PURPOSE
    if held.spend_place_path and not place_path.startswith(held.spend_place_path):
        return WRONG_PLACE
    if held.spend_until is not None and on > held.spend_until:
        return TOO_LATE
    return ""


def opposite(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """Return the legs that take back what `legs` did."""
    return tuple(Leg(leg.account_id, -leg.amount) for leg in legs)


def digest(
    legs: Iterable[Leg],
    *,
    effective_at: datetime,
    place_id: UUID,
    purpose: str,
    note: str,
    reverses: UUID | None = None,
) -> str:
    """Return the digest of what a transfer says, whatever the order of its legs: 64 hexadecimal digits.

    A retry under the same key must say the same; the place's path is left out, because boundaries move. `effective_at` carries a zone.
    """
    content = [
        sorted([str(leg.account_id), leg.amount] for leg in legs),
        effective_at.astimezone(UTC).isoformat(timespec="microseconds"),
        str(place_id),
        purpose,
        note,
        str(reverses or ""),
    ]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shared_root(paths: Iterable[str]) -> str:
    """Return the deepest place path that all of `paths` lie in; "/" when there is none."""
    parts = [path.strip("/").split("/") for path in paths]
    if not parts:
        return "/"
    common: list[str] = []
    for labels in zip(*parts, strict=False):
        if len(set(labels)) > 1 or not labels[0]:
            break
        common.append(labels[0])
    return "/" + "".join(f"{label}/" for label in common)
