"""What comes in from a spreadsheet: the run, each of its rows until it is done with, and the headings people matched by hand."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import EncryptedField, KeyField
from wushe.kernel.scoping import ScopedModel


class ImportRun(ScopedModel):
    """One row per file that somebody brought to be imported (导入批次): checked first, then all of it or none.

    Not stored: the file itself beyond a day (while it is being checked it lies sealed in the uploads folder); how long anybody
    took. `place` and `organization` say who may see the run: those who may import there.
    """

    class Status(models.TextChoices):
        WAITING = "WAITING", _("等待确认列名")
        CHECKING = "CHECKING", _("正在检查")
        REFUSED = "REFUSED", _("文件无法读取")
        CHECKED = "CHECKED", _("已检查，未导入")
        APPLYING = "APPLYING", _("正在导入")
        DONE = "DONE", _("已导入")
        UNDOING = "UNDOING", _("正在撤销")
        UNDONE = "UNDONE", _("已撤销")

    class Scope:
        data_class = "import"
        place = "place__path"
        organization = "organization__path"

    kind = models.CharField(max_length=20)
    file_name = models.CharField(max_length=200)
    digest = KeyField(max_length=64)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, null=True, blank=True, related_name="imports"
    )
    organization = models.ForeignKey(
        "community.Organization", on_delete=models.PROTECT, null=True, blank=True, related_name="imports"
    )
    stored_name = models.CharField(max_length=40, blank=True)
    default_place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_by = models.CharField(max_length=200)
    created_by_account = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    columns = models.JSONField(default=dict)  # folded heading → column code, "" for left out
    headings = models.JSONField(default=list)  # what was found in the sheets, for the page that shows it
    notes = models.JSONField(default=list)  # [code, details] about the file as a whole
    problem = models.JSONField(null=True, blank=True)  # why the file was refused: code and message
    # Of the payloads, so that an upgrade between check and import shows; while a check goes on, the mark of that check.
    shape = models.CharField(max_length=64, blank=True)
    progress = models.PositiveIntegerField(default=0)  # rows checked so far
    row_count = models.PositiveIntegerField(default=0)
    created_count = models.PositiveIntegerField(default=0)
    updated_count = models.PositiveIntegerField(default=0)
    unchanged_count = models.PositiveIntegerField(default=0)
    fault_count = models.PositiveIntegerField(default=0)
    note_count = models.PositiveIntegerField(default=0)
    kept_count = models.PositiveIntegerField(default=0)  # rows an undo could not take back
    checked_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="import_done_has_date",
                condition=Q(status__in=("DONE", "UNDOING", "UNDONE"), done_at__isnull=False)
                | (~Q(status__in=("DONE", "UNDOING", "UNDONE")) & Q(done_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="import_undone_has_date",
                condition=Q(status="UNDONE", undone_at__isnull=False)
                | (~Q(status="UNDONE") & Q(undone_at__isnull=True)),
            ),
        ]
        indexes = [models.Index(fields=["status", "created_at"], name="import_run_by_status")]

    def __str__(self) -> str:
        return self.file_name


class ImportedRow(models.Model):
    """One row per row of an imported file (导入行): what will happen to it, and what was there before, sealed, for undoing.

    `report`, `match_key` and `payload` (the values ready to be stored; encrypted fields are sealed in it already) are there
    between check and import, at most a day, and are emptied by it. Afterwards only rows that made or changed a record remain.
    `before` is sealed under the person's own key where the record is a person's, so that an erasure reaches it.
    """

    class Action(models.TextChoices):
        CREATE = "CREATE", _("新建")
        UPDATE = "UPDATE", _("更新")
        UNCHANGED = "SAME", _("无变化")
        FAULT = "FAULT", _("有问题")

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()  # counts through all sheets
    sheet = models.CharField(max_length=100, blank=True)
    line = models.PositiveIntegerField()  # as the office program numbers it
    action = models.CharField(max_length=6, choices=Action)
    has_notes = models.BooleanField(default=False)
    target_label = models.CharField(max_length=40, blank=True)
    target_id = models.UUIDField(null=True, blank=True)
    place_id = models.UUIDField(null=True, blank=True)  # where the right to do it is asked for again
    organization_id = models.UUIDField(null=True, blank=True)
    match_key = KeyField(max_length=200, blank=True)
    made = models.JSONField(default=list)  # ids of further records the row made
    report = EncryptedField(blank=True, purpose="import.report")
    payload = models.TextField(blank=True)
    before = models.TextField(blank=True)
    is_kept = models.BooleanField(default=False)  # later work hangs on it: an undo left it alone

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="imported_row_once")]
        indexes = [
            models.Index(fields=["run", "action", "position"], name="imported_row_by_action"),
            models.Index(fields=["target_id"], name="imported_row_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.target_label} {self.action}"


class ColumnChoice(models.Model):
    """One row per heading that somebody matched to a column by hand (列名对应), so that nobody has to do it twice.

    Remembered for the account that chose; `account` is "" for the command line. A heading is no personal value.
    """

    account = KeyField(max_length=36, blank=True)
    kind = models.CharField(max_length=20)
    heading = KeyField(max_length=80)
    column = models.CharField(max_length=40, blank=True)  # "" for: leave this column out
    chosen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "heading"], name="column_choice_once")
        ]

    def __str__(self) -> str:
        return f"{self.heading} → {self.column}"
