"""confide audit accounting and disclosed: what was disclosed of a patient, also what a person has to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.logs import OneLogOption, log_export, one_permitted
from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError
from policies.workspace import SERVER, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.exports.accounting import Accounting


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
    from datetime import UTC, datetime

    from dashboard.console import say
    from policies.access import Action, Purpose
    from policies.events import Event
    from policies.typed import checked_words, day_of
    from privacy.vault.originals import Vault

    if purpose not in list(Purpose):
        raise InputError(f"'{purpose}' is no purpose", f"Use one of: {', '.join(Purpose)}.")
    opened, today = chosen_site(Workspace.existing(workspace), site), datetime.now(UTC).date()
    day = day_of(on) if on else today
    if day > today:
        raise InputError(f"{day} has not come yet", "Record a disclosure once it was made.")
    opened.guard.permit(Action.RECORD_DISCLOSURE, Purpose.OPERATIONS)
    if patient not in Vault(opened.home.vault, opened.keys.wrapping).patients():
        raise InputError("the vault holds no such patient", "Use a pseudonym from the records; one erased is gone.")
    facts = {"recipient": checked_words(to, "recipient"), "what": checked_words(what, "description")}
    opened.guard.record(Event.DISCLOSURE_MADE, patient=patient, purpose=purpose, day=day.isoformat(), **facts)
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
    from policies.exports.query import Filter
    from privacy.training.accounting import epsilon

    holder = one_permitted(Workspace.existing(workspace), site, Action.EXPORT_AUDIT)
    entries = read_entries(holder.home.audit, holder.keys.public)
    joined = f"the server '{SERVER}' of the federation"
    told = account_for(entries, patient, datetime.now(UTC).date(), joined, epsilon)
    log_export([holder], Filter(patient=patient), form="accounting", entries=len(told.rows))
    if as_json:
        typer.echo(json.dumps(asdict(told)))
        return
    if told.rows:
        columns = ("first", "last", "recipient", "what", "purpose", "times", "epsilon")
        table("disclosures in six years", columns, [[getattr(row, name) for name in columns] for row in told.rows])
    for line in _concluded(told, holder.home.name):
        say(line)


def _concluded(told: Accounting, log: str) -> Iterator[str]:
    if told.epsilon:
        yield f"all model updates and counts together: epsilon {told.epsilon}; what they tell overlaps, so it is no sum"
    if not told.known:
        yield f"no record of '{told.patient}' is in the log of {log}: compare the pseudonym with the records"
    elif not told.rows:
        yield "nothing that concerns this patient was disclosed in six years"
