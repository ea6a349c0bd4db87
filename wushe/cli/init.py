"""`wushe init`: keys and an empty, migrated database."""

import click

from wushe.cli.start import start


@click.command()
def init() -> None:
    """Create the keys and bring the database up to date. Harmless to repeat."""
    start()
    from django.conf import settings

    click.echo(f"wushe: ready in {settings.DATA}")
