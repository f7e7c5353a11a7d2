"""confide audit accounting and disclosed: what was disclosed of a patient, also what a person has to tell."""

from __future__ import annotations

from typing import Annotated

import typer

from dashboard.logs import OneLogOption, one_permitted
from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.workspace import Workspace


def disclosed(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    to: Annotated[str, typer.Option(help="Who received it; its address, if known. It stands in the log.")],
    what: Annotated[str, typer.Option(help="A short description, with nothing of the record itself.")],
    purpose: Annotated[str, typer.Option(help="HLEGAL, PATSFTY, PATRQT or another purpose of use.")],
    on: Annotated[str, typer.Option("--on", help="Day of it, as YYYY-MM-DD. \\[default: today]")] = "",
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Record a disclosure that was made outside of Confide, such as to a registry, for the accounting.

    [dim]Example: confide audit disclosed 0f3c51d2a7b84e6690c1d2e3f4a5b6c7 --to "State cancer registry"
    --what "report of a case" --purpose HLEGAL[/]
    """
    from dashboard.console import say
    from policies.typed import day_of
    from privacy.vault.disclosures import record

    opened = chosen_site(Workspace.existing(workspace), site)
    record(opened, patient, recipient=to, what=what, purpose=purpose, day=day_of(on) if on else None)
    say(f"recorded; see 'confide audit accounting {patient}'")


def accounting(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    as_json: JsonOption = False,
    site: OneLogOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """What was disclosed of one patient in six years, to whom, when and why (45 CFR 164.528).

    A model update is a disclosure. Each study stands with a bound (epsilon) on what it tells, then all together.

    [dim]Example: confide audit accounting 0f3c51d2a7b84e6690c1d2e3f4a5b6c7[/]
    """
    import json
    from dataclasses import asdict
    from datetime import UTC, datetime

    from dashboard.console import say, table
    from policies.access import Action
    from policies.audit import read_entries
    from policies.exports.accounting import accounting as account_for
    from policies.exports.accounting import concluded
    from policies.exports.handing_out import log_export
    from policies.exports.query import Filter
    from privacy.training.accounting import epsilon

    holder = one_permitted(Workspace.existing(workspace), site, Action.EXPORT_AUDIT)
    entries = read_entries(holder.home.audit, holder.keys.public)
    told = account_for(entries, patient, datetime.now(UTC).date(), epsilon)
    log_export([holder], Filter(patient=patient), form="accounting", entries=len(told.rows))
    if as_json:
        typer.echo(json.dumps(asdict(told)))
        return
    if told.rows:
        columns = ("first", "last", "recipient", "what", "purpose", "times", "epsilon")
        table("disclosures in six years", columns, [[getattr(row, name) for name in columns] for row in told.rows])
    for line in concluded(told, holder.home.name):
        say(line)
