"""`wushe account` and `wushe grants`: one line in, one JSON object out, and exit codes that scripts can trust."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from tests.factories.accounts import make_account
from tests.factories.organizations import District, make_organization
from wushe.cli import account as verbs
from wushe.community.models import Account, Person
from wushe.community.operations import log_in
from wushe.community.queries import accounts as queries
from wushe.kernel.problems import Problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def district(monkeypatch: pytest.MonkeyPatch) -> District:
    monkeypatch.setattr(
        verbs, "start", lambda: None
    )  # Django is up, and the test database is not to be migrated
    return District()


def run(*arguments: str, command: Any = verbs.account) -> Any:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=True)


def test_an_account_with_a_role_is_made_in_one_line(district: District) -> None:
    done = run("create", "--role", "DISTRICT_ADMIN", "--place", "150603", "--name", "合成管理", "--json")
    assert done.exit_code == 0, done.exception
    printed = json.loads(done.stdout)
    account = Account.objects.get(number=printed["account"])
    assert [(g.role, g.place_path) for g in queries.actor_for_account(account).grants] == [
        ("DISTRICT_ADMIN", "/15/1506/150603/")
    ]
    opened = log_in.log_in(identifier=printed["account"], password=printed["password"], address="a")
    assert opened.must_change_password
    assert Person.objects.get(pk=printed["person"]).name == "合成管理"


def test_for_an_organization_the_nation_and_somebody_on_record(district: District) -> None:
    body = make_organization(district["150603001001"], "合成甲社")
    person = make_account(place=district["150603001001"])[0].person
    Account.objects.all().delete()
    first = run(
        "create",
        "--role",
        "ORGANIZATION_MANAGER",
        "--organization",
        str(body.pk),
        "--keep-password",
        "--json",
    )
    assert json.loads(first.stdout)["must_change_password"] is False
    second = run(
        "create", "--role", "AUDITOR", "--national", "--place", "150603", "--until", "2999-12-31", "--json"
    )
    grant = Account.objects.get(number=json.loads(second.stdout)["account"]).grants.get()
    assert grant.is_national
    assert grant.expires_at is not None
    third = run("create", "--person", str(person.pk), "--phone", "13800138000")
    assert third.stdout.startswith(f"account {Account.objects.get(person=person).number}  password ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "--role", "DISTRICT_ADMIN"),
        ("create", "--role", "KING", "--place", "150603"),
        ("create", "--role", "DISTRICT_ADMIN", "--place", "999999"),
        ("create", "--role", "DISTRICT_ADMIN", "--place", "150603", "--phone", "12"),
        ("create", "--role", "DISTRICT_ADMIN", "--place", "150603", "--password", "12345678"),
        ("create", "--organization", "01900000-0000-7000-8000-000000000000"),
        ("reset", "99999999"),
        ("close", "99999999"),
    ],
)
def test_bad_input_changes_nothing(district: District, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    # The command line turns both into one line and exit 2 (`cli.main`).
    assert done.exit_code == 1 or done.exit_code == 2
    assert isinstance(done.exception, (Problem, SystemExit))
    assert not Account.objects.exists()
    assert not Person.objects.exists()


def test_as_an_account_only_what_that_account_may(district: District) -> None:
    supervisor, _ = make_account(role="STREET_SUPERVISOR", place=district["150603001"])
    made = run(
        "create", "--role", "COMMUNITY_WORKER", "--place", "150603001001", "--as", supervisor.number, "--json"
    )
    assert made.exit_code == 0, made.exception
    refused = run("create", "--role", "DISTRICT_ADMIN", "--place", "150603001", "--as", supervisor.number)
    assert isinstance(refused.exception, Problem)
    assert Account.objects.count() == 2


def test_reset_and_close(district: District) -> None:
    account, _ = make_account(place=district["150603001001"])
    printed = json.loads(run("reset", account.number, "--second-factor", "--json").stdout)
    assert log_in.log_in(
        identifier=account.number, password=printed["password"], address="a"
    ).must_change_password
    assert run("close", account.number).exit_code == 0
    with pytest.raises(log_in.WrongLogIn):
        log_in.log_in(identifier=account.number, password=printed["password"], address="a")


def test_grants_check_says_no_until_the_danger_is_gone(district: District) -> None:
    assert run("check", command=verbs.grants).exit_code == 0
    account, _ = make_account(role="DISTRICT_ADMIN", place=district["150603"])
    done = run("check", "--json", command=verbs.grants)
    assert done.exit_code == 1
    (danger,) = json.loads(done.stdout)["dangers"]
    assert (danger["code"], danger["account"]) == ("NO_SECOND_FACTOR", account.number)
    assert "NO_SECOND_FACTOR" in run("check", command=verbs.grants).stdout
    assert run("end", danger["subject"], command=verbs.grants).exit_code == 0
    assert run("check", command=verbs.grants).exit_code == 0
