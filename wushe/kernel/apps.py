"""The kernel as a Django app: audit trail, outbox, keys, schedule."""

from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "wushe.kernel"
    label = "kernel"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "kernel"

    def ready(self) -> None:
        """Put the append-only triggers in place after every migration."""
        from django.db.models.signals import post_migrate

        from wushe.kernel import triggers

        post_migrate.connect(triggers.install, sender=self, dispatch_uid="wushe.kernel.triggers")
