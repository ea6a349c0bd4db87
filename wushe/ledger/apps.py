"""账本: one append-only double-entry book for minutes, fen and goods."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "wushe.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "ledger"
