"""Numbers, passwords, PINs, covered rights and dangerous grants, decided from values alone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.community.rules import accounts as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant

NOW = datetime(2026, 3, 8, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("attempt", range(100))
def test_account_numbers_end_on_a_check_digit_that_finds_every_wrong_digit(attempt: int) -> None:
    number = rules.new_number()
    assert len(number) == 8
    assert number[0] not in "01"
    assert rules.check_digit(number[:-1]) == number[-1]
    for position in range(7):
        for digit in "0123456789":
            if digit != number[position]:
                wrong = number[:position] + digit + number[position + 1 :]
                assert rules.check_digit(wrong[:-1]) != wrong[-1]


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("short", "SHORT"),
        ("x" * 129, "LONG"),
        ("73916482", "DIGITS"),
        ("7391648250", None),
        ("abababab", "MONOTONE"),
        ("Password1", "COMMON"),
        ("23456789x", "OWN"),
        ("春眠不觉晓处处闻啼鸟", None),
        ("four plain words here", None),
    ],
)
def test_passwords(password: str, fault: str | None) -> None:
    assert rules.password_fault(password, own=("23456789", "测试"), common=frozenset({"password1"})) == fault


@pytest.mark.parametrize(
    ("pin", "fault"),
    [
        ("12345", "FORM"),
        ("1234567", "FORM"),
        ("１２３８４７", "FORM"),
        ("123456", "OBVIOUS"),
        ("987654", "OBVIOUS"),
        ("111111", "OBVIOUS"),
        ("123123", "OBVIOUS"),
        ("121212", "OBVIOUS"),
        ("802615", None),
    ],
)
def test_pins(pin: str, fault: str | None) -> None:
    assert rules.pin_fault(pin) == fault


def test_secrets_are_long_and_readable() -> None:
    assert len(rules.new_token()) >= 22
    assert len({rules.new_token() for _ in range(500)}) == 500
    assert not set(rules.new_password()) & set("01loi")
    codes = rules.new_recovery_codes()
    assert len(set(codes)) == rules.RECOVERY_CODES
    assert rules.recovery_code_key(f" {codes[0].upper()} ") == codes[0].replace("-", "")
    assert all(rules.pin_fault(rules.new_pin()) is None for _ in range(300))


def test_a_session_stamp_changes_with_password_round_and_account() -> None:
    one, two = uuid4(), uuid4()
    stamps = {
        rules.session_stamp("s", one, "p", 0),
        rules.session_stamp("s", two, "p", 0),
        rules.session_stamp("s", one, "q", 0),
        rules.session_stamp("s", one, "p", 1),
        rules.session_stamp("t", one, "p", 0),
    }
    assert len(stamps) == 5


_paths = st.sampled_from(["/15/", "/15/1506/", "/15/1506/150603/", "/15/1506/150604/", "/44/"])
_held = st.builds(rules.Held, st.sampled_from(policy.GRANTABLE_ROLES), _paths)
_grants = st.builds(Grant, st.sampled_from(policy.GRANTABLE_ROLES), _paths)


@given(st.lists(_grants, max_size=3), st.lists(_held, max_size=3), _held)
def test_more_rights_are_never_easier_to_cover(
    grants: list[Grant], held: list[rules.Held], more: rules.Held
) -> None:
    actor = Actor("account", "甲", uuid4(), uuid4(), tuple(grants))
    if rules.covers(actor, [*held, more]):
        assert rules.covers(actor, held)
    assert rules.covers(actor, [])


@given(_grants)
def test_nobody_covers_their_own_role_unless_the_policy_lets_them_hand_it_on(grant: Grant) -> None:
    actor = Actor("account", "甲", uuid4(), uuid4(), (grant,))
    handed_on = grant.role in policy.MAY_GRANT.get(grant.role, frozenset())
    assert rules.covers(actor, [rules.Held(grant.role, grant.place_path)]) is handed_on


def test_a_role_counts_only_where_the_policy_gives_it_a_meaning() -> None:
    assert rules.fits(policy.DISTRICT_ADMIN, "place")
    assert not rules.fits(policy.DISTRICT_ADMIN, "organization")
    assert rules.fits(policy.ORGANIZATION_MANAGER, "organization")
    assert not rules.fits(policy.ORGANIZATION_MANAGER, "place")
    assert rules.fits(policy.SOCIAL_WORKER, "place")
    assert rules.fits(policy.SOCIAL_WORKER, "organization")
    assert not rules.fits("KING", "place")


def _state(**changes: object) -> rules.GrantState:
    values: dict = {
        "grant_id": uuid4(),
        "account_number": "23456789",
        "role": policy.COMMUNITY_WORKER,
        "place_path": "/15/1506/150603/150603001/",
        "organization_path": None,
        "is_national": False,
        "expires_at": None,
        "account_is_active": True,
        "account_has_second_factor": True,
        "account_has_card": False,
        "account_never_changed_password": False,
        "scope_is_closed": False,
        "other_roles": frozenset(),
    }
    return rules.GrantState(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"expires_at": NOW}, ["EXPIRED_NOT_ENDED"]),
        ({"expires_at": NOW + timedelta(days=1)}, []),
        ({"role": "KING"}, ["UNKNOWN_ROLE"]),
        ({"role": policy.ORGANIZATION_MANAGER}, ["ROLE_WITHOUT_EFFECT"]),
        ({"role": policy.EVALUATOR, "is_national": True, "place_path": None}, ["NATIONAL"]),
        ({"role": policy.DISTRICT_ADMIN, "place_path": "/15/1506/"}, ["WIDE"]),
        ({"role": policy.DISTRICT_ADMIN, "place_path": "/15/1506/150603/"}, []),
        ({"account_is_active": False}, ["INACTIVE_ACCOUNT"]),
        ({"role": policy.AUDITOR, "account_has_second_factor": False}, ["NO_SECOND_FACTOR"]),
        ({"account_has_second_factor": False}, []),
        ({"role": policy.STREET_SUPERVISOR, "account_has_card": True}, ["CARD_WITH_POWER"]),
        ({"account_never_changed_password": True}, ["FIRST_PASSWORD"]),
        ({"scope_is_closed": True}, ["CLOSED_SCOPE"]),
        ({"role": policy.AUDITOR, "other_roles": frozenset({policy.DISTRICT_ADMIN})}, ["BAD_TOGETHER"]),
        ({"role": policy.EVALUATOR, "other_roles": frozenset({policy.DISTRICT_ADMIN})}, []),
    ],
)
def test_dangerous_grants(changes: dict, codes: list[str]) -> None:
    assert [danger.code for danger in rules.grant_dangers(_state(**changes), NOW)] == codes


@pytest.mark.parametrize(
    ("made", "ends", "codes"),
    [
        (10, 30, []),
        (181, 30, ["OLD_TOKEN"]),
        (0, 367, ["ENDLESS_TOKEN"]),
        (200, 400, ["OLD_TOKEN", "ENDLESS_TOKEN"]),
    ],
)
def test_dangerous_tokens(made: int, ends: int, codes: list[str]) -> None:
    token = rules.TokenState(
        uuid4(), "23456789", "报表", NOW - timedelta(days=made), NOW + timedelta(days=ends), True
    )
    assert [danger.code for danger in rules.token_dangers(token, NOW)] == codes
