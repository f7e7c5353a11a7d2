"""confide consent: read what patients decided, list it, and take a patient's consent back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError
from policies.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Read, list and withdraw patients' consent.")


@app.command("import")
def read(
    source: Annotated[Path, typer.Argument(help="FHIR with Consent and Patient resources: a file or a folder.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read FHIR Consent resources (R4, R5) into the site's book; 'confide deid' does the same with what it reads.

    [dim]Example: confide consent import export/ --site north[/]
    """
    from clinical.deid.consents import import_consents
    from dashboard.console import say

    found = import_consents(chosen_site(Workspace.existing(workspace), site), source)
    say(f"{found.resources} Consent resources of {found.patients} patients read; {found.new} decisions are new")


@app.command("list")
def list_all(as_json: JsonOption = False, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Which patients, by pseudonym, refused or allowed which purposes.

    [dim]Example: confide consent list --site north[/]
    """
    import json

    from dashboard.console import say, table
    from policies.access import Action, Purpose
    from privacy.consent import consents_by_log

    opened = chosen_site(Workspace.existing(workspace), site)
    opened.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    book = consents_by_log(opened)
    rows = [(patient, ", ".join(sorted(one.denied)), ", ".join(sorted(one.given))) for patient, one in book.items()]
    if as_json:
        typer.echo(json.dumps([dict(zip(("patient", "denied", "given"), row, strict=True)) for row in rows]))
    elif not rows:
        say("no patient decided anything; 'confide consent import' reads FHIR Consent resources")
    else:
        table(f"consent at {opened.name}", ("patient", "refused", "allowed"), rows)


@app.command()
def withdraw(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    purpose: Annotated[list[str] | None, typer.Option(help="TREAT, HOPERAT or HRESCH; may be given again.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Take a patient's consent back: out of cohorts, keys of hidden states destroyed, trainings in flight stopped.

    Prints which studies and models used the patient, with their epsilon. For research alone, unless told otherwise;
    'confide erase' destroys the originals as well.

    [dim]Example: confide consent withdraw 0f3c51d2a7b84e6690c1d2e3f4a5b6c7[/]
    """
    from dashboard.console import say, table
    from federated.withdrawal import withdraw as take_back

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    purposes = _purposes(purpose or ["HRESCH"])
    if not yes:
        typer.confirm(f"Take back what patient {patient} allowed ({', '.join(sorted(purposes))})?", abort=True)
    done = take_back(place, opened, patient, purposes)
    say(f"patient {patient} now refuses {', '.join(sorted(purposes))}; keys destroyed in {len(done.destroyed)} caches")
    rows = [(use.plan[:16], use.epsilon, ", ".join(use.models) or "none", _state(use.stopped)) for use in done.uses]
    if rows:
        table("studies that used this patient", ("plan", "epsilon", "models", "training"), rows)
        say("a model cannot unlearn: epsilon bounds what it can tell of this patient")
    say("folders that 'confide deid' wrote before still hold the notes: de-identify the source anew, or erase")


def _purposes(names: list[str]) -> frozenset:  # type: ignore[type-arg]
    from policies.access import Purpose

    known = (Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.RESEARCH)
    for name in names:
        if name not in known:
            raise InputError(f"no purpose '{name}'", f"Use one or more of: {', '.join(known)}.")
    return frozenset(map(Purpose, names))


def _state(stopped: bool) -> str:
    return "stopped" if stopped else "had ended"
