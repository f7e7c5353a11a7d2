"""confide models: what was signed, and which of them a hospital uses."""

from __future__ import annotations

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
