"""The matrix of rights, as values: no database, no Django."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.kernel import policy
from wushe.kernel.actor import Actor, Grant

PATHS = ["/", "/15/", "/15/1506/", "/15/1506/150603/", "/44/", "/44/4403/"]
paths = st.sampled_from(PATHS)
roles = st.sampled_from(policy.GRANTABLE_ROLES)
verbs = st.sampled_from(["view", "create", "edit", "merge", "export", "erase"])
classes = st.sampled_from(sorted(policy.data_classes()))
grants = st.builds(
    Grant, role=roles, place_path=st.none() | paths, organization_path=st.none() | paths, grant_id=st.none()
)
persons = st.sampled_from([UUID(int=1), UUID(int=2)])
actors = st.builds(
    lambda kind, person, held: Actor(kind, "x", uuid4(), person if kind == "account" else None, tuple(held)),
    st.sampled_from(["anonymous", "account"]),
    persons,
    st.lists(grants, max_size=3),
)
facts = st.builds(
    policy.Facts,
    data_class=classes,
    own=st.frozensets(persons),
    place_paths=st.frozensets(paths, max_size=2),
    organization_paths=st.frozensets(paths, max_size=2),
    public=st.booleans(),
)


@given(actors, verbs, facts)
def test_a_role_never_reaches_outside_what_it_was_given(actor: Actor, verb: str, row: policy.Facts) -> None:
    if not policy.allows(actor, verb, row):
        return
    relations = {
        rules[row.data_class][verb]
        for role, rules in policy.RULES.items()
        if role
        in {policy.EVERYONE, *({policy.SELF} if actor.is_signed_in else ()), *(g.role for g in actor.grants)}
        and verb in rules.get(row.data_class, {})
    }
    by_place = any(p.startswith(g.place_path) for g in actor.grants if g.place_path for p in row.place_paths)
    by_organization = any(
        p.startswith(g.organization_path)
        for g in actor.grants
        if g.organization_path
        for p in row.organization_paths
    )
    assert (
        policy.Relation.ANY in relations
        or (policy.Relation.PUBLIC in relations and row.public)
        or (policy.Relation.OWN in relations and actor.person_id in row.own)
        or (by_place and relations & {policy.Relation.PLACE, policy.Relation.PLACE_OR_ORGANIZATION})
        or (
            by_organization
            and relations & {policy.Relation.ORGANIZATION, policy.Relation.PLACE_OR_ORGANIZATION}
        )
    )


@given(actors, verbs, facts, grants)
def test_another_grant_never_takes_a_right_away(
    actor: Actor, verb: str, row: policy.Facts, extra: Grant
) -> None:
    more = Actor(actor.kind, actor.label, actor.account_id, actor.person_id, (*actor.grants, extra))
    assert policy.allows(more, verb, row) or not policy.allows(actor, verb, row)


@given(verbs, facts)
def test_someone_not_signed_in_never_writes(verb: str, row: policy.Facts) -> None:
    assert verb == "view" or not policy.allows(Actor.anonymous(), verb, row)


def test_what_no_rule_names_is_refused() -> None:
    actor = Actor("account", "x", uuid4(), uuid4(), (Grant(policy.DISTRICT_ADMIN, "/"),))
    row = policy.Facts("person", place_paths=frozenset({"/15/"}))
    assert policy.allows(actor, "view", row)
    assert not policy.allows(actor, "invented", row)
    assert not policy.allows(actor, "view", policy.Facts("invented", place_paths=frozenset({"/15/"})))
    with pytest.raises(policy.Refused) as refused:
        policy.require(actor, "invented", row)
    assert refused.value.code == "refused.person.invented"
    assert refused.value.status == 403


def test_a_neighboring_code_is_not_inside_a_subtree() -> None:
    actor = Actor("account", "x", uuid4(), uuid4(), (Grant(policy.DISTRICT_ADMIN, "/15/1506/"),))
    assert not policy.allows(actor, "view", policy.Facts("person", place_paths=frozenset({"/15/15061/"})))


def test_the_platform_operator_reads_no_person() -> None:
    readable = {
        data_class
        for data_class, verbs_of in policy.RULES[policy.PLATFORM_OPERATOR].items()
        if data_class.startswith(("person", "consent", "guardianship", "qualification"))
        and "view" in verbs_of
    }
    assert readable == set()


def _closure(role: str) -> set[str]:
    reached, waiting = set(), [role]
    while waiting:
        for given_on in policy.MAY_GRANT.get(waiting.pop(), frozenset()):
            if given_on not in reached:
                reached.add(given_on)
                waiting.append(given_on)
    return reached


@pytest.mark.parametrize("role", sorted(policy.MAY_GRANT))
def test_handing_roles_on_never_climbs(role: str) -> None:
    """Through any number of hands, nobody ends with a right on a place that the first giver did not hold."""
    for reached in _closure(role):
        for data_class, verbs_of in policy.RULES[reached].items():
            for verb, relation in verbs_of.items():
                if relation in (policy.Relation.PLACE, policy.Relation.PLACE_OR_ORGANIZATION):
                    held = policy.RULES[role].get(data_class, {}).get(verb)
                    if role == policy.ORGANIZATION_MANAGER:
                        continue  # holds, and hands on, organization grants only
                    assert held in (policy.Relation.PLACE, policy.Relation.ANY), (
                        role,
                        reached,
                        data_class,
                        verb,
                    )


@given(st.sampled_from(sorted(policy.GRANTABLE_ROLES)), paths, paths, roles)
def test_nobody_grants_outside_their_subtree(holder: str, held: str, wanted: str, role: str) -> None:
    actor = Actor("account", "x", uuid4(), uuid4(), (Grant(holder, held),))
    if policy.may_grant(actor, role, place_path=wanted, organization_path=None):
        assert wanted.startswith(held)
        assert role in policy.MAY_GRANT[holder]
