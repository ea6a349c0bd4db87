"""五社主体: places, people, organizations, stations, venues, accounts, role grants."""

from django.apps import AppConfig


class CommunityConfig(AppConfig):
    name = "wushe.community"
    label = "community"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "community"
