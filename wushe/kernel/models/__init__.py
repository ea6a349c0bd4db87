"""The kernel's tables: audit trail and its seals, personal keys, outbox, schedule, throttle, first answers."""

from wushe.kernel.models.audit import AuditBatch, AuditCheckpoint, AuditEvent, AuditLeaf
from wushe.kernel.models.idempotency import FirstAnswer
from wushe.kernel.models.installation import InstallationFact
from wushe.kernel.models.outbox import OutboxMessage
from wushe.kernel.models.personal_keys import PersonalKey
from wushe.kernel.models.tasks import Schedule, WorkerBeat
from wushe.kernel.models.throttle import ThrottleBucket

__all__ = [
    "AuditBatch",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditLeaf",
    "FirstAnswer",
    "InstallationFact",
    "OutboxMessage",
    "PersonalKey",
    "Schedule",
    "ThrottleBucket",
    "WorkerBeat",
]
