"""`wushe keys rotate`: a new encryption key for personal fields."""

import click


@click.group()
def keys() -> None:
    """The keys that seal personal fields."""


@keys.command()
def rotate() -> None:
    """Add a new key and seal every later value under it; earlier values stay readable under theirs."""
    from wushe.kernel import crypto

    crypto.create_keys()
    click.echo(f"wushe: new values are sealed under key {crypto.add_field_key()}; restart the site")
