"""`wushe summaries`: summary tables against a recount."""

import click

from wushe.cli.start import start


@click.group()
def summaries() -> None:
    """Check or renew the summary tables behind the pages of cities, provinces and the nation."""


@summaries.command()
def check() -> None:
    """Recount and compare; exit 1 and name the places when a summary differs."""
    start()
    from wushe.community.operations import tallies
    from wushe.kernel.actor import Actor

    differing = tallies.differing_paths(by=Actor.operator())
    for path in differing:
        click.echo(path)
    if differing:
        click.echo(
            f"wushe: {len(differing)} summaries differ from a recount; renew them with: wushe summaries rebuild",
            err=True,
        )
        raise click.exceptions.Exit(1)
    click.echo("wushe: the summaries agree with a recount")


@summaries.command()
def rebuild() -> None:
    """Count again and keep the result."""
    start()
    from wushe.community.operations import tallies
    from wushe.kernel.actor import Actor

    click.echo(f"wushe: {tallies.recount_places(by=Actor.operator())} summaries kept")
