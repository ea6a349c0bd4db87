"""The kernel as a Django app: audit trail, outbox, keys, schedule."""

from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "wushe.kernel"
    label = "kernel"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "kernel"
