"""confide deid: from a hospital's export to de-identified records."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.deid import DeidReport

_MOST_LEFT_OUT = 20  # lines of the table; each is in the file


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
    from clinical.deid.refusals import check_request
    from dashboard.console import progress
    from policies.guard import open_site
    from policies.policy import load_policy
    from policies.workspace import Workspace

    if engine not in list(Engine):
        raise InputError(f"'{engine}' is no engine", f"Choose one of {', '.join(Engine)}.")
    place = Workspace.existing(workspace)
    rules = load_policy(place.policy).deidentification
    name = site or re.sub(r"[^a-z0-9_.-]+", "-", source.resolve().name.lower()).strip("-_.")
    if not place.site(name).root.is_dir():  # no site is made for a job that is refused
        check_request(rules, source, out, None, columns=columns, overwrite=overwrite)
    opened = open_site(place, name)
    options = Options(workers, Engine(engine), overwrite, columns=columns, patient=patient)
    bar = progress("records")
    with ExitStack() as shown:

        def advance(done: int) -> None:
            if not bar.tasks:  # nothing stands in the way any more
                shown.enter_context(bar)
                bar.add_task(f"de-identifying {name}", total=count_lines(source))
            bar.advance(bar.task_ids[0], done)

        report = deidentify_source(opened, source, out, options, advance)
        bar.update(bar.task_ids[0], total=bar.tasks[0].completed)
    show(name, out, report)


def count_lines(source: Path) -> int:
    """Lines of a source, as a guess at its records for a progress bar."""
    files = [source] if source.is_file() else sorted(path for path in source.iterdir() if path.is_file())
    return sum(_lines(path) for path in files)


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def left_out(problem_file: Path) -> list[tuple[str, str, int]]:
    """How many records of each file were left out and why, the most first; what is rare is summed up at the end."""
    with problem_file.open("rb") as stream:
        problems = map(json.loads, stream)
        counts = Counter((problem["file"], problem["kind"]) for problem in problems).most_common()
    rows = [(file, kind, times) for (file, kind), times in counts]
    rest = rows[_MOST_LEFT_OUT:]
    more = [(f"{len(rest)} lines more", "", sum(times for *_, times in rest))] if rest else []
    return [*rows[:_MOST_LEFT_OUT], *more]


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
        table("left out", ("file", "why", "records"), left_out(report.problem_file))
        say(f"line of each, and what to do: {report.problem_file}")
    if report.guards:
        table("what the guards saw", ("kind", "times"), sorted(report.guards.items()))
    say(f"clinical words that vanished with identifiers: {report.loss_file}")
