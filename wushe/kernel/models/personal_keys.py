"""The key of each person under which audit images and messages are sealed."""

from django.db import models
from django.db.models import Q


class PersonalKey(models.Model):
    """One row per person who appears in audit images or messages (个人密钥): a data key, wrapped by the installation's master key.

    Destroying it (`kernel.audit.forget`) makes every image of that person unreadable for ever, in this database and in each
    later backup, while hashes over the sealed text still verify. The row stays, so that no new key is ever made for them.
    The person is named by id alone; no name is stored.
    """

    person_id = models.UUIDField(primary_key=True)
    wrapped_key = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "个人密钥"
        constraints = [
            models.CheckConstraint(
                condition=Q(destroyed_at__isnull=True) & ~Q(wrapped_key="")
                | Q(destroyed_at__isnull=False) & Q(wrapped_key=""),
                name="personal_key_whole_or_gone",
            )
        ]
