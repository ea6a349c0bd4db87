"""Summaries of the facts of this room, for pages that look over whole provinces."""

from django.db import models

from wushe.kernel.fields import KeyField


class PlaceTally(models.Model):
    """One row per county (or other place directly below a city, province or the nation): what there is of the five societies (地方汇总).

    `numbers` are the fields of `rules.societies.Tally` that are not zero. A row whose path is that of a province or city carries
    what hangs directly on it and, under `shared`, how many people its counties count more than once. The row of the nation is
    always there once anything was counted. Not stored: anything below the county, which is counted while the page is read.
    Rewritten as a whole by `operations.tallies`; may be thrown away at any time.
    """

    path = KeyField(primary_key=True, max_length=200)
    numbers = models.JSONField(default=dict)
    shared = models.JSONField(default=dict)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path
