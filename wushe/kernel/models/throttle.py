"""Counters that slow guessing down."""

from django.db import models


class ThrottleBucket(models.Model):
    """One row per (bucket, keyed hash of who tries) (限速桶): when the bucket will be full again.

    The account name, address or token itself is never stored, only its keyed hash. Nor is the number of tries: the one
    instant `full_at_us` (microseconds since 1970) says all a token bucket needs, so that one conditional update spends a try.
    """

    bucket = models.CharField(max_length=40)
    key_hash = models.CharField(max_length=64)
    full_at_us = models.BigIntegerField()

    class Meta:
        verbose_name = "限速桶"
        constraints = [models.UniqueConstraint(fields=["bucket", "key_hash"], name="throttle_bucket_key")]
        indexes = [models.Index(fields=["full_at_us"], name="throttle_bucket_full")]
