"""What came in from a spreadsheet, so that it can be read again and undone."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import KeyField
from wushe.kernel.scoping import ScopedModel


class ImportRun(ScopedModel):
    """One row per file that was imported (导入批次): all of it or none. Not stored: the file, whose rows are now records."""

    class Status(models.TextChoices):
        DONE = "DONE", _("已导入")
        UNDONE = "UNDONE", _("已撤销")

    class Scope:
        data_class = "import"
        place = "place__path"
        organization = "organization__path"

    kind = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    digest = KeyField(max_length=64)
    place = models.ForeignKey("community.Place", on_delete=models.PROTECT, null=True, blank=True, related_name="imports")
    organization = models.ForeignKey(
        "community.Organization", on_delete=models.PROTECT, null=True, blank=True, related_name="imports"
    )
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    row_count = models.PositiveIntegerField()
    created_count = models.PositiveIntegerField()
    updated_count = models.PositiveIntegerField()
    unchanged_count = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status, default=Status.DONE)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="import_undone_has_date",
                condition=Q(status="UNDONE", undone_at__isnull=False) | Q(status="DONE", undone_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class ImportedRow(models.Model):
    """One row per record that an import created or changed (导入记录), with what it was before, sealed, for undoing."""

    class Action(models.TextChoices):
        CREATED = "CREATED", _("新建")
        UPDATED = "UPDATED", _("更新")

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rows")
    line = models.PositiveIntegerField()
    target_label = models.CharField(max_length=40)
    target_id = models.UUIDField()
    action = models.CharField(max_length=8, choices=Action)
    before = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["run", "line"], name="imported_row_by_run")]

    def __str__(self) -> str:
        return f"{self.target_label} {self.action}"
