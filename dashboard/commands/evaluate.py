"""confide evaluate: what was measured, as a table or one JSON object."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.commands.evaluate_extraction import assertions, codes, relations, sections, show_scores
from dashboard.commands.evaluate_groups import drift, fairness
from dashboard.commands.evaluate_reading import reading
from dashboard.options import JsonOption, WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.evaluation.calibration import CalibrationScores
    from clinical.evaluation.diagnosis import DiagnosisScores
    from clinical.evaluation.entities import EntityScores
    from clinical.evaluation.phi import PhiScores

app = typer.Typer(no_args_is_help=True, help="Measure de-identification, entities and ranked conditions.")
app.command()(assertions)
app.command()(relations)
app.command()(codes)
app.command()(sections)
app.command()(reading)
app.command()(fairness)
app.command()(drift)


class Corpus(StrEnum):
    """Corpora whose labels the entity tagger knows."""

    bc5cdr = "bc5cdr"
    ncbi = "ncbi"
    maccrobat = "maccrobat"


@app.command()
def phi(
    notes: Annotated[Path, typer.Option(help="DocumentReference.ndjson")],
    gold: Annotated[Path, typer.Option(help="gold.jsonl with character spans")],
    patients: Annotated[Path | None, typer.Option(help="Patient.ndjson \\[default: beside the notes]")] = None,
    roster: Annotated[bool, typer.Option(help="Use what the Patient resources say.")] = True,
    tagger: Annotated[bool, typer.Option(help="Use the trained tagger; without it, tables and roster alone.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Recall and precision of de-identification against marked spans.

    [dim]Example: confide evaluate phi --notes DocumentReference.ndjson --gold gold.jsonl --json[/]
    """
    from clinical.evaluation.phi import evaluate_phi

    scores = evaluate_phi(notes, gold, patients, roster=roster, tagger=tagger)
    if as_json:
        typer.echo(scores.to_json())
    else:
        show_phi(scores)


def show_phi(scores: PhiScores) -> None:
    from dashboard.console import say, table

    rows = [("all", scores.overall), *sorted(scores.categories.items())]
    table(
        f"recall, {scores.documents} documents, {'with' if scores.roster else 'without'} the roster, "
        f"{'with' if scores.tagger else 'without'} the tagger",
        ("category", "spans", "by characters", "whole spans", "exact 95 % from", "to"),
        [
            (name, own.spans, f"{own.recall:.4f}", own.whole, f"{own.exact[0]:.4f}", f"{own.exact[1]:.4f}")
            for name, own in rows
        ],
    )
    say(
        f"precision {scores.precision:.3f}, F1 {scores.f1:.3f}, other words touched {scores.words_touched:.2%}, "
        f"notes with nothing left {scores.clean_notes:.1%}, {scores.documents_per_second:.1f} documents/s"
    )


@app.command()
def entities(
    path: Annotated[Path, typer.Argument(help="A two-column IOB file, or a folder in brat's format.")],
    corpus: Annotated[Corpus, typer.Option(help="Whose labels the file has.")],
    as_json: JsonOption = False,
) -> None:
    """Precision, recall and F1 of the entity tagger on a marked corpus, spans and labels exact.

    The tagger that ships was trained on what its model card names: measure it on other documents.

    [dim]Example: confide evaluate entities --corpus bc5cdr devel.tsv --json[/]
    """
    from clinical.evaluation.entities import evaluate_entities

    scores = evaluate_entities(corpus.value, path)
    if as_json:
        typer.echo(scores.to_json())
    else:
        show_entities(scores)


def show_entities(scores: EntityScores) -> None:
    from dashboard.console import say

    rows = [("all", scores.overall), *scores.labels.items()]
    show_scores(f"entities of {scores.corpus}, {scores.documents} documents", "label", rows)
    say(f"{scores.documents_per_second:.1f} documents/s")


@app.command()
def diagnosis(
    data: Annotated[list[Path], typer.Argument(metavar="DEID...", help="Folders that 'confide deid' wrote.")],
    model: Annotated[str | None, typer.Option(help="Name of a signed model. \\[default: the one in use]")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Scores of a model on the patients that its plan held back. They are not private: they stay at the hospital.

    [dim]Example: confide evaluate diagnosis deid/north deid/river --json[/]
    """
    import json
    from dataclasses import asdict

    from clinical.evaluation.diagnosis import evaluate_held_back
    from dashboard.commands.extract import ready_model
    from dashboard.commands.train import open_cohort
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    scores: dict[str, DiagnosisScores] = {}
    loaded = None
    for folder in data:
        cohort = open_cohort(place, folder)
        loaded = loaded or ready_model(place, cohort.site, model)
        if loaded is None:
            raise InputError("there is no signed model in this workspace", "Run 'confide train' first.")
        scores[cohort.site.name] = evaluate_held_back(cohort.site, loaded, folder)
    if as_json:
        typer.echo(json.dumps({site: asdict(own) for site, own in scores.items()}, sort_keys=True))
    else:
        show_diagnosis(scores)


def show_diagnosis(scores: dict[str, DiagnosisScores]) -> None:
    from dashboard.console import say, table

    rows = [
        (
            site,
            own.patients,
            own.notes,
            f"{own.precision_at_1:.3f}",
            f"{own.interval[0]:.3f}-{own.interval[1]:.3f}",
            f"{own.macro_f1:.3f}",
            f"{own.commonest_precision_at_1:.3f}",
            f"{own.documents_per_second:.1f}",
        )
        for site, own in scores.items()
    ]
    columns = ("site", "patients", "notes", "precision at 1", "95 %", "macro-F1", "commonest label", "notes/s")
    table("held-back patients", columns, rows)
    show_calibration({site: own.calibration for site, own in scores.items()})
    say("these scores are not private releases: they stay at the hospital")


def show_calibration(scores: dict[str, CalibrationScores | None]) -> None:
    from dashboard.console import say, table

    columns = ("site", "patients", "error", "95 %", "uncalibrated", "level", "coverage", "95 %", "labels in a set")
    rows = [
        (
            site,
            own.patients,
            f"{own.error:.3f}",
            f"{own.error_interval[0]:.3f}-{own.error_interval[1]:.3f}",
            f"{own.uncalibrated_error:.3f}",
            f"{own.level:g}",
            f"{own.coverage:.3f}",
            f"{own.coverage_interval[0]:.3f}-{own.coverage_interval[1]:.3f}",
            f"{own.mean_set:.2f}",
        )
        for site, own in scores.items()
        if own
    ]
    table("calibration: a note of each held-back patient, judged by what was fit on the others", columns, rows)
    for site in (site for site, own in scores.items() if own is None):
        say(f"{site}: too few held-back patients to judge a calibration")
