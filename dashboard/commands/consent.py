"""confide consent: read what patients decided, list it, and take a patient's consent back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site
from policies.errors import InputError
from policies.workspace import Workspace

if TYPE_CHECKING:
    from federated.withdrawal import Honoured
    from policies.access import Purpose
    from privacy.consent import Consent

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
    from federated.withdrawal import honour_refusals

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    found = import_consents(opened, source)
    say(f"{found.resources} Consent resources of {found.patients} patients read; {found.new} decisions are new")
    _show(honour_refusals(place, opened))
    if found.unknown:
        raise InputError(
            f"{found.unknown} of them are of patients whom this source does not describe, and count for nobody",
            "Name a folder with their Patient resources as well, or use 'confide consent withdraw'.",
            file=source,
        )


@app.command("list")
def list_all(as_json: JsonOption = False, site: SiteOption = None, workspace: WorkspaceOption = None) -> None:
    """Which patients, by pseudonym, refused or allowed which purposes.

    [dim]Example: confide consent list --site north[/]
    """
    import json

    from dashboard.console import say, table
    from policies.access import Action, Purpose
    from privacy.consent_book import consents

    opened = chosen_site(Workspace.existing(workspace), site)
    opened.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    book = consents(opened)
    rows = [(patient, _said(words, False), _said(words, True)) for patient, words in sorted(book.items())]
    if as_json:
        typer.echo(json.dumps([dict(zip(("patient", "denied", "given"), row, strict=True)) for row in rows]))
    elif not rows:
        say("no patient decided anything; 'confide consent import' reads FHIR Consent resources")
    else:
        table(f"consent at {opened.name}", ("patient", "refused", "allowed"), rows)


@app.command()
def withdraw(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    purpose: Annotated[list[str] | None, typer.Option(help="TREAT or HRESCH; may be given again.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Take a patient's consent back: out of cohorts, keys of hidden states destroyed, trainings in flight stopped.

    Prints which studies and models used the patient, with their epsilon. For research alone, unless told otherwise;
    'confide erase' destroys the originals as well.

    [dim]Example: confide consent withdraw 0f3c51d2a7b84e6690c1d2e3f4a5b6c7[/]
    """
    from dashboard.console import say
    from federated.withdrawal import withdraw as take_back

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    purposes = _purposes(purpose or ["HRESCH"])
    if not yes:
        typer.confirm(f"Take back what patient {patient} allowed ({', '.join(sorted(purposes))})?", abort=True)
    done = take_back(place, opened, patient, purposes)
    say(f"patient {patient} now refuses {', '.join(sorted(purposes))}")
    _show(done)
    say("folders that 'confide deid' wrote before still hold the notes: de-identify the source anew, or erase")


def _show(done: Honoured) -> None:
    from dashboard.console import say, table

    rows = [(use.plan[:16], use.epsilon, ", ".join(use.models) or "none", _state(use.stopped)) for use in done.uses]
    if rows:
        table("studies that used such a patient", ("plan", "epsilon", "models", "training"), rows)
        say("keys of hidden states were destroyed; a model cannot unlearn: epsilon bounds what it can tell")


def _said(words: Consent, allowed: bool) -> str:
    return ", ".join(sorted(purpose for purpose, word in words.items() if word.allowed is allowed))


def _purposes(names: list[str]) -> frozenset[Purpose]:
    from policies.access import Purpose
    from privacy.consent import ASKED

    for name in names:
        if name not in ASKED:
            raise InputError(f"nothing is asked for '{name}'", f"Use one or more of: {', '.join(ASKED)}.")
    return frozenset(map(Purpose, names))


def _state(stopped: bool) -> str:
    return "stopped" if stopped else "had ended"
