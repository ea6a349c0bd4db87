"""The `wushe` command. One module per verb; a verb's module is loaded only when it is called."""

import importlib
import os
import sys

import click

# verb → module:attribute. Kept as text so that `wushe --help` and a quick verb do not load every room.
VERBS = {
    "init": "wushe.cli.init:init",
    "serve": "wushe.cli.serve:serve",
    "worker": "wushe.cli.worker:worker",
    "account": "wushe.cli.account:account",
    "grants": "wushe.cli.account:grants",
    "demo": "wushe.cli.demo:demo",
    "divisions": "wushe.cli.divisions:divisions",
    "import": "wushe.cli.exchange:import_",
    "export": "wushe.cli.exchange:export",
    "audit": "wushe.cli.audit:audit",
    "ledger": "wushe.cli.ledger:ledger",
    "summaries": "wushe.cli.summaries:summaries",
    "backup": "wushe.cli.backup:backup",
    "restore": "wushe.cli.backup:restore",
    "keys": "wushe.cli.keys:keys",
}


class Verbs(click.Group):
    """Finds a verb by name and turns every expected failure into one clear line and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, attribute = VERBS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wushe")
def cli() -> None:
    """Wushe 五社: the open platform of the Five-Society Linkage. WUSHE_DATA names the data folder, WUSHE_DATABASE_URL the database."""


def main() -> None:
    """Run the command line; exit 0 done, 1 the answer is no, 2 bad input with one clear line on standard error."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wushe.config.settings")
    from wushe.kernel.problems import Problem

    try:
        cli.main(prog_name="wushe", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("wushe: stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"wushe: {error.format_message()}", err=True)
        sys.exit(2)
    except Problem as problem:
        click.echo(f"wushe: {problem.message or problem.code}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
