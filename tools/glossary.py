"""The glossary's duty: one row for every model, status and permission. `python -m tools.glossary` prints the missing rows."""

import os
import re
import sys
import tempfile
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
_IDENTIFIER = re.compile(r"`([^`]+)`")


def known(*, duplicates: bool = False) -> list[str]:
    """Return the identifiers of the glossary's tables (second column, in backticks), each once unless `duplicates`."""
    if not GLOSSARY.exists():
        return []
    found: list[str] = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = line.split("|")
        if line.startswith("|") and len(cells) >= 5:
            found += _IDENTIFIER.findall(cells[2])
    return found if duplicates else sorted(set(found))


def wanted() -> dict[str, str]:
    """Return identifier → a table row to start from, for every model, status, role, data class and verb of the program."""
    from django.apps import apps
    from django.db import models
    from django.utils import translation

    from wushe.kernel import policy

    rows: dict[str, str] = {}

    def want(identifier: str, chinese: str = "", source: str = "") -> None:
        rows.setdefault(identifier, f"| {chinese} | `{identifier}` | {source} |")

    with translation.override("zh-hans"):
        for model in apps.get_models():
            if not model.__module__.startswith("wushe."):
                continue
            term = re.search(r"[（(]([^（()）]*[\u4e00-\u9fff][^（()）]*)[)）]", model.__doc__ or "")
            want(model.__name__, term.group(1) if term else "", "model")
            for name, inner in vars(model).items():
                if isinstance(inner, type) and issubclass(inner, models.Choices):
                    for member in inner:
                        want(f"{model.__name__}.{name}.{member.name}", str(member.label), f"{model.__name__}")
    for role in policy.RULES:
        want(role, "", "role")
    for data_class in sorted(policy.data_classes()):
        want(data_class, "", "data class")
    for verb in sorted(
        {verb for rules in policy.RULES.values() for verbs in rules.values() for verb in verbs}
    ):
        want(verb, "", "verb")
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wushe-glossary-") as folder:
        os.environ["WUSHE_DATA"] = folder
        os.environ.pop("WUSHE_DATABASE_URL", None)
        os.environ["DJANGO_SETTINGS_MODULE"] = "wushe.config.settings"
        import django

        django.setup()
        missing = [row for identifier, row in wanted().items() if identifier not in known()]
        print("\n".join(missing) if missing else "the glossary is complete")
        sys.exit(1 if missing else 0)
