"""The shared vocabularies every installation starts from: skills (技能), duties (职责) and dated rule values (规则参数)."""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files

from django.db import models, transaction

from wushe.community.models import Duty, RuleValue, Skill
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import official_id


@transaction.atomic
def seed_vocabularies(*, by: Actor, at: datetime | None = None) -> int:
    """Add the shipped rows that are not there yet and return how many were; never changes or brings back what users edited.

    Ids are the same in every deployment. Three queries when there is nothing to add, so that `wushe init` may always call it.
    """
    policy.require(by, "create", policy.Facts("skill"))
    added = 0
    duties = [
        Duty(id=official_id("duty", row["code"]), code=row["code"], name=row["name"], name_en=row["name_en"])
        for row in _rows("duties")
    ]
    skills = [
        Skill(
            id=official_id("skill", row["code"]),
            code=row["code"],
            name=row["name"],
            name_en=row["name_en"],
            needs_license=row["needs_license"] == "yes",
        )
        for row in _rows("skills")
    ]
    values = [
        RuleValue(
            id=official_id("rule", f"{row['code']}:{row['region']}:{row['valid_from']}"),
            code=row["code"],
            region=row["region"],
            value=Decimal(row["value"]),
            valid_from=date.fromisoformat(row["valid_from"]),
            is_verified=row["is_verified"] == "yes",
            source=row["source"],
            source_en=row["source_en"],
        )
        for row in _rows("rule_values")
    ]
    added += _add_missing(by, Duty, duties, ("code",))
    added += _add_missing(by, Skill, skills, ("code",))
    added += _add_missing(by, RuleValue, values, ("code", "region", "valid_from"))
    return added


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("wushe.community").joinpath(f"seed/{name}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _add_missing(by: Actor, model: type[models.Model], rows: list, key: tuple[str, ...]) -> int:
    present = set(model._default_manager.values_list(*key))
    missing = [row for row in rows if tuple(getattr(row, name) for name in key) not in present]
    if missing:
        # Two processes may start on one empty database: the second finds its rows there and adds none.
        model._default_manager.bulk_create(missing, ignore_conflicts=True)
        audit.record(
            by=by,
            verb="seed",
            target=(model._meta.label, ""),
            after={"rows": [str(row.pk) for row in missing]},
        )
    return len(missing)
