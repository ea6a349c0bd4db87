"""`wushe demo`: stories to look at, in an empty database."""

import json
import sys

import click

from wushe.cli.start import start


@click.command()
@click.option(
    "--size", type=click.Choice(["small", "district", "city"]), default="district", show_default=True
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same country.")
def demo(size: str, seed: int) -> None:
    """Fill an empty database with demo data; prints log-ins, places and ids as JSON on standard output."""
    start()
    from wushe.demo.build import build

    def progress(line: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"demo: {line}", err=True)

    click.echo(json.dumps(build(size=size, seed=seed, progress=progress), ensure_ascii=False, indent=1))
