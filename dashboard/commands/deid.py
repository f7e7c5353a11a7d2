"""confide deid: from a hospital's export to de-identified records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.deid_job import DeidReport


def deid(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder with a FHIR R4 bulk export (NDJSON).")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; it must be new.")],
    site: Annotated[str | None, typer.Option(help="The hospital's name. \\[default: the name of IN]")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    overwrite: Annotated[bool, typer.Option(help="Replace an OUT that Confide wrote.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """De-identify a FHIR export. Originals go into the encrypted vault; what cannot be read is left out and said.

    [dim]Example: confide deid export/north deid/north --site north[/]
    """
    from clinical.deid_job import deidentify_export
    from dashboard.console import progress
    from policies.guard import open_site
    from policies.workspace import Workspace

    if not source.exists():  # before a site is made for a mistyped name
        raise InputError("no such file or folder", "Name the folder of a FHIR export.", file=source)
    name = site or re.sub(r"[^a-z0-9_.-]+", "-", source.resolve().name.lower()).strip("-_.")
    opened = open_site(Workspace.find(workspace), name)
    with progress() as bar:
        task = bar.add_task(f"de-identifying {name}", total=count_lines(source))
        report = deidentify_export(
            opened, source, out, workers=workers, overwrite=overwrite, advance=lambda done: bar.advance(task, done)
        )
        bar.update(task, total=None) if not report.notes else bar.update(task, completed=bar.tasks[task].total)
    show(name, out, report)


def count_lines(source: Path) -> int:
    """Lines of an export, for a progress bar."""
    files = [source] if source.is_file() else sorted(source.glob("*.ndjson"))
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
    rows = sorted(report.findings.items(), key=lambda item: -item[1])
    table("replaced in text", ("identifier", "times"), rows)
    dropped = sum(report.dropped.values())
    if dropped:
        say(f"{dropped} elements of resources that no rule lets through were dropped")
    if report.problems:
        table("left out", ("why", "lines"), sorted(report.problems.items()))
        say(f"file and line of each: {report.problem_file}")
