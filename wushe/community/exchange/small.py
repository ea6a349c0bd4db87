"""Carrying out and taking back of the kinds that come by the dozen: row by row, through the room's own operations."""

import datetime as dt
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange.plans import CREATE, UPDATE
from wushe.community.models import ImportedRow, ImportRun
from wushe.community.operations import imports as operations
from wushe.community.operations.imports import ImportOutdated
from wushe.kernel.actor import Actor
from wushe.kernel.text import fold_name

StagedRows = Sequence[tuple[ImportedRow, Any]]


class SmallKind(ABC):
    """What the handlers of organizations, stations and venues share. A subclass gives `model`, `parts`, `apply` and `restore`."""

    model: ClassVar[type[models.Model]]
    parts: ClassVar[Sequence[tuple[type[models.Model], str]]] = ()
    ahead: ClassVar[Sequence[tuple[type[models.Model], str]]] = ()
    tables: ClassVar[Sequence[type[models.Model]]]

    @abstractmethod
    def apply(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Do what the payloads say."""

    @abstractmethod
    def restore(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Put back what an import changed."""

    def carry_out(self, *, by: Actor, run: ImportRun, at: dt.datetime) -> Iterable[ImportedRow]:
        """Do what the check staged, inside the caller's transaction; return the rows with the ids they got."""
        rows = list(ImportedRow.objects.filter(run=run, action__in=(CREATE, UPDATE)).order_by("position"))
        self._refuse_if_outdated(run, rows)
        self.apply(by=by, rows=[(row, json.loads(row.payload)) for row in rows], at=at)
        return rows

    def take_back(self, *, by: Actor, run: ImportRun) -> None:
        """Restore what the run changed and delete what it made, inside the caller's transaction."""
        changed = ImportedRow.objects.filter(run=run, action=UPDATE, is_kept=False).order_by("position")
        self.restore(
            by=by, rows=[(row, json.loads(row.before)) for row in changed], at=dt.datetime.now(dt.UTC)
        )
        operations.delete_created(run, self.model, self.parts)

    def _refuse_if_outdated(self, run: ImportRun, rows: Sequence[ImportedRow]) -> None:
        targets = {row.target_id for row in rows if row.action == UPDATE}
        names = {row.match_key for row in rows}
        since: Any = self.model._base_manager.filter(updated_at__gt=run.checked_at)
        for key, name in since.values_list("pk", "name"):
            if key in targets or fold_name(name)[:200] in names:
                raise ImportOutdated(_("检查之后，有人改动了表里的记录，一行也没有导入。请重新检查一次。"))
