"""confide deid: from a hospital's export to de-identified records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.deid import DeidReport


def deid(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file or folder: FHIR, HL7 v2, CSV or text.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; it must be new.")],
    site: Annotated[str | None, typer.Option(help="The hospital's name. \\[default: the name of IN]")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    engine: Annotated[
        str, typer.Option(help="processes, or ray: the cluster of $RAY_ADDRESS, or this machine.")
    ] = "processes",
    columns: Annotated[
        Path | None, typer.Option(help="TOML with rules for the columns of CSV tables.", show_default=False)
    ] = None,
    patient: Annotated[
        str | None, typer.Option(help="Record number of the patient whose all plain texts are.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an OUT that Confide wrote.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """De-identify what a hospital has. Originals go into the encrypted vault; what cannot be read is left out and said.

    What IN holds is told by its content, not by file names. A run that was stopped goes on where it stopped when the
    same command is given again.

    [dim]Example: confide deid export/north deid/north --site north[/]

    [dim]Example: confide deid letters/ deid/letters --site north --patient 4711[/]
    """
    from clinical.deid import Options, deidentify_source
    from clinical.deid.pool import Engine
    from dashboard.console import progress
    from policies.guard import open_site
    from policies.workspace import Workspace

    if not source.exists():  # before a site is made for a mistyped name
        raise InputError("no such file or folder", "Name a file or folder of records.", file=source)
    if engine not in list(Engine):
        raise InputError(f"'{engine}' is no engine", f"Choose one of {', '.join(Engine)}.")
    name = site or re.sub(r"[^a-z0-9_.-]+", "-", source.resolve().name.lower()).strip("-_.")
    opened = open_site(Workspace.find(workspace), name)
    options = Options(workers, Engine(engine), overwrite, columns=columns, patient=patient)
    with progress("records") as bar:
        task = bar.add_task(f"de-identifying {name}", total=count_lines(source))
        report = deidentify_source(opened, source, out, options, lambda done: bar.advance(task, done))
        bar.update(task, total=bar.tasks[task].completed)
    show(name, out, report)


def count_lines(source: Path) -> int:
    """Lines of a source, as a guess at its records for a progress bar."""
    files = [source] if source.is_file() else sorted(path for path in source.iterdir() if path.is_file())
    return sum(_lines(path) for path in files)


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def show(site: str, out: Path, report: DeidReport) -> None:
    """What was done, and what was left out."""
    from dashboard.console import say, table

    say(
        f"{site}: {report.notes} notes of {report.patients} patients in {report.seconds:.1f} s "
        f"({report.notes / max(report.seconds, 1e-9):.1f} notes/s); manifest {report.manifest[:16]}; written to {out}"
    )
    if report.resumed:
        say(f"{report.resumed} of the records were done by an earlier run that was stopped")
    rows = sorted(report.findings.items(), key=lambda item: -item[1])
    if rows:
        table("replaced in text", ("identifier", "times"), rows)
    if dropped := sum(report.dropped.values()):
        say(f"{dropped} elements of records that no rule lets through were dropped")
    if report.problems:
        table("left out", ("why", "records"), sorted(report.problems.items()))
        say(f"file and line of each: {report.problem_file}")
    if report.guards:
        table("what the guards saw", ("kind", "times"), sorted(report.guards.items()))
    say(f"clinical words that vanished with identifiers: {report.loss_file}")
