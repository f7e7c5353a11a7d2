"""confide codes: which codes a phrase may have, and the code systems that the hospital brings for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_site

if TYPE_CHECKING:
    from clinical.coding.library import Library
    from policies.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True, help="Candidates of codes: ICD-10-CM, and RxNorm, LOINC and SNOMED CT of yours."
)


class CodeSystem(StrEnum):
    """What can be imported."""

    rxnorm = "rxnorm"
    loinc = "loinc"
    snomed = "snomed"
    disease_ontology = "disease-ontology"


class KindOption(StrEnum):
    """What a phrase names."""

    problem = "problem"
    finding = "finding"
    medication = "medication"
    test = "test"
    procedure = "procedure"
    device = "device"
    anatomy = "anatomy"


@app.command("import")
def import_file(
    system: Annotated[CodeSystem, typer.Argument(help="What the file is of.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="RXNCONSO.RRF, Loinc.csv, an RF2 description snapshot, or doid.obo."),
    ],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Read a code system that the hospital has a licence for; it takes the place of an older one.

    Bad lines are named and left out. The Disease Ontology adds names to ICD-10-CM.

    [dim]Example: confide codes import rxnorm rrf/RXNCONSO.RRF[/]
    """
    from dashboard.console import progress, say
    from policies.access import Action, Purpose
    from policies.events import Event
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    # As with a model: it decides which suggestions the hospital's clinicians see.
    guard = chosen_site(place, site).guard
    guard.permit(Action.CHOOSE_MODEL, Purpose.OPERATIONS)
    with progress("names") as shown:
        task = shown.add_task(file.name, total=None)
        done = _library(place).add(system.value, file, lambda names: shown.update(task, completed=names))
    guard.record(Event.CODES_IMPORTED, system=done.system, sha256=done.sha256, names=done.names, bad=done.bad)
    for problem in done.problems:
        say(str(problem))
    if done.bad > len(done.problems):
        say(f"and {done.bad - len(done.problems)} more lines like these")
    say(f"{done.system}: {done.names} names of {done.codes} codes from {done.file}, {done.bad} lines left out")


@app.command()
def find(
    phrase: Annotated[str, typer.Argument(help="As a note has it: 'left hip fracture'.")],
    kind: Annotated[KindOption, typer.Option(help="What it names.")] = KindOption.problem,
    most: Annotated[int, typer.Option(min=1, max=50, help="Candidates of each code system.")] = 5,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """The codes that are most like a phrase, the words that decide, and what a more specific code would need.

    The score says how far the words are the same, and is no probability. A person chooses the code.

    [dim]Example: confide codes find "left hip fracture"[/]
    """
    import json
    from dataclasses import asdict

    from clinical.coding import candidates
    from dashboard.console import say, table
    from policies.workspace import Workspace

    library = _library(Workspace.find(workspace))
    found = candidates(phrase, kind.value, most=most, library=library)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
    elif found:
        rows = [
            (one.system, one.code, one.display, f"{one.score:.2f}", ", ".join(one.because), "\n".join(one.missing))
            for one in found
        ]
        table(f"candidates for a {kind.value}", ("system", "code", "name", "alike", "because of", "left open"), rows)
    else:
        say("no code is alike enough; 'confide codes list' says which systems there are for a kind")


@app.command("list")
def list_all(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Which code systems there are, of which file, and for which kinds.

    [dim]Example: confide codes list[/]
    """
    import json
    from dataclasses import asdict

    from clinical.coding.ranking import SYSTEMS
    from dashboard.console import say, table
    from policies.workspace import Workspace

    imported = _library(Workspace.find(workspace)).imported()
    if as_json:
        typer.echo(json.dumps([{**asdict(one), "problems": None} for one in imported]))
        return
    rows = [
        (
            one.name,
            one.file,
            one.imported,
            one.names,
            one.codes,
            one.bad,
            ", ".join(kind for kind, systems in SYSTEMS.items() if one.system in systems),
        )
        for one in imported
    ]
    table("imported", ("what", "file", "when (UTC)", "names", "codes", "lines left out", "for"), rows)
    say("ICD-10-CM is always there, for problems and findings")


def _library(workspace: Workspace) -> Library:
    from clinical.coding.library import Library

    return Library(workspace.codes)
