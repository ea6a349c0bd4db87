"""Rows that are written once. A correction is another row."""

from typing import Any, Never

from django.db import models


class AppendOnlyViolation(Exception):
    """Code tried to change or delete a row that may only be added."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A queryset that adds and reads, nothing else."""

    def update(self, **kwargs: Any) -> Never:
        raise AppendOnlyViolation(f"{self.model._meta.label} is append-only: write a correcting row")

    def delete(self) -> Never:
        raise AppendOnlyViolation(f"{self.model._meta.label} is append-only: write a correcting row")

    def bulk_update(self, *args: Any, **kwargs: Any) -> Never:
        raise AppendOnlyViolation(f"{self.model._meta.label} is append-only: write a correcting row")


class AppendOnlyModel(models.Model):
    """A row that is inserted and never changed. Triggers in the database refuse the same, for those who go round the code."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyViolation(f"{self._meta.label} is append-only: write a correcting row")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise AppendOnlyViolation(f"{self._meta.label} is append-only: write a correcting row")
