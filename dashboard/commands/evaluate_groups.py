"""confide evaluate fairness and drift: whom a model serves worse, and whether notes are still what it knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from clinical.diagnosis import ConditionModel
    from clinical.evaluation.drift import Drift
    from clinical.evaluation.fairness import FairnessScores
    from policies.guard import Site

ModelOption = Annotated[str | None, typer.Option(help="Name of a signed model. \\[default: the one in use]")]


def fairness(
    data: Annotated[Path, typer.Argument(metavar="DEID", help="A folder that 'confide deid' wrote at this hospital.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Scores of a model by sex, age band and type of note, each group beside all other held-back patients.

    [dim]Example: confide evaluate fairness deid/north --json[/]
    """
    from clinical.evaluation.fairness import evaluate_fairness

    site, loaded = _opened(workspace, data, model)
    scores = evaluate_fairness(site, loaded, data)
    if as_json:
        typer.echo(scores.to_json())
    else:
        show_fairness(scores)


def drift(
    after: Annotated[Path, typer.Argument(metavar="DEID", help="A folder of later notes, by 'confide deid'.")],
    before: Annotated[Path, typer.Option("--since", metavar="DEID", help="The folder it was validated on.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Whether later notes are still like those that a model was validated on: their words, and what it makes of them.

    Of the earlier folder only patients whom the training held back count, and in neither those who refused research.

    [dim]Example: confide evaluate drift deid/north-may --since deid/north[/]
    """
    from clinical.evaluation.drift import evaluate_drift

    site, loaded = _opened(workspace, after, model)
    if (other := _site_of(workspace, before)).name != site.name:
        raise InputError(f"de-identified by '{other.name}', and the later one by '{site.name}'", file=before)
    found = evaluate_drift(site, loaded, before, after)
    if as_json:
        typer.echo(found.to_json())
    else:
        show_drift(found)


def _opened(workspace: Path | None, folder: Path, model: str | None) -> tuple[Site, ConditionModel]:
    from dashboard.commands.extract import ready_model
    from policies.workspace import Workspace

    place, site = Workspace.existing(workspace), _site_of(workspace, folder)
    loaded = ready_model(place, site, model)
    if loaded is None:
        raise InputError("there is no signed model in this workspace", "Run 'confide train' first.")
    return site, loaded


def _site_of(workspace: Path | None, folder: Path) -> Site:
    """Whose a folder is, once its signature was verified."""
    from dashboard.commands.train import open_cohort
    from policies.workspace import Workspace

    return open_cohort(Workspace.existing(workspace), folder).site


def show_fairness(scores: FairnessScores) -> None:
    from dashboard.console import say, table

    rows = [
        (
            own.respect,
            own.group,
            own.patients,
            own.notes,
            f"{own.precision_at_1:.3f}",
            "{:.3f} to {:.3f}".format(*own.interval),
            f"{own.difference:+.3f}",
            f"{own.p:.3f}",
            "-" if own.coverage is None else f"{own.coverage:.3f}",
            "differs" if own.differs else "",
        )
        for own in scores.groups
    ]
    columns = ("", "group", "patients", "notes", "precision at 1", "95 %", "beside others", "p", "coverage", "")
    table(f"held-back patients by group (sets at {scores.level:g})", columns, rows)
    for name, patients in scores.too_small.items():
        say(f"{name}: {patients} patients, too few beside the others to compare")
    say(
        "p: how often chance alone sets any group so far apart; these scores are no releases: they stay at the hospital"
    )


def show_drift(found: Drift) -> None:
    from dashboard.console import say, table

    rows = [
        (own.name, f"{own.value:.3f}", f"{own.chance:.3f}", f"{own.p:.3f}", "drifted" if own.drifted else "")
        for own in found.measures
    ]
    (people, notes), (later, later_notes) = found.before, found.after
    title = f"{later_notes} notes of {later} patients beside {notes} of {people}"
    table(title, ("", "difference (0-1)", "chance stays below", "p", ""), rows)
    if any(own.drifted for own in found.measures):
        say("what drifted was not validated: look at such notes, calibrate on them, and train anew where scores fall")
