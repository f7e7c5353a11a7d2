"""confide train: a study over de-identified folders, all sites of this workspace on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption
from federated.settings import StudySettings
from policies.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federated.plan import Plan
    from federated.study import Cohort
    from policies.guard import Server
    from policies.models import SignedModel
    from policies.workspace import Workspace


def train(
    data: Annotated[list[Path], typer.Argument(metavar="DEID...", help="Folders that 'confide deid' wrote.")],
    labels: Annotated[Path, typer.Option(help="TOML file with the label set, and codes mapped to it.")],
    epsilon: Annotated[
        float, typer.Option(min=0.0, help="What the whole plan may cost each patient; it is spent for good.")
    ],
    label_source: Annotated[
        str, typer.Option(help="'condition' (the encounter's coded condition) or 'category' (of the document).")
    ] = "condition",
    study: Annotated[str, typer.Option(help="A name for the study.")] = "study",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, one private step in each.")] = StudySettings.rounds,
    layers: Annotated[
        int, typer.Option(min=0, help="Last layers of the encoder that are trained, by LoRA; 0: the head alone.")
    ] = StudySettings.trained_layers,
    windows: Annotated[
        int, typer.Option(min=1, help=f"Windows of {StudySettings.window} tokens that are read of a note, at most.")
    ] = StudySettings.windows_per_note,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Each label by itself, where a note may well have several.")
    ] = False,
    encoder: Annotated[
        str | None, typer.Option(help="Folder or hub name of a BERT or RoBERTa. \\[default: built in]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan for every site without asking.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train one model over several hospitals with differential privacy, and sign it.

    [dim]Example: confide train deid/north deid/river --labels labels.toml --epsilon 4[/]
    """
    from clinical.labels import LabelSource, read_label_rule
    from dashboard.console import say
    from federated.study import approve_everywhere, budget_after, draft_plan, plan_epsilon
    from policies.access import Action, Purpose
    from policies.guard import open_server
    from policies.releases import epsilon_text
    from policies.workspace import Workspace

    if label_source not in list(LabelSource):
        raise InputError(f"'{label_source}' is no label source", f"Use one of: {', '.join(LabelSource)}.")
    place = Workspace.existing(workspace)
    rule = read_label_rule(labels, LabelSource(label_source))
    cohorts = [open_cohort(place, folder) for folder in data]
    for cohort in cohorts:
        cohort.site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    if len({cohort.site.name for cohort in cohorts}) < len(cohorts):
        raise InputError("two of the folders are of one site", "Name one folder for each site.")
    settings = StudySettings(
        study,
        epsilon,
        rounds=rounds,
        trained_layers=layers,
        windows_per_note=windows,
        multi_label=multi_label,
        encoder=encoder or StudySettings.encoder,
    )
    plan = draft_plan(cohorts, rule, settings)
    for cohort in cohorts:
        say(plan.in_words(cohort.site.name))
    before, after = budget_after([cohort.site for cohort in cohorts], plan)
    say(f"It brings the epsilon of each patient from {epsilon_text(before)} to {epsilon_text(after)}, for good.")
    say("The numbers of patients are counts with noise. They are spent already, and are part of these figures.")
    if not yes:
        typer.confirm(f"Approve this plan for {', '.join(share.name for share in plan.sites)}?", abort=True)
    approve_everywhere(cohorts, plan)
    server = open_server(place)
    model = train_with_progress(place, server, cohorts, plan)
    for log, missing in unwitnessed(server, plan).items():
        say(f"warning: the log of {log} was not signed by {', '.join(missing)}; see witness.refused in their logs")
    say(f"model {model.name} signed by '{model.signer}'; epsilon {plan_epsilon(plan)} at each site, delta {plan.delta}")


def open_cohort(workspace: Workspace, folder: Path) -> Cohort:
    """The site that de-identified a folder, with its signature on the folder verified.

    Raises:
        InputError: the folder is not de-identified data, or not of a site of this workspace.
        IntegrityError: a file is not what the site signed.
    """
    from clinical.manifest import read_manifest, signed_site
    from federated.study import Cohort
    from policies.guard import open_site

    name = signed_site(folder)
    if name not in {site.name for site in workspace.sites()}:
        raise InputError(
            f"de-identified by '{name}', which is no site of this workspace", "Check --workspace.", file=folder
        )
    site = open_site(workspace, name)
    read_manifest(folder, site.keys.public)
    return Cohort(site, folder)


def unwitnessed(server: Server, plan: Plan) -> Mapping[str, Sequence[str]]:
    """Logs that witnesses did not sign at the end of a plan's training."""
    from policies.audit import entries
    from policies.events import Event

    found: Mapping[str, Sequence[str]] = {}
    for entry in entries(server.home.audit, server.keys.public):
        if entry.event is Event.WITNESS_REFUSED and entry.details.get("plan") == plan.digest:
            found = entry.details["missing"]
    return found


def train_with_progress(workspace: Workspace, server: Server, cohorts: Sequence[Cohort], plan: Plan) -> SignedModel:
    """Run a study with a bar for each site's preparation and one for the rounds."""
    from dashboard.console import progress
    from federated.study import Watch, run_study

    with progress() as bar:
        tasks = {cohort.site.name: bar.add_task(f"preparing {cohort.site.name}", total=None) for cohort in cohorts}
        rounds = bar.add_task("private rounds", total=plan.rounds)
        watch = Watch(
            counted=lambda site, windows: bar.update(tasks[site], total=windows),
            prepared=lambda site, windows: bar.advance(tasks[site], windows),
            round_done=lambda done: bar.update(rounds, completed=done.round),
        )
        return run_study(workspace, server, cohorts, plan, watch)
