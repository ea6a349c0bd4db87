"""The audit trail and the seals over it. All four tables are append-only, in code and by triggers in the database."""

from typing import TypeVar

from django.db import models

from wushe.kernel.append_only import AppendOnlyModel, AppendOnlyQuerySet
from wushe.kernel.fields import KeyField
from wushe.kernel.ids import new_id
from wushe.kernel.scoping import ScopedModel, ScopedQuerySet

M = TypeVar("M", bound=models.Model)


class AuditEvents(ScopedQuerySet[M], AppendOnlyQuerySet):  # type: ignore[override]  # both give a manager of their own
    """Audit rows: read through the gate, never changed."""


class AuditEvent(ScopedModel, AppendOnlyModel):
    """One row per change made (审计记录): who, when, which verb, on what, what it was before and after.

    Target and actor are text, not foreign keys: the row outlives what it tells of. `before` and `after` are canonical JSON
    *text*, because a database's own JSON type may rewrite numbers and key order, which a hash must not see. No personal value
    is stored in clear: see `kernel.audit.image`. No network address is stored: log-ins keep theirs for as long as they must.
    """

    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=36, blank=True)
    actor_person_id = models.CharField(max_length=36, blank=True)
    actor_label = models.TextField(blank=True)
    verb = models.CharField(max_length=80)
    target_label = models.CharField(max_length=80)
    target_id = models.CharField(max_length=64, blank=True)
    place_path = KeyField(max_length=255, default="/")
    before = models.TextField(null=True)
    after = models.TextField(null=True)
    note = models.TextField(blank=True)

    objects = AuditEvents.as_manager()  # type: ignore[misc,assignment]  # one manager in place of the two inherited

    class Meta:
        verbose_name = "审计记录"
        indexes = [
            models.Index(fields=["target_label", "target_id"], name="audit_event_target"),
            models.Index(fields=["place_path", "id"], name="audit_event_place"),
            models.Index(fields=["actor_id", "id"], name="audit_event_actor"),
        ]

    class Scope:
        data_class = "audit"
        place = "place_path"


class AuditBatch(AppendOnlyModel):
    """One row per sealed batch of audit records (审计批次): the root of their Merkle tree, chained to the batch before.

    The leaves are not in the row; `AuditLeaf` holds them, so that a single record can be proved or found wrong.
    """

    sequence = models.BigIntegerField(primary_key=True)
    first_event = models.UUIDField()
    last_event = models.UUIDField()
    count = models.PositiveIntegerField()
    hash_name = models.CharField(max_length=16)
    root = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    batch_hash = models.CharField(max_length=64, unique=True)
    sealed_at = models.DateTimeField()

    class Meta:
        verbose_name = "审计批次"
        constraints = [models.CheckConstraint(condition=models.Q(count__gt=0), name="audit_batch_not_empty")]


class AuditLeaf(AppendOnlyModel):
    """One row per sealed audit record (审计叶): its batch, its position there, its hash.

    No foreign keys: a deleted record or batch must leave its leaf behind, for that is how the deletion is found.
    """

    event_id = models.UUIDField(primary_key=True)
    batch_sequence = models.BigIntegerField()
    position = models.PositiveIntegerField()
    leaf_hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = "审计叶"
        constraints = [
            models.UniqueConstraint(fields=["batch_sequence", "position"], name="audit_leaf_position")
        ]


class AuditCheckpoint(AppendOnlyModel):
    """One row per signed statement of how far the chain reached (审计检查点).

    A copy kept outside the database (`wushe audit checkpoint -o FILE`) is what proves a rebuilt chain or a cut tail; the
    private key is never here.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sequence = models.BigIntegerField()
    size = models.BigIntegerField()
    batch_hash = models.CharField(max_length=64)
    hash_name = models.CharField(max_length=16)
    signed_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=120)

    class Meta:
        verbose_name = "审计检查点"
