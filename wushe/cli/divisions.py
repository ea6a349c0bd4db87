"""`wushe divisions load`: the official divisions, from province to community, out of the package in the wheel."""

import sys

import click

from wushe.cli.start import start


@click.group()
def divisions() -> None:
    """The official divisions: province, city, county, street, community."""


@divisions.command()
@click.option(
    "--code", "codes", multiple=True, metavar="CODE", help="2, 4, 6, 9 or 12 digits; may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="The whole nation: 665,276 divisions.")
@click.argument("more", nargs=-1, metavar="[CODE]…")
def load(codes: tuple[str, ...], everything: bool, more: tuple[str, ...]) -> None:
    """Load the divisions named by CODE with all above and below them. Harmless to repeat; newer names become dated renames."""
    codes += more
    if everything == bool(codes):
        raise click.UsageError(
            "name the divisions by --code (2, 4, 6, 9 or 12 digits), or all of them by --all"
        )
    start()
    from wushe.community.exchange import divisions as exchange
    from wushe.kernel.actor import Actor

    package = exchange.manifest()
    with click.progressbar(
        length=1, label="divisions", file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty()
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        loaded = exchange.load(by=Actor.operator(), codes=None if everything else codes, progress=progress)
    click.echo(
        f"wushe: {package['source']}, as of {package['as_of']}: {loaded.added} added, {loaded.renamed} renamed,"
        f" {loaded.unchanged} unchanged, {loaded.kept} kept as changed here, {loaded.absent} here but not in the package"
    )
