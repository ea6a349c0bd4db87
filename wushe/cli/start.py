"""What every verb that touches the database does first: load Django, and bring an empty or older database up to date."""

import os

import click


def start(*, language: str = "") -> None:
    """Set Django up and migrate where needed. Raises `click.ClickException` when the database cannot be reached."""
    import django
    from django.db import OperationalError, connection

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import translation

    settings.STATIC_ROOT.mkdir(
        exist_ok=True
    )  # nothing is collected into it, but the static server looks for it
    translation.activate(language or os.environ.get("WUSHE_LANGUAGE", "zh-hans"))
    try:
        executor = MigrationExecutor(connection)
        if (
            executor.migration_plan(executor.loader.graph.leaf_nodes())
            or not connection.introspection.table_names()
        ):
            call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
            # Imported late: the rooms need Django set up, and only a new or newly upgraded database needs the vocabularies.
            from wushe.community.operations.vocabularies import seed_vocabularies
            from wushe.kernel.actor import Actor

            seed_vocabularies(by=Actor.system("init"))
    except OperationalError as error:
        raise click.ClickException(
            f"the database cannot be reached: {str(error).strip().splitlines()[0]}"
        ) from None
