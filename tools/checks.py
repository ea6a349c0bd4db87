"""Checks that need the program loaded but nothing of anybody's data: `python -m tools.checks migrations`."""

import os
import sys
import tempfile


def migrations() -> int:
    """Return 0 when every change of a model has its migration; otherwise print what is missing and return 1."""
    from django.core.management import call_command

    try:
        call_command("makemigrations", check=True, dry_run=True, verbosity=1)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wushe-check-") as folder:
        os.environ["WUSHE_DATA"] = folder
        os.environ.pop("WUSHE_DATABASE_URL", None)
        os.environ["DJANGO_SETTINGS_MODULE"] = "wushe.config.settings"
        import django

        django.setup()
        sys.exit({"migrations": migrations}[sys.argv[1]]())
