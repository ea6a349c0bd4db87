"""Messages to people."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import EncryptedField, KeyField
from wushe.kernel.scoping import ScopedModel


class OutboxMessage(ScopedModel):
    """One row per message to one person or address (消息): what, by which way, when due, sent and acknowledged.

    Subject and body are sealed under the person's own key and die with it; for a bare address (a phone number, a group) they
    and the address are encrypted under the installation's. There is no "delivered": only `acknowledged_at` means reached.
    """

    class Channel(models.TextChoices):
        IN_APP = "IN_APP", _("站内消息")
        COPY_TEXT = "COPY_TEXT", _("可复制文本")
        CONSOLE = "CONSOLE", _("控制台")
        FILE = "FILE", _("文件")
        SMS = "SMS", _("短信")
        WECOM = "WECOM", _("企业微信")
        EMAIL = "EMAIL", _("电子邮件")

    class State(models.TextChoices):
        WAITING = "WAITING", _("待发送")
        SENDING = "SENDING", _("发送中")
        SENT = "SENT", _("已发出")
        ACKNOWLEDGED = "ACKNOWLEDGED", _("本人已确认")
        PARKED = "PARKED", _("未能发出")
        CANCELED = "CANCELED", _("已取消")

    kind = models.CharField(max_length=60)
    channel = models.CharField(max_length=12, choices=Channel.choices)
    state = models.CharField(max_length=14, choices=State.choices, default=State.WAITING)
    person_id = models.UUIDField(null=True, db_index=True)
    place_path = KeyField(max_length=255, default="/")
    address = EncryptedField(purpose="outbox.address", blank=True)
    sealed_subject = models.TextField()
    sealed_body = models.TextField()
    link = models.CharField(max_length=300, blank=True)
    sent_by = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "消息"
        indexes = [
            models.Index(fields=["state", "due_at"], name="outbox_due"),
            models.Index(fields=["person_id", "due_at"], name="outbox_person"),
            models.Index(fields=["place_path", "due_at"], name="outbox_place"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True) | Q(state="ACKNOWLEDGED"),
                name="outbox_acknowledged",
            ),
        ]

    class Scope:
        data_class = "message"
        own = "person_id"
        place = "place_path"
