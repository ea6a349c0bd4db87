"""The table of who may do what, in docs/security.md, written from `wushe.kernel.policy`.

python -m tools.rights          write the table into docs/security.md
python -m tools.rights check    exit 1 unless the table there is the one of today
"""

import sys
from pathlib import Path

from wushe.kernel import policy
from wushe.kernel.policy import Relation

PAGE = Path(__file__).resolve().parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- rights: begin -->", "<!-- rights: end -->"

VERBS = {"view": "V", "create": "C", "edit": "E", "merge": "M", "export": "X", "erase": "D"}
RELATIONS = {
    Relation.OWN: "own",
    Relation.ASSIGNED: "assigned",
    Relation.PLACE: "place",
    Relation.ORGANIZATION: "org",
    Relation.PLACE_OR_ORGANIZATION: "place+org",
    Relation.PUBLIC: "public",
    Relation.ANY: "all",
}


def cell(role: str, data_class: str) -> str:
    """Return what `role` may do with `data_class`: verbs by relation, "VCE place"; "" for nothing."""
    by_relation: dict[Relation, list[str]] = {}
    for verb, relation in policy.RULES.get(role, {}).get(data_class, {}).items():
        by_relation.setdefault(relation, []).append(VERBS.get(verb, f" {verb} "))
    order = list(VERBS.values())
    return ", ".join(
        f"{''.join(sorted(letters, key=lambda v: order.index(v) if v in order else 99))} {RELATIONS[relation]}"
        for relation, letters in by_relation.items()
    )


def table() -> str:
    """Return the two tables: data classes by role, and who hands which role on."""
    roles = [policy.EVERYONE, policy.SELF, *policy.GRANTABLE_ROLES]
    lines = ["| | " + " | ".join(roles) + " |", "|---" * (len(roles) + 1) + "|"]
    for data_class in sorted(policy.data_classes()):
        lines.append(f"| `{data_class}` | " + " | ".join(cell(role, data_class) for role in roles) + " |")
    lines += ["", "| holder | may hand on, inside their own subtree |", "|---|---|"]
    for role in policy.GRANTABLE_ROLES:
        given = policy.MAY_GRANT.get(role, frozenset())
        named = ", ".join(other for other in policy.GRANTABLE_ROLES if other in given)
        lines.append(f"| {role} | {named or 'nothing'} |")
    return "\n".join(lines)


def page_with_table(text: str) -> str:
    """Return the page with the table of today between the two marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    text = PAGE.read_text(encoding="utf-8")
    written = page_with_table(text)
    if arguments == ["check"]:
        if written != text:
            print(
                "docs/security.md: the table of rights is not the policy's; run python -m tools.rights",
                file=sys.stderr,
            )
        return int(written != text)
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
