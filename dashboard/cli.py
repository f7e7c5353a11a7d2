"""The command line. Nothing heavy is imported before a command needs it, so that --help is quick."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperGroup

from dashboard.commands import (
    ask,
    audit,
    backup,
    break_glass,
    budget,
    care_team,
    certify,
    codes,
    consent,
    dashboard,
    database,
    deid,
    demo,
    erase,
    evaluate,
    extract,
    init,
    keys,
    models,
    policy,
    privacy,
    reidentify,
    serve,
    server,
    site,
    summary,
    train,
    upgrade,
    users,
)
from policies.network import call_nobody

app = typer.Typer(
    name="confide",
    cls=TyperGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a stack trace with local variables would show text of records
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hospitals fine-tune a clinical BERT together without a note, or anything that a patient could be found in, "
    "leaving a hospital.\n\nStart with [bold]confide demo[/], or with [bold]confide init[/] on your own export.",
)
app.command("init")(init.init)
app.command("demo")(demo.demo)
app.command("deid")(deid.deid)
app.command("train")(train.train)
app.command("extract")(extract.extract)
app.command("ask")(ask.ask)
app.command("summary")(summary.summary)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(codes.app, name="codes")
app.add_typer(certify.app, name="certify")
app.add_typer(reidentify.app, name="reidentify")
app.add_typer(erase.app, name="erase")
app.add_typer(consent.app, name="consent")
app.add_typer(care_team.app, name="care-team")
app.add_typer(policy.app, name="policy")
app.add_typer(break_glass.app, name="break-glass")
app.add_typer(keys.app, name="keys")
app.add_typer(database.app, name="database")
app.add_typer(users.app, name="users")
app.add_typer(audit.app, name="audit")
app.add_typer(budget.app, name="budget")
app.add_typer(privacy.app, name="privacy")
app.add_typer(models.app, name="models")
app.add_typer(server.app, name="server")
app.add_typer(site.app, name="site")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("upgrade")(upgrade.upgrade)
app.command("dashboard")(dashboard.dashboard)
app.command("serve")(serve.serve)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"confide {version('confide')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Run one command; every error ends in a sentence and an exit code."""
    import click

    call_nobody()
    try:
        code = app(standalone_mode=False)
    except click.ClickException as error:
        from dashboard.console import report_usage

        code = report_usage(error)
    except (click.Abort, KeyboardInterrupt):
        typer.echo("stopped", err=True)
        code = 130
    except BrokenPipeError:
        code = 0
    except Exception as error:
        from dashboard.console import report

        code = report(error)
    sys.exit(code or 0)
