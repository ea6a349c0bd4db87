"""Role grants: no sequence of permitted operations lets anybody hold, give or take over more than the roots gave."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.factories.accounts import PASSWORD, give, make_account
from tests.factories.organizations import OPERATOR, District, make_member, make_organization
from wushe.community.models import Account, ApiToken, Invitation, LoginCard, RoleGrant
from wushe.community.operations import accounts, grants, log_in
from wushe.community.queries import accounts as queries
from wushe.community.rules import accounts as rules
from wushe.kernel import policy, throttle
from wushe.kernel.actor import Actor
from wushe.kernel.models import AuditEvent
from wushe.kernel.problems import Problem


@pytest.fixture
def district(db: None) -> District:
    return District()


def test_a_grant_is_given_inside_ones_own_subtree_and_recorded(district: District) -> None:
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    account, _ = make_account(place=district["150603001001"])
    given = grants.give_grant(
        by=admin, account=account, role="STREET_SUPERVISOR", place=district["150603001"]
    )
    assert given.grant.granted_by == admin.account_id
    assert queries.actor_for_account(account).grants[0].place_path == "/15/1506/150603/150603001/"
    event = AuditEvent.objects.get(verb="grant.give")
    assert event.place_path == "/15/1506/150603/150603001/"


@pytest.mark.parametrize(
    ("giver", "giver_place", "role", "place", "refusal"),
    [
        ("DISTRICT_ADMIN", "150603", "DISTRICT_ADMIN", "150603001", grants.NotYoursToGive),
        ("DISTRICT_ADMIN", "150603", "AUDITOR", "150603", grants.NotYoursToGive),
        ("DISTRICT_ADMIN", "150603", "PLATFORM_OPERATOR", "150603", grants.NotYoursToGive),
        ("DISTRICT_ADMIN", "150603", "COMMUNITY_WORKER", "150604", policy.Refused),
        ("DISTRICT_ADMIN", "150603", "COMMUNITY_WORKER", "1506", policy.Refused),
        ("STREET_SUPERVISOR", "150603001", "STREET_SUPERVISOR", "150603001", grants.NotYoursToGive),
        ("STREET_SUPERVISOR", "150603001", "COMMUNITY_WORKER", "150603002001", policy.Refused),
        ("COMMUNITY_WORKER", "150603001001", "COMMUNITY_WORKER", "150603001001", policy.Refused),
        ("AUDITOR", "150603", "COMMUNITY_WORKER", "150603001001", policy.Refused),
        ("DISTRICT_ADMIN", "150603", "ORGANIZATION_MANAGER", "150603", grants.RoleDoesNotFit),
        ("DISTRICT_ADMIN", "150603", "KING", "150603", grants.RoleDoesNotFit),
    ],
)
def test_what_may_not_be_given(
    district: District, giver: str, giver_place: str, role: str, place: str, refusal: type[Exception]
) -> None:
    _, actor = make_account(role=giver, place=district[giver_place])
    account, _ = make_account(place=district["150603001001"])
    with pytest.raises(refusal):
        grants.give_grant(by=actor, account=account, role=role, place=district[place])
    assert not account.grants.exists()


def test_nobody_changes_their_own_rights(district: District) -> None:
    account, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    with pytest.raises(grants.OwnGrant):
        grants.give_grant(by=actor, account=account, role="EVALUATOR", place=district["150603"])
    own = give(account, "EVALUATOR", place=district["150603"])
    for change in (
        lambda: grants.end_grant(by=actor, grant=own),
        lambda: grants.prolong_grant(by=actor, grant=own, expires_at=None),
    ):
        with pytest.raises(grants.OwnGrant):
            change()


def test_only_who_could_give_a_grant_may_end_or_prolong_it(district: District) -> None:
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    peer, _ = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    for change in (
        lambda grant: grants.end_grant(by=admin, grant=grant),
        lambda grant: grants.prolong_grant(by=admin, grant=grant, expires_at=None),
    ):
        with pytest.raises(grants.NotYoursToGive):
            change(peer.grants.get())
    worker, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    grants.end_grant(by=admin, grant=worker.grants.get())
    assert queries.actor_for_account(worker).grants == ()
    with pytest.raises(grants.GrantEnded):
        grants.end_grant(by=admin, grant=worker.grants.get())


def test_rights_lost_after_the_request_began_no_longer_give(district: District) -> None:
    giver, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    account, _ = make_account(place=district["150603001001"])
    giver.grants.update(revoked_at=timezone.now())
    with pytest.raises(grants.NotYoursToGive):
        grants.give_grant(by=actor, account=account, role="EVALUATOR", place=district["150603"])
    give(account, "EVALUATOR", place=district["150603"])
    with pytest.raises(accounts.RightsAboveYours):
        accounts.reset_password(by=actor, account=account)


def test_the_same_role_in_the_same_place_only_once_unless_it_ran_out(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    now = timezone.now()
    grants.give_grant(
        by=OPERATOR,
        account=account,
        role="EVALUATOR",
        place=district["150603"],
        expires_at=now + timedelta(days=1),
    )
    with pytest.raises(grants.AlreadyGranted):
        grants.give_grant(by=OPERATOR, account=account, role="EVALUATOR", place=district["150603"])
    later = now + timedelta(days=2)
    grants.give_grant(by=OPERATOR, account=account, role="EVALUATOR", place=district["150603"], at=later)
    assert RoleGrant.objects.filter(revoked_at=later).count() == 1


@pytest.mark.parametrize("scope", ["none", "two", "past", "closed place", "closed account"])
def test_grants_that_make_no_sense(district: District, scope: str) -> None:
    account, _ = make_account(place=district["150603001001"])
    place = district["150603002"]
    values: dict[str, Any] = {"place": place}
    if scope == "none":
        values = {}
    elif scope == "two":
        values["national"] = True
    elif scope == "past":
        values["expires_at"] = timezone.now()
    elif scope == "closed place":
        place.valid_until = timezone.localdate()
        place.save()
    elif scope == "closed account":
        accounts.close_account(by=OPERATOR, account=account)
        account.refresh_from_db()
    with pytest.raises(grants.CannotHold):
        grants.give_grant(by=OPERATOR, account=account, role="EVALUATOR", **values)


def test_the_database_itself_refuses_half_a_scope_and_doubles(district: District) -> None:
    account, _ = make_account(role="EVALUATOR", place=district["150603"])
    now = timezone.now()
    for wrong in (
        {"role": "AUDITOR"},
        {"role": "AUDITOR", "is_national": True, "place": district["150603"]},
        {"role": "EVALUATOR", "place": district["150603"]},
        {"role": "AUDITOR", "place": district["150603"], "expires_at": now},
        {"role": "AUDITOR", "place": district["150603"], "revoked_at": now - timedelta(days=1)},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            RoleGrant.objects.create(account=account, granted_at=now, **wrong)


def test_a_managers_grant_reaches_their_organization_alone(district: District) -> None:
    mine = make_organization(district["150603001001"], "合成甲社")
    other = make_organization(district["150603001001"], "合成乙社")
    _, manager = make_account(role="ORGANIZATION_MANAGER", organization=mine)
    member, _ = make_account(place=district["150603001001"])
    stranger, _ = make_account(place=district["150603001001"])
    make_member(member.person, mine)
    grants.give_grant(by=manager, account=member, role="SOCIAL_WORKER", organization=mine)
    with pytest.raises(policy.Refused):
        grants.give_grant(by=manager, account=member, role="SOCIAL_WORKER", organization=other)
    with pytest.raises(policy.Refused):
        grants.give_grant(by=manager, account=stranger, role="SOCIAL_WORKER", organization=mine)
    with pytest.raises(policy.Refused):
        grants.give_grant(by=manager, account=member, role="SOCIAL_WORKER", place=district["150603001001"])


# --- nobody takes over somebody with more rights ----------------------------------------------------------------------

TAKE_OVERS = {
    "reset_password": lambda by, account: accounts.reset_password(by=by, account=account),
    "invite": lambda by, account: accounts.invite(by=by, account=account),
    "issue_card": lambda by, account: accounts.issue_card(by=by, account=account),
    "set_log_in_phone": lambda by, account: accounts.set_log_in_phone(
        by=by, account=account, phone="13900139000"
    ),
    "close_account": lambda by, account: accounts.close_account(by=by, account=account),
    "reopen_account": lambda by, account: accounts.reopen_account(by=by, account=account),
    "stop_second_factor": lambda by, account: accounts.stop_second_factor(by=by, account=account),
    "log_out_everywhere": lambda by, account: accounts.log_out_everywhere(by=by, account=account),
}


@pytest.mark.parametrize("how", sorted(TAKE_OVERS))
@pytest.mark.parametrize("above", ["DISTRICT_ADMIN", "AUDITOR", "wider place", "inactive"])
def test_no_way_into_the_account_of_somebody_with_more_rights(
    district: District, how: str, above: str
) -> None:
    _, supervisor = make_account(role="STREET_SUPERVISOR", place=district["150603001"])
    target, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    if above == "wider place":
        give(target, "COMMUNITY_WORKER", place=district["150603002001"])
    elif above == "inactive":
        give(target, "DISTRICT_ADMIN", place=district["150603"])
        Account.objects.filter(pk=target.pk).update(is_active=False)
    else:
        give(target, above, place=district["150603001001"])
    before = Account.objects.filter(pk=target.pk).values().get()
    with pytest.raises(accounts.RightsAboveYours):
        TAKE_OVERS[how](supervisor, target)
    assert Account.objects.filter(pk=target.pk).values().get() == before
    assert not Invitation.objects.exists()
    assert not LoginCard.objects.exists()


@pytest.mark.parametrize("how", sorted(set(TAKE_OVERS) - {"set_log_in_phone", "log_out_everywhere"}))
def test_a_workers_way_is_not_for_ones_own_account(district: District, how: str) -> None:
    account, supervisor = make_account(role="STREET_SUPERVISOR", place=district["150603001"])
    with pytest.raises(accounts.YourOwn):
        TAKE_OVERS[how](supervisor, account)


@pytest.mark.parametrize("how", sorted(TAKE_OVERS))
def test_nor_for_somebody_elsewhere(district: District, how: str) -> None:
    _, supervisor = make_account(role="STREET_SUPERVISOR", place=district["150603001"])
    stranger, _ = make_account(place=district["150604001001"])
    with pytest.raises(policy.Refused):
        TAKE_OVERS[how](supervisor, stranger)


def test_a_right_added_later_ends_the_secrets_a_third_person_knows(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    person, _ = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=worker, account=person, pin="802615")
    link = accounts.invite(by=worker, account=person)
    given = grants.give_grant(by=admin, account=person, role="STREET_SUPERVISOR", place=district["150603001"])
    assert given.ended_secrets == ["INVITATION", "CARD"]
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in_with_card(token=card.token, pin="802615", address="a")
    with pytest.raises(log_in.LinkSpent):
        log_in.accept_invitation(token=link.token, password="taken over 1", address="a")

    second, _ = make_account(place=district["150603001001"])
    known = accounts.reset_password(by=worker, account=second).password
    given = grants.give_grant(by=admin, account=second, role="STREET_SUPERVISOR", place=district["150603001"])
    assert given.ended_secrets == ["PASSWORD"]
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in(identifier=second.number, password=known, address="a")


def test_without_both_guards_an_old_card_would_open_new_rights(
    district: District, monkeypatch: pytest.MonkeyPatch, fault_fired: Any
) -> None:
    """The control of the test above: either guard alone stops it, both gone do not."""
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    person, _ = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=worker, account=person, pin="802615")
    monkeypatch.setattr(grants, "end_secrets_known_to_others", lambda **_: [])
    grants.give_grant(by=OPERATOR, account=person, role="STREET_SUPERVISOR", place=district["150603001"])
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in_with_card(token=card.token, pin="802615", address="a")
    monkeypatch.setattr(accounts, "is_trusted_still", lambda *_: True)
    assert log_in.log_in_with_card(token=card.token, pin="802615", address="a").account_id == person.pk
    fault_fired("both guards out: an old card opened new rights")


def test_secrets_of_the_giver_and_of_the_holder_stay(district: District) -> None:
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    person, self_actor = make_account(place=district["150603001001"])
    card = accounts.issue_card(by=admin, account=person, pin="802615")
    assert not grants.give_grant(
        by=admin, account=person, role="EVALUATOR", place=district["150603"]
    ).ended_secrets
    accounts.change_pin(by=self_actor, current="802615", new="417290")
    _, other = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    assert not grants.give_grant(
        by=other, account=person, role="DISTRICT_VIEWER", place=district["150603"]
    ).ended_secrets
    assert log_in.log_in_with_card(token=card.token, pin="417290", address="a").account_id == person.pk


@pytest.mark.parametrize("secret", ["card", "invitation", "password"])
def test_a_secret_dies_with_its_makers_rights(district: District, secret: str) -> None:
    maker, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    holder, _ = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    made: Any = {
        "card": lambda: accounts.issue_card(by=admin, account=holder, pin="802615"),
        "invitation": lambda: accounts.invite(by=admin, account=holder),
        "password": lambda: accounts.reset_password(by=admin, account=holder),
    }[secret]()
    use: Any = {
        "card": lambda: log_in.log_in_with_card(token=made.token, pin="802615", address="a"),
        "invitation": lambda: log_in.accept_invitation(
            token=made.token, password="my own words 3", address="a"
        ),
        "password": lambda: log_in.log_in(identifier=holder.number, password=made.password, address="a"),
    }[secret]
    maker.grants.update(revoked_at=timezone.now())
    with pytest.raises((log_in.WrongLogIn, log_in.LinkSpent)):
        use()
    maker.grants.update(revoked_at=None)
    assert use().account_id == holder.pk


# --- API tokens -------------------------------------------------------------------------------------------------------


def test_a_token_does_what_its_one_grant_can_and_ends_with_it(district: District) -> None:
    account, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    viewer = give(account, "DISTRICT_VIEWER", place=district["150603001"])
    soon = timezone.now() + timedelta(days=30)
    actor = queries.actor_for_account(account)
    issued = accounts.issue_api_token(by=actor, grant=viewer, name="报表", expires_at=soon)
    bearer = queries.actor_for_token(issued.token)
    assert bearer is not None
    assert bearer.is_read_only
    assert [(g.role, g.place_path) for g in bearer.actor.grants] == [("DISTRICT_VIEWER", viewer.place.path)]
    # None of the rights over one's own data: a token cannot change its owner's password or make another token.
    assert not policy.allows(bearer.actor, "edit", account.facts())
    with pytest.raises(policy.Refused):
        accounts.issue_api_token(by=bearer.actor, grant=viewer, name="再来", expires_at=soon)
    assert queries.actor_for_token(issued.token, at=soon) is None
    assert queries.actor_for_token(issued.token + "x") is None
    grants.end_grant(by=OPERATOR, grant=viewer)
    assert queries.actor_for_token(issued.token) is None


@pytest.mark.parametrize("end", ["revoked", "account closed", "must change password", "grant expired"])
def test_a_token_dies_at_once(district: District, end: str) -> None:
    account, actor = make_account(role="DISTRICT_VIEWER", place=district["150603"])
    grant = account.grants.get()
    issued = accounts.issue_api_token(
        by=actor, grant=grant, name="报表", expires_at=timezone.now() + timedelta(days=30), is_read_only=False
    )
    assert issued.token not in ApiToken.objects.get().token_hash
    if end == "revoked":
        accounts.revoke_api_token(by=actor, api_token=issued.api_token)
        with pytest.raises(accounts.NothingToEnd):
            accounts.revoke_api_token(by=actor, api_token=issued.api_token)
    elif end == "account closed":
        accounts.close_account(by=OPERATOR, account=account)
    elif end == "must change password":
        accounts.reset_password(by=OPERATOR, account=account)
    else:
        RoleGrant.objects.filter(pk=grant.pk).update(
            granted_at=timezone.now() - timedelta(days=2), expires_at=timezone.now()
        )
    assert queries.actor_for_token(issued.token) is None


def test_tokens_are_made_for_ones_own_grants_and_for_a_year_at_most(district: District) -> None:
    account, actor = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    other, _ = make_account(role="DISTRICT_VIEWER", place=district["150603001001"])
    now = timezone.now()
    for grant, ends in (
        (other.grants.get(), now + timedelta(days=3)),
        (account.grants.get(), now),
        (account.grants.get(), now + timedelta(days=400)),
    ):
        with pytest.raises((accounts.TokenRefused, policy.Refused)):
            accounts.issue_api_token(by=actor, grant=grant, name="报表", expires_at=ends)


# --- opening accounts -------------------------------------------------------------------------------------------------


def test_an_account_is_opened_once_with_a_number_and_a_first_password(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    account, _ = make_account(place=district["150603001001"])
    person = account.person
    with pytest.raises(accounts.AccountExists):
        accounts.create_account(by=worker, person=person)
    Account.objects.filter(pk=account.pk).delete()
    made = accounts.create_account(by=worker, person=person, phone="138 0013 8000")
    opened = log_in.log_in(identifier="13800138000", password=made.password, address="a")
    assert opened.must_change_password
    assert made.password not in str(list(AuditEvent.objects.values_list("after", "note")))
    assert "13800138000" not in str(Account.objects.values())


def test_a_phone_logs_one_account_in(district: District) -> None:
    _, worker = make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    make_account(place=district["150603001001"], phone="13800138000")
    account, actor = make_account(place=district["150603001001"])
    with pytest.raises(accounts.PhoneTaken):
        accounts.set_log_in_phone(by=worker, account=account, phone="13800138000")
    with pytest.raises(accounts.NotAPhone):
        accounts.set_log_in_phone(by=actor, account=account, phone="12345")
    accounts.set_log_in_phone(by=actor, account=account, phone="13900139000")
    assert log_in.log_in(identifier="13900139000", password=PASSWORD, address="a").account_id == account.pk
    accounts.set_log_in_phone(by=actor, account=account, phone="")
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in(identifier="13900139000", password=PASSWORD, address="b")


# --- no sequence of operations ----------------------------------------------------------------------------------------

PLACES = ("150603", "150603001", "150603002", "150603001001", "150604001001")
ROOTS = (("DISTRICT_ADMIN", "150603"), ("STREET_SUPERVISOR", "150603002"), ("AUDITOR", "150603"))


def reachable() -> set[tuple[str, str]]:
    """Every (role, place) that the roots could ever hand on, computed without the code under test."""
    found = {(role, code) for role, code in ROOTS}
    while True:
        more = {
            (given, below)
            for role, code in found
            for given in policy.MAY_GRANT.get(role, frozenset())
            for below in PLACES
            if below.startswith(code)
        }
        if more <= found:
            return found
        found |= more


class Escalation(RuleBasedStateMachine):
    """Seven people: three hold what the roots gave, four hold nothing. Anybody tries anything on anybody, the plausible more often."""

    district: District  # set by the test: the same in every run

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.people = [make_account(role=role, place=self.district[code])[0] for role, code in ROOTS]
        self.people += [make_account(place=self.district[code])[0] for code in (*PLACES[1:4], PLACES[3])]
        # (who knows it, whose account it opens, how to use it)
        self.secrets: list[tuple[int, int, Any]] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    def actor(self, index: int) -> Actor:
        return queries.actor_for_account(self.people[index])

    def handed_on(self) -> list[tuple[int, str, str]]:
        """Who holds a role that hands which other on, everywhere: plausible tries, many of which must be refused."""
        return [
            (index, role, code)
            for index in range(len(self.people))
            for grant in self.actor(index).grants
            for role in sorted(policy.MAY_GRANT.get(grant.role, frozenset()))
            for code in PLACES
        ]

    def give_one(self, giver: int, taker: int, role: str, code: str) -> None:
        try:
            grants.give_grant(
                by=self.actor(giver), account=self.people[taker], role=role, place=self.district[code]
            )
        except Problem:
            return
        assert giver != taker

    @rule(chosen=st.integers(0, 10_000), taker=st.integers(0, 6))
    def give_plausibly(self, chosen: int, taker: int) -> None:
        tries = self.handed_on()
        if tries:
            giver, role, code = tries[chosen % len(tries)]
            self.give_one(giver, taker, role, code)

    @rule(
        giver=st.integers(0, 6),
        taker=st.integers(0, 6),
        role=st.sampled_from(policy.GRANTABLE_ROLES),
        code=st.sampled_from(PLACES),
    )
    def give_anything(self, giver: int, taker: int, role: str, code: str) -> None:
        self.give_one(giver, taker, role, code)

    @rule(ender=st.integers(0, 6), chosen=st.integers(0, 10_000))
    def end(self, ender: int, chosen: int) -> None:
        live = list(RoleGrant.objects.filter(revoked_at__isnull=True).select_related("account", "place"))
        if live:
            grant = live[chosen % len(live)]
            try:
                grants.end_grant(by=self.actor(ender), grant=grant)
            except Problem:
                return
            assert self.people[ender].pk != grant.account_id

    @rule(
        maker=st.integers(0, 6),
        whose=st.integers(0, 6),
        kind=st.sampled_from(("card", "invitation", "password")),
    )
    def make_secret(self, maker: int, whose: int, kind: str) -> None:
        account = self.people[whose]
        account.refresh_from_db()
        by = self.actor(maker)
        try:
            if kind == "card":
                card = accounts.issue_card(by=by, account=account, pin="802615")
                use: Any = partial(log_in.log_in_with_card, token=card.token, pin="802615", address="a")
            elif kind == "invitation":
                link = accounts.invite(by=by, account=account)
                use = partial(
                    log_in.accept_invitation, token=link.token, password="taken over 1", address="a"
                )
            else:
                made = accounts.reset_password(by=by, account=account)
                use = partial(log_in.log_in, identifier=account.number, password=made.password, address="a")
        except Problem:
            return
        self.secrets.append((maker, whose, use))

    @invariant()
    def nobody_holds_more_than_the_roots_could_hand_on(self) -> None:
        allowed = {(role, self.district[code].path) for role, code in reachable()}
        for account in self.people:
            for grant in queries.actor_for_account(account).grants:
                assert (grant.role, grant.place_path) in allowed

    @invariant()
    def no_secret_opens_the_account_of_somebody_with_rights_its_maker_could_not_give(self) -> None:
        for maker, whose, use in self.secrets:
            able = self.actor(maker)
            held = self.actor(whose).grants
            if all(
                policy.may_grant(able, g.role, place_path=g.place_path, organization_path=None) for g in held
            ):
                continue
            with transaction.atomic():
                try:
                    use()
                except Problem:
                    pass
                else:
                    pytest.fail(f"{maker} got into the account of {whose}, who holds {held}")
                transaction.set_rollback(True)


def walk(examples: int) -> None:
    run_state_machine_as_test(
        Escalation,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=(Phase.generate,),
        ),
    )


@pytest.fixture
def walkers(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    Escalation.district = district
    # Tries are counted in transactions of their own, which cannot be had inside the savepoint of a walk.
    monkeypatch.setattr(throttle, "spend", lambda **_: None)


@pytest.mark.usefixtures("walkers")
def test_no_sequence_of_operations_escalates(size: str) -> None:
    walk(400 if size == "full" else 15)


@pytest.mark.usefixtures("walkers")
@pytest.mark.parametrize("guard", ["covers", "may give"])
def test_each_guard_is_needed(monkeypatch: pytest.MonkeyPatch, fault_fired: Any, guard: str) -> None:
    """The controls: with one guard taken out a walk finds the way up."""
    if guard == "covers":
        monkeypatch.setattr(accounts, "require_cover", lambda *_: None)
        monkeypatch.setattr(accounts, "is_trusted_still", lambda *_: True)
    else:
        monkeypatch.setattr(rules, "may_give", lambda *_: True)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        walk(400)
    fault_fired(f"guard taken out: {guard}")


def test_a_giver_whose_rule_is_taken_out_escalates(
    district: District, monkeypatch: pytest.MonkeyPatch, fault_fired: Any
) -> None:
    """The control: with `may_grant` answering yes, the policy alone lets a street hand on a district's role."""
    _, supervisor = make_account(role="STREET_SUPERVISOR", place=district["150603001"])
    account, _ = make_account(place=district["150603001001"])
    monkeypatch.setattr(policy, "may_grant", lambda *_, **__: True)
    grants.give_grant(by=supervisor, account=account, role="DISTRICT_ADMIN", place=district["150603001"])
    fault_fired("the granting rule taken out: a street gave a district's role")
    assert account.grants.get().role == "DISTRICT_ADMIN"


# --- dangerous grants -------------------------------------------------------------------------------------------------


def test_dangerous_grants_are_found_in_the_tables(district: District, query_counter: Any) -> None:
    now = timezone.now()
    place = district["150603001001"]
    admin, _ = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    give(admin, "AUDITOR", place=district["150603"])
    worker, actor = make_account(role="COMMUNITY_WORKER", place=place)
    closed, _ = make_account(role="EVALUATOR", place=place, is_active=False)
    late, _ = make_account(place=place)
    give(
        late, "EVALUATOR", place=place, granted_at=now - timedelta(days=9), expires_at=now - timedelta(days=1)
    )
    ended, _ = make_account(role="EVALUATOR", national=True, place=place)
    ended.grants.update(revoked_at=timezone.now())
    token = accounts.issue_api_token(
        by=actor, grant=worker.grants.get(), name="旧", expires_at=now + timedelta(days=300)
    )
    ApiToken.objects.filter(pk=token.api_token.pk).update(created_at=now - timedelta(days=200))
    with query_counter.at_most(3):
        found = {(d.account_number, d.code) for d in queries.dangers(OPERATOR)}
    assert found == {
        (admin.number, "NO_SECOND_FACTOR"),
        (admin.number, "BAD_TOGETHER"),
        (closed.number, "INACTIVE_ACCOUNT"),
        (late.number, "EXPIRED_NOT_ENDED"),
        (worker.number, "OLD_TOKEN"),
    }
    # A supervisor sees what is theirs to see.
    _, street = make_account(role="STREET_SUPERVISOR", place=district["150603002"])
    assert {d.account_number for d in queries.dangers(street)} == {queries.own_account(street).number}


def test_lists_ask_as_many_questions_for_many_as_for_one(district: District, query_counter: Any) -> None:
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    for _ in range(12):
        make_account(role="COMMUNITY_WORKER", place=district["150603001001"])
    with query_counter.at_most(1):
        assert (
            len(
                [queries.shown_name(a) for a in queries.accounts(admin, text="测试", role="COMMUNITY_WORKER")]
            )
            == 12
        )
    with query_counter.at_most(1):
        assert (
            len(
                [
                    (queries.where(admin, g), g.account.person.name)
                    for g in queries.grants(admin, state="IN_FORCE")
                ]
            )
            == 13
        )
    account = queries.accounts(admin).first()
    with query_counter.at_most(9):
        assert queries.account_record(admin, account).may_edit in (True, False)


def test_the_platform_operator_sees_accounts_but_not_names(district: District) -> None:
    _, operator = make_account(role="PLATFORM_OPERATOR", place=district["150603"])
    account, _ = make_account(place=district["150603001001"], name="龘测试", phone="13800138000")
    (row,) = [a for a in queries.accounts(operator) if a.pk == account.pk]
    assert queries.shown_name(row) == "龘**"
    assert queries.account_record(operator, account).shown_name == "龘**"
    assert account.pk not in {a.pk for a in queries.accounts(operator, text="测试")}
    assert account.pk not in {a.pk for a in queries.accounts(operator, text="13800138000")}


def test_a_grant_does_not_name_an_organization_one_may_not_see(district: District) -> None:
    hidden = make_organization(district["150603001001"], "合成未公开", is_public=False)
    account, manager = make_account(role="ORGANIZATION_MANAGER", organization=hidden)
    grant = account.grants.get()
    _, platform = make_account(role="PLATFORM_OPERATOR", national=True, place=district["150603"])
    _, admin = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    assert grant in queries.grants(platform)
    assert "合成未公开" not in queries.where(platform, grant)
    assert queries.where(admin, grant) == "合成未公开"
    assert queries.where(manager, grant) == "合成未公开"
