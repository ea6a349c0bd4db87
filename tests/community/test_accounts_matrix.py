"""The table of rights in docs/security.md is the policy's, and says of certain people that they see no resident."""

from pathlib import Path

import pytest

from tools import rights
from wushe.kernel import policy

PAGE = Path(rights.__file__).resolve().parent.parent / "docs" / "security.md"


def test_the_documents_table_is_the_policys() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert rights.page_with_table(text) == text, "run python -m tools.rights"
    assert rights.table() in text


def test_the_table_would_notice_a_right_more(monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    wider = {
        **policy.RULES,
        policy.AUDITOR: {**policy.RULES[policy.AUDITOR], "person": {"view": policy.Relation.PLACE}},
    }
    monkeypatch.setattr(policy, "RULES", wider)
    assert rights.page_with_table(text) != text


def test_every_verb_and_relation_has_its_letter() -> None:
    verbs = {verb for rules in policy.RULES.values() for given in rules.values() for verb in given}
    assert verbs <= set(rights.VERBS)
    assert set(policy.Relation) == set(rights.RELATIONS)


@pytest.mark.parametrize(
    "role",
    [policy.PLATFORM_OPERATOR, policy.AUDITOR, policy.DISTRICT_VIEWER, policy.EVALUATOR, policy.EVERYONE],
)
def test_roles_that_see_no_resident(role: str) -> None:
    assert not {
        name
        for name in policy.RULES[role]
        if name.startswith(("person", "consent", "guardianship", "message"))
    }
