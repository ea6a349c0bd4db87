"""What the kinds that come by the dozen share: they are matched by name and place, and carried out through the room's own operations."""

import datetime as dt
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import plans
from wushe.community.exchange.columns import Found
from wushe.community.exchange.lookups import OrganizationFinder
from wushe.community.exchange.plans import CREATE, UPDATE, Check, Planned
from wushe.community.models import ImportedRow, ImportRun
from wushe.community.operations import imports as operations
from wushe.community.operations.imports import ImportOutdated
from wushe.kernel.actor import Actor
from wushe.kernel.text import fold_name

StagedRows = Sequence[tuple[ImportedRow, Any]]


class SmallKind(ABC):
    """What the handlers of organizations, stations and venues share. A subclass gives `model`, `parts`, `bodies`, `plan`, `apply`, `edit`."""

    model: ClassVar[type[models.Model]]
    parts: ClassVar[Sequence[tuple[type[models.Model], str]]] = ()
    ahead: ClassVar[Sequence[tuple[type[models.Model], str]]] = ()
    tables: ClassVar[Sequence[type[models.Model]]]
    bodies: ClassVar[Sequence[str]]
    """The columns that name an organization."""

    def __init__(self) -> None:
        self._seen: dict[Any, Planned] = {}
        self._finder: OrganizationFinder | None = None

    def begin(self, check: Check, rows: Sequence[Found]) -> tuple[list[Planned], OrganizationFinder]:
        """Return the rows of a batch with key and place, and what finds the organizations they name."""
        finder = self._finder = self._finder or OrganizationFinder(check.by)
        check.places.prepare(plans.place_text(row) for row in rows)
        finder.prepare(str(row.values[name]) for row in rows for name in self.bodies if name in row.values)
        planned = [Planned(row, str(row.values.get("name", ""))[:200]) for row in rows]
        for one in planned:
            one.match_key = fold_name(one.title)[:200]
            check.place_of(one)
        return planned, finder

    def is_settled(self, one: Planned, matches: Sequence[models.Model], key: Any, by: str) -> bool:
        """True when a row needs no further look: an earlier one of the file means the same, or several on record do."""
        twin = self._seen.setdefault(key, one)
        if twin is not one:
            plans.same_row(one, twin, by)
            return True
        if len(matches) > 1:
            one.fault("name", "row.several_match", count=len(matches))
            return True
        return False

    @abstractmethod
    def apply(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Do what the payloads say."""

    @abstractmethod
    def edit(self, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Write the fields given beside each row into the record it means: new values, or the former ones of an import taken back."""

    def carry_out(self, *, by: Actor, run: ImportRun, at: dt.datetime) -> Iterable[ImportedRow]:
        """Do what the check staged, inside the caller's transaction; return the rows with the ids they got."""
        rows = list(ImportedRow.objects.filter(run=run, action__in=(CREATE, UPDATE)).order_by("position"))
        self._refuse_if_outdated(run, rows)
        self.apply(by=by, rows=[(row, json.loads(row.payload)) for row in rows], at=at)
        return rows

    def take_back(self, *, by: Actor, run: ImportRun) -> None:
        """Restore what the run changed and delete what it made, inside the caller's transaction."""
        changed = ImportedRow.objects.filter(run=run, action=UPDATE, is_kept=False).order_by("position")
        self.edit(by, [(row, json.loads(row.before)) for row in changed], dt.datetime.now(dt.UTC))
        operations.delete_created(run, self.model, self.parts)

    def _refuse_if_outdated(self, run: ImportRun, rows: Sequence[ImportedRow]) -> None:
        targets = {row.target_id for row in rows if row.action == UPDATE}
        names = {row.match_key for row in rows}
        since: Any = self.model._base_manager.filter(updated_at__gt=run.checked_at)
        for key, name in since.values_list("pk", "name"):
            if key in targets or fold_name(name)[:200] in names:
                raise ImportOutdated(_("检查之后，有人改动了表里的记录，一行也没有导入。请重新检查一次。"))
