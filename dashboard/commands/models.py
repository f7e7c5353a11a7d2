"""confide models: what was signed, and which of them a hospital uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.options import JsonOption, SiteOption, WorkspaceOption, chosen_model, chosen_site

app = typer.Typer(no_args_is_help=True, help="Signed models and their cards.")


@app.command("list")
def list_all(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Every model whose signature verifies, the newest first.

    [dim]Example: confide models list[/]
    """
    import json

    from dashboard.console import say, table
    from policies.access import Action, Purpose
    from policies.guard import open_server
    from policies.models import list_models
    from policies.policy import load_policy
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    load_policy(place.policy)
    if place.server.keys.is_dir():  # without a server there is no model, and looking must not make one
        guard = open_server(place).guard
        guard.permit(Action.VIEW_MODELS, guard.purpose_for(Action.VIEW_MODELS, Purpose.OPERATIONS, Purpose.RESEARCH))
    models = list_models(place.models, place.trusted)
    if as_json:
        typer.echo(json.dumps([{"name": model.name, **model.card} for model in models]))
        return
    if not models:
        say("no signed model yet: run 'confide train'")
        return
    rows = [
        (
            model.name,
            model.card["study"],
            model.card["created"][:19],
            ", ".join(f"{site} {spent}" for site, spent in model.card["epsilon"].items()),
            len(model.card["plan"]["labels"]),
            model.signer,
        )
        for model in models
    ]
    table("signed models", ("model", "study", "created (UTC)", "epsilon", "labels", "signed by"), rows)


@app.command()
def use(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name, as 'confide models list' shows it.")],
    site: SiteOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Choose the model that a hospital's clinicians get, whatever is trained later; also to go back to an older one.

    Until somebody chooses, it is the newest.

    [dim]Example: confide models use 866947133e272a5b --site north[/]
    """
    from dashboard.console import say
    from policies.events import Event
    from policies.serving import choose
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    opened = chosen_site(place, site)
    done = choose(opened, place, chosen_model(place, model))
    back = "goes back to" if done is Event.MODEL_ROLLED_BACK else "uses"
    say(f"'{opened.name}' {back} model {model}")


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name, as 'confide models list' shows it.")],
    data: Annotated[Path, typer.Argument(metavar="DEID", help="A folder that 'confide deid' wrote at this hospital.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Fit a model's probabilities, sets and refusals to a hospital's held-back patients. The result stays there.

    [dim]Example: confide models calibrate 866947133e272a5b deid/north[/]
    """
    from clinical.diagnosis import ConditionModel
    from clinical.evaluation.calibration import calibrate as calibrate_at
    from dashboard.commands.train import open_cohort
    from dashboard.console import say
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    cohort = open_cohort(place, data)
    fitted = calibrate_at(cohort.site, ConditionModel(chosen_model(place, model)), data)
    error, low, high = fitted.error
    say(
        f"model {model} is calibrated at '{cohort.site.name}' on {fitted.patients} held-back patients: expected "
        f"calibration error {error:.3f} (95 %: {low:.3f} to {high:.3f}); sets at {fitted.level:.0%} hold between "
        f"{fitted.coverage[0]:.0%} and {fitted.coverage[1]:.0%} of the time"
    )
    say("none of this is a release: it stays at this hospital, sealed, and goes into no model card")
