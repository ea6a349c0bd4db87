"""First answers, so that a repeated request is answered and not carried out again."""

from django.db import models

from wushe.kernel.fields import EncryptedField


class FirstAnswer(models.Model):
    """One row per request that carried an idempotency key and was carried out (首次应答).

    The key is stored only as a keyed hash; the request only as a digest. The answer may name people, so it is encrypted. A
    refused request leaves no row: nothing was done, so it may be tried again.
    """

    key_hash = models.CharField(max_length=64, primary_key=True)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = EncryptedField(purpose="idempotency.body", blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = "首次应答"
