"""Logging in: the same answer for unknown names, tries that run out, secrets that work once, and sessions that die."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.contrib.auth import hashers
from django.db import connection
from django.utils import timezone

from tests.factories.accounts import PASSWORD, make_account
from tests.factories.organizations import OPERATOR, District
from wushe.community.models import Account, Invitation, LoginCard, RecoveryCode
from wushe.community.operations import accounts, log_in
from wushe.community.queries import accounts as queries
from wushe.community.rules import accounts as rules
from wushe.kernel import throttle
from wushe.kernel.models import AuditEvent
from wushe.kernel.throttle import TooManyTries


@pytest.fixture
def district(db: None) -> District:
    return District()


def enter(
    identifier: str, password: str = PASSWORD, address: str = "192.0.2.1", device: str = ""
) -> log_in.LoggedIn:
    return log_in.log_in(identifier=identifier, password=password, address=address, device=device)


def test_phone_account_number_and_volunteer_number_all_lead_in(district: District) -> None:
    account, _ = make_account(place=district["150603001001"], phone="13800138000")
    account.person.volunteer_number = "V-2024-77"
    account.person.save()
    number = account.number
    for typed in (
        number,
        f" {number[:4]} {number[4:]}",
        "13800138000",
        "+86 138-0013-8000",
        "１３８００１３８０００",
        "V-2024-77",
    ):
        assert enter(typed).account_id == account.pk


def test_an_accounts_own_number_goes_before_somebody_elses_volunteer_number(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    other, _ = make_account(place=district["150603001001"], password="quite another 1")
    other.person.volunteer_number = account.number
    other.person.save()
    assert enter(account.number).account_id == account.pk
    with pytest.raises(log_in.WrongLogIn):
        enter(account.number, "quite another 1")


def test_wrong_names_and_wrong_passwords_are_answered_alike(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    closed, _ = make_account(place=district["150603001001"], is_active=False)
    unusable, _ = make_account(place=district["150603001001"])
    Account.objects.filter(pk=unusable.pk).update(password=hashers.make_password(None))
    answers = set()
    for identifier, password in (
        (account.number, "wrong"),
        ("99999999", PASSWORD),
        (closed.number, PASSWORD),
        (unusable.number, PASSWORD),
        (account.number, ""),
        (account.number, PASSWORD + "x" * 500),
        ("\x00", "\x00"),
    ):
        with pytest.raises(log_in.WrongLogIn) as refused:
            enter(identifier, password)
        answers.add((refused.value.code, refused.value.message, refused.value.status))
    assert len(answers) == 1


def test_an_unknown_name_costs_the_same_hashing_and_the_same_queries(
    district: District, monkeypatch: pytest.MonkeyPatch, query_counter: Any
) -> None:
    account, _ = make_account(place=district["150603001001"])
    hashed: list[str] = []
    real = log_in.check_password
    monkeypatch.setattr(
        log_in,
        "check_password",
        lambda p, e, *a, **k: (hashed.append(e.split("$")[0]), real(p, e, *a, **k))[1],
    )
    costs = []
    for identifier in ("11111111", account.number, "22222222", account.number):
        with query_counter.count() as counted, pytest.raises(log_in.WrongLogIn):
            enter(identifier, "wrong password")
        costs.append(counted.count)
    # The first try of a name makes its bucket, so compare like with like.
    assert costs[1] == costs[2]
    assert len(hashed) == 4
    assert len(set(hashed)) == 1


def test_a_thousand_guesses_get_ten_answers_and_the_owner_gets_in_by_a_known_device(
    district: District, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """10,000 in the long run. Every guess comes from another address, so only the account's own limit stands in the way."""
    now = [1_800_000_000_000_000]
    monkeypatch.setattr(throttle, "_now", lambda: now[0])
    account, _ = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=OPERATOR, account=account, pin="802615")
    device = f"{account.pk}.known"
    checked, waits = 0, []
    guesses = 10_000 if size == "full" else 1_000
    for guess in range(guesses):
        try:
            enter(account.number, f"guess {guess}", address=f"198.51.{guess // 250}.{guess % 250}")
        except log_in.WrongLogIn:
            checked += 1
        except TooManyTries as refused:
            waits.append(refused.retry_after)
    assert min(waits) > 0
    assert checked == rules.BY_ACCOUNT.limit
    with pytest.raises(TooManyTries):
        enter(account.number)
    assert enter(account.number, device=device).account_id == account.pk
    assert (
        log_in.log_in_with_card(token=card.token, pin="802615", address="192.0.2.9").account_id == account.pk
    )
    # Somebody else's device, or a made-up one, buys no further tries.
    for forged in ("x.known", f"{OPERATOR.account_id}.known"):
        with pytest.raises(TooManyTries):
            enter(account.number, device=forged)
    now[0] += rules.BY_ACCOUNT.per_seconds * 1_000_000
    assert enter(account.number).account_id == account.pk


def test_one_address_cannot_try_many_names(district: District) -> None:
    refused = 0
    for guess in range(rules.BY_ADDRESS.limit + 20):
        try:
            enter(f"{20_000_000 + guess}", "Summer2026!", address="203.0.113.7")
        except TooManyTries:
            refused += 1
        except log_in.WrongLogIn:
            pass
    assert refused >= 15  # a few tries flow back while the test runs


def test_without_the_throttle_the_guesses_would_all_be_answered(
    district: District, monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    """The control of the two tests above."""
    monkeypatch.setattr(throttle, "spend", lambda **_: None)
    account, _ = make_account(place=district["150603001001"])
    checked = 0
    for guess in range(50):
        with pytest.raises(log_in.WrongLogIn):
            enter(account.number, f"guess {guess}")
        checked += 1
    fault_fired("throttle taken out: every guess was answered")
    assert checked == 50


def test_log_ins_are_recorded_of_those_who_hold_a_role_and_of_nobody_else(district: District) -> None:
    resident, _ = make_account(place=district["150603001001"])
    worker, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    enter(resident.number)
    enter(worker.number)
    assert list(AuditEvent.objects.filter(verb="account.log_in").values_list("target_id", flat=True)) == [
        str(worker.pk)
    ]


# --- cards ------------------------------------------------------------------------------------------------------------


def test_a_card_and_its_pin_lead_in_until_it_is_replaced(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    first = accounts.issue_card(by=worker, account=account)
    assert log_in.log_in_with_card(token=first.token, pin=first.pin, address="a").account_id == account.pk
    second = accounts.issue_card(by=worker, account=account)
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in_with_card(token=first.token, pin=first.pin, address="a")
    assert (
        log_in.log_in_with_card(token=second.token, pin=f" {second.pin} ", address="a").number
        == account.number
    )
    accounts.revoke_card(by=worker, account=account)
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in_with_card(token=second.token, pin=second.pin, address="a")
    stored = LoginCard.objects.values_list("token_hash", "pin")
    assert all(first.token not in row[0] and first.pin not in row[1] for row in stored)


def test_unknown_links_and_wrong_pins_are_answered_alike(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=OPERATOR, account=account, pin="802615")
    answers = set()
    for token, pin in (
        (card.token, "802616"),
        ("unknown", "802615"),
        (card.token, ""),
        (card.token, "8026150"),
    ):
        with pytest.raises(log_in.WrongLogIn) as refused:
            log_in.log_in_with_card(token=token, pin=pin, address="a")
        answers.add((refused.value.code, refused.value.message))
    assert len(answers) == 1


def test_a_found_card_has_few_tries_a_day(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_800_000_000_000_000]
    monkeypatch.setattr(throttle, "_now", lambda: now[0])
    account, _ = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=OPERATOR, account=account, pin="802615")
    answered = 0
    for step in range(24 * 12):
        now[0] += 300_000_000
        try:
            log_in.log_in_with_card(token=card.token, pin="000001", address=str(step))
        except log_in.WrongLogIn:
            answered += 1
        except TooManyTries:
            pass
    assert answered <= 2 * rules.BY_CARD_DAY.limit


def test_a_card_takes_the_place_of_a_first_password(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    account, _ = make_account(place=district["150603001001"], must_change_password=True)
    card = accounts.issue_card(by=worker, account=account)
    assert not log_in.log_in_with_card(token=card.token, pin=card.pin, address="a").must_change_password
    with pytest.raises(log_in.WrongLogIn):
        enter(account.number)


def test_the_holder_may_choose_a_pin_the_worker_does_not_know(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    account, actor = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=worker, account=account, pin="802615")
    with pytest.raises(accounts.PasswordWrong):
        accounts.change_pin(by=actor, current="802614", new="417290")
    with pytest.raises(accounts.PinRefused):
        accounts.change_pin(by=actor, current="802615", new="123456")
    accounts.change_pin(by=actor, current="802615", new="417290")
    assert log_in.log_in_with_card(token=card.token, pin="417290", address="a").account_id == account.pk
    assert LoginCard.objects.get().made_by == account.pk


# --- invitations ------------------------------------------------------------------------------------------------------


def test_an_invitation_sets_a_password_once(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    account, _ = make_account(place=district["150603001001"], must_change_password=True)
    invited = accounts.invite(by=worker, account=account)
    assert invited.token not in Invitation.objects.get().token_hash
    with pytest.raises(accounts.PasswordRefused):
        log_in.accept_invitation(token=invited.token, password="password", address="a")
    opened = log_in.accept_invitation(token=invited.token, password="my own words 3", address="a")
    assert not opened.must_change_password
    assert enter(account.number, "my own words 3").account_id == account.pk
    with pytest.raises(log_in.LinkSpent):
        log_in.accept_invitation(token=invited.token, password="another words 3", address="a")


@pytest.mark.parametrize("how", ["expired", "withdrawn", "replaced", "closed", "unknown"])
def test_a_dead_invitation_says_so_and_changes_nothing(district: District, how: str) -> None:
    account, _ = make_account(place=district["150603001001"])
    at = timezone.now() - (rules.INVITATION_LASTS if how == "expired" else timedelta(0))
    token = accounts.invite(by=OPERATOR, account=account, at=at).token
    if how == "withdrawn":
        accounts.withdraw_invitation(by=OPERATOR, account=account)
    elif how == "replaced":
        accounts.invite(by=OPERATOR, account=account)
    elif how == "closed":
        accounts.close_account(by=OPERATOR, account=account)
    elif how == "unknown":
        token = "x" * 22
    with pytest.raises(log_in.LinkSpent):
        log_in.accept_invitation(token=token, password="my own words 3", address="a")
    account.refresh_from_db()
    assert hashers.check_password(PASSWORD, account.password)


def race(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run the jobs at the same moment on connections of their own; return results and exceptions."""
    barrier = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(index: int, job: Callable[[], Any]) -> None:
        try:
            barrier.wait(timeout=20)
            results[index] = job()
        except Exception as error:  # the race's outcome is the test's business
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(i, job)) for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_with_one_invitation_and_one_gets_it() -> None:
    account, _ = make_account(place=District()["150603001001"])
    token = accounts.invite(by=OPERATOR, account=account).token
    results = race(
        [
            lambda i=i: log_in.accept_invitation(token=token, password=f"words of number {i}", address=str(i))
            for i in range(10)
        ]
    )
    assert sum(isinstance(r, log_in.LoggedIn) for r in results) == 1
    assert sum(isinstance(r, log_in.LinkSpent) for r in results) == 9


@pytest.mark.django_db(transaction=True)
def test_an_invitation_that_is_only_looked_at_would_serve_many(fault_fired: Callable[[str], None]) -> None:
    """The control: the same race where the link is read and then written, as without the conditional update."""
    account, _ = make_account(place=District()["150603001001"])
    token = accounts.invite(by=OPERATOR, account=account).token
    inside = threading.Barrier(4)

    def careless() -> bool:
        invitation = queries.open_invitation(token)
        inside.wait(timeout=20)
        if invitation is None:
            return False
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        return True

    assert race([careless] * 4).count(True) == 4
    fault_fired("an invitation served four")


# --- second factor ----------------------------------------------------------------------------------------------------


def enrolled(district: District) -> tuple[Account, Any, str, list[str]]:
    account, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    secret = accounts.start_second_factor(by=actor).secret
    now = timezone.now()
    codes = accounts.confirm_second_factor(by=actor, code=pyotp.TOTP(secret).at(now), at=now)
    account.refresh_from_db()
    return account, actor, secret, codes


def test_a_second_factor_is_asked_for_after_the_password(district: District) -> None:
    account, _, secret, _ = enrolled(district)
    first = enter(account.number)
    assert first.needs_second_factor
    assert AuditEvent.objects.filter(verb="account.log_in").count() == 0
    later = timezone.now() + timedelta(seconds=60)
    code = pyotp.TOTP(secret).at(later)
    done = log_in.confirm_log_in(
        account_id=account.pk, stamp=first.stamp, code=f"{code[:3]} {code[3:]}", at=later
    )
    assert not done.needs_second_factor
    assert AuditEvent.objects.filter(verb="account.log_in").count() == 1


def test_a_code_works_once_and_only_near_its_time(district: District) -> None:
    account, _, secret, _ = enrolled(district)
    first = enter(account.number)
    at = timezone.now() + timedelta(minutes=5)
    totp = pyotp.TOTP(secret)
    log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=totp.at(at), at=at)
    for code in (
        totp.at(at),
        totp.at(at - timedelta(seconds=30)),
        totp.at(at + timedelta(seconds=90)),
        "000000",
        "",
    ):
        with pytest.raises(accounts.CodeWrong):
            log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=code, at=at)


def test_a_recovery_code_works_once(district: District) -> None:
    account, _, _, codes = enrolled(district)
    first = enter(account.number)
    assert RecoveryCode.objects.count() == rules.RECOVERY_CODES
    log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=codes[0].upper())
    with pytest.raises(accounts.CodeWrong):
        log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=codes[0])
    assert RecoveryCode.objects.count() == rules.RECOVERY_CODES - 1


def test_guessing_codes_is_slowed_down(district: District) -> None:
    account, _, _, _ = enrolled(district)
    first = enter(account.number)
    outcomes = []
    for guess in range(30):
        try:
            log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=f"{guess:06d}")
        except Exception as error:  # which of the two is the test's business
            outcomes.append(type(error))
    assert outcomes.count(accounts.CodeWrong) <= rules.BY_SECOND_FACTOR.limit
    assert outcomes.count(TooManyTries) >= 20


def test_the_second_step_needs_the_password_of_the_first(district: District) -> None:
    account, _, secret, _ = enrolled(district)
    at = timezone.now() + timedelta(minutes=5)
    with pytest.raises(log_in.WrongLogIn):
        log_in.confirm_log_in(account_id=account.pk, stamp="x", code=pyotp.TOTP(secret).at(at), at=at)
    first = enter(account.number)
    accounts.log_out_everywhere(by=OPERATOR, account=account)
    with pytest.raises(log_in.WrongLogIn):
        log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=pyotp.TOTP(secret).at(at), at=at)


@pytest.mark.django_db(transaction=True)
def test_one_code_ten_times_at_once_opens_one_door() -> None:
    account, _, secret, _ = enrolled(District())
    first = enter(account.number)
    at = timezone.now() + timedelta(minutes=5)
    code = pyotp.TOTP(secret).at(at)
    results = race(
        [
            lambda: log_in.confirm_log_in(account_id=account.pk, stamp=first.stamp, code=code, at=at)
            for _ in range(6)
        ]
    )
    assert sum(isinstance(r, log_in.LoggedIn) for r in results) == 1
    assert sum(isinstance(r, accounts.CodeWrong) for r in results) == 5


@pytest.mark.django_db(transaction=True)
def test_a_step_remembered_after_looking_would_open_many(fault_fired: Callable[[str], None]) -> None:
    """The control: the last step is read, then written, as without the conditional update."""
    account, _, _, _ = enrolled(District())
    inside = threading.Barrier(4)

    def careless() -> bool:
        seen = Account.objects.get(pk=account.pk).second_factor_step
        inside.wait(timeout=20)
        Account.objects.filter(pk=account.pk).update(second_factor_step=seen + 1)
        return True

    assert race([careless] * 4).count(True) == 4
    fault_fired("a code opened four doors")


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_sessions_die_with_password_log_out_everywhere_second_factor_and_closing(district: District) -> None:
    account, actor = make_account(place=district["150603001001"])
    stamp = enter(account.number).stamp
    assert queries.actor_for_session(account.pk, stamp)
    kept = accounts.change_password(by=actor, current=PASSWORD, new="other words 44")
    assert queries.actor_for_session(account.pk, stamp) is None
    assert queries.actor_for_session(account.pk, kept)
    again = accounts.log_out_everywhere(by=actor, account=account)
    assert queries.actor_for_session(account.pk, kept) is None
    assert queries.actor_for_session(account.pk, again)
    accounts.close_account(by=OPERATOR, account=account)
    assert queries.actor_for_session(account.pk, again) is None
    accounts.reopen_account(by=OPERATOR, account=account)
    assert queries.actor_for_session(account.pk, again) is None


def test_rights_are_held_back_while_a_first_password_waits(district: District) -> None:
    account, _ = make_account(role="DISTRICT_ADMIN", place=district["150603"], must_change_password=True)
    opened = enter(account.number)
    assert opened.must_change_password
    signed_in = queries.actor_for_session(account.pk, opened.stamp)
    assert signed_in is not None
    assert signed_in.actor.grants == ()
    kept = accounts.change_password(by=signed_in.actor, current=PASSWORD, new="other words 44")
    after = queries.actor_for_session(account.pk, kept)
    assert after is not None
    assert [grant.role for grant in after.actor.grants] == ["DISTRICT_ADMIN"]


def test_stale_rights_last_no_longer_than_a_request(district: District) -> None:
    account, _ = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    stamp = enter(account.number).stamp
    grant = account.grants.get()
    soon = timezone.now() + timedelta(seconds=5)
    grant.expires_at = soon
    grant.save()
    assert queries.actor_for_session(account.pk, stamp).actor.grants
    assert not queries.actor_for_session(account.pk, stamp, at=soon).actor.grants


def test_changing_the_password_asks_for_the_present_one_and_refuses_easy_ones(district: District) -> None:
    account, actor = make_account(place=district["150603001001"], phone="13800138000")
    with pytest.raises(accounts.PasswordWrong):
        accounts.change_password(by=actor, current="wrong", new="other words 44")
    for easy in ("12345678", "password1", account.number + "xx", "13800138000", PASSWORD):
        with pytest.raises(accounts.PasswordRefused):
            accounts.change_password(by=actor, current=PASSWORD, new=easy)
    for _ in range(12):
        with pytest.raises((accounts.PasswordWrong, TooManyTries)):
            accounts.change_password(by=actor, current="wrong", new="other words 44")
    with pytest.raises(TooManyTries):
        accounts.change_password(by=actor, current=PASSWORD, new="other words 44")


def test_with_the_shipped_hasher_an_unknown_name_takes_as_long_as_a_known_one(
    district: District, settings: Any
) -> None:
    """Measured in processor time of this thread, the least of several alternating tries: what else the machine does is not counted."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
    account, _ = make_account(place=district["150603001001"])

    def seconds(identifier: str) -> float:
        started = time.thread_time()
        with pytest.raises(log_in.WrongLogIn):
            enter(identifier, "wrong password", device=f"{account.pk}.d")
        return time.thread_time() - started

    seconds(account.number)
    pairs = [(seconds(account.number), seconds("55555555")) for _ in range(6)]
    known, unknown = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    assert known * 0.8 < unknown < known * 1.25
