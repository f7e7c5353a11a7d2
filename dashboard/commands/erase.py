"""confide erase: one patient goes, and a signed proof stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import SiteOption, WorkspaceOption, chosen_purpose, chosen_site
from policies.workspace import Workspace

if TYPE_CHECKING:
    from privacy.vault.erasure import Erasure

app = typer.Typer(no_args_is_help=True, help="Erase a patient, and check the proof of it.")


@app.command("patient")
def erase(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The pseudonym, as it stands in the records.")],
    purpose: Annotated[
        str, typer.Option(help="Purpose of use by its HL7 code: PATRQT (the patient asks) or HLEGAL (the law does).")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Destroy a patient's keys, originals and hidden states for good, and write a signed proof.

    [dim]Example: confide erase patient 0f3c51d2a7b84e6690c1d2e3f4a5b6c7 --purpose PATRQT[/]
    """
    from policies.access import Action
    from privacy.vault.erasure import erase_patient

    place = Workspace.existing(workspace)
    wanted = chosen_purpose(place, purpose, Action.ERASE)
    opened = chosen_site(place, site)
    if not yes:
        typer.confirm(f"Destroy all that {opened.name} can read of patient {patient}? It cannot be undone.", abort=True)
    _show(erase_patient(opened, patient, wanted))


@app.command()
def verify(
    proof: Annotated[Path, typer.Argument(help="The proof's file.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Check a proof against its signature, the log, and what the site holds now; exits with 7 where one fails.

    [dim]Example: confide erase verify confide-workspace/sites/north/erasures/PROOF.json[/]
    """
    from dashboard.console import say
    from privacy.vault.erasure import erased_site, verify_erasure

    place = Workspace.existing(workspace)
    done = verify_erasure(chosen_site(place, site or erased_site(proof)), proof)
    say("the proof holds: it is signed by the site, the log tells the same, and no key of this patient is left")
    _show(done)


def _show(done: Erasure) -> None:
    from dashboard.console import say, table

    rows = [(name, held.originals, held.key_sha256[:16]) for name, held in done.vaults.items()]
    table(f"destroyed of patient {done.patient}", ("where", "records", "wrapped key (sha256)"), rows)
    say(f"random codes: {done.codes}; requests for re-identification: {done.requests}; by {done.actor} at {done.time}")
    for matter in done.not_covered:
        say(f"not covered: {matter}")
    say(f"proof: {done.file}")
