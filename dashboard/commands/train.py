"""confide train: a study over de-identified folders of this machine, or over the machines of a federation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import WorkspaceOption
from federated.settings import StudySettings
from policies.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clinical.labels import LabelRule
    from federated.plan import Plan
    from federated.progress import RoundDone
    from federated.study import Cohort
    from policies.guard import Server
    from policies.models import SignedModel
    from policies.workspace import Workspace


def train(
    labels: Annotated[Path, typer.Option(help="TOML file with the label set, and codes mapped to it.")],
    epsilon: Annotated[
        float, typer.Option(min=0.0, help="What the whole plan may cost each patient; it is spent for good.")
    ],
    data: Annotated[
        list[Path] | None, typer.Argument(metavar="[DEID]...", help="Folders that 'confide deid' wrote.")
    ] = None,
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
    aggregation: Annotated[
        str, typer.Option(help="How updates become one: mean, secure, trimmed_mean, median or multi_krum.")
    ] = StudySettings.aggregation,
    bad_sites: Annotated[int, typer.Option(min=0, help="Sites that a robust aggregation must bear.")] = 0,
    min_sites: Annotated[int, typer.Option(min=0, help="Sites that a round needs; 0: all of them.")] = 0,
    deadline: Annotated[
        int, typer.Option(min=1, help="Seconds that each exchange of a round waits for the sites.")
    ] = StudySettings.round_seconds,
    optimizer: Annotated[str, typer.Option(help="The server's step: momentum or adam.")] = StudySettings.server,
    validate: Annotated[
        Path | None,
        typer.Option(help="Folder of public or made-up notes; the training ends when their score no longer rises."),
    ] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="With --validate: rounds without a better score before it ends.")
    ] = 5,
    federation: Annotated[
        str | None, typer.Option(help="Train at the hospitals of this federation, each on its own machine.")
    ] = None,
    wait: Annotated[int, typer.Option(min=1, help="Seconds that a federation's approvals are waited for.")] = 86_400,
    watch: Annotated[bool, typer.Option("--watch/--quiet", help="With --federation: a line for each round.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan for every site without asking.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train one model over several hospitals with differential privacy, and sign it.

    [dim]Example: confide train deid/north deid/river --labels labels.toml --epsilon 4[/]

    [dim]Between machines: confide train --federation cardio --labels labels.toml --epsilon 4[/]
    """
    from clinical.labels import LabelSource, read_label_rule
    from federated.aggregation import optimizer_named
    from policies.workspace import Workspace

    if label_source not in list(LabelSource):
        raise InputError(f"'{label_source}' is no label source", f"Use one of: {', '.join(LabelSource)}.")
    place = Workspace.existing(workspace)
    rule = read_label_rule(labels, LabelSource(label_source))
    settings = StudySettings(
        study,
        epsilon,
        rounds=rounds,
        aggregation=aggregation,
        bad_sites=bad_sites,
        min_sites=min_sites,
        round_seconds=deadline,
        trained_layers=layers,
        windows_per_note=windows,
        multi_label=multi_label,
        encoder=encoder or StudySettings.encoder,
        server=optimizer,
        patience=patience if validate else 0,
        validation=validate,
    )
    optimizer_named(optimizer)
    if bool(data) == bool(federation):
        raise InputError("a training needs folders, or a federation", "Name folders, or --federation without any.")
    if federation:
        _train_together(place, federation, rule, settings, wait=wait, watch=watch)
    else:
        _train_here(place, data or [], rule, settings, yes=yes)


def _train_here(
    workspace: Workspace, data: Sequence[Path], rule: LabelRule, settings: StudySettings, *, yes: bool
) -> None:
    """All sites of this workspace, on this machine."""
    from dashboard.console import say
    from federated.study import approve_everywhere, budget_after, draft_plan
    from policies.access import Action, Purpose
    from policies.guard import open_server
    from policies.releases import epsilon_text

    cohorts = [open_cohort(workspace, folder) for folder in data]
    for cohort in cohorts:
        cohort.site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    if len({cohort.site.name for cohort in cohorts}) < len(cohorts):
        raise InputError("two of the folders are of one site", "Name one folder for each site.")
    plan = draft_plan(cohorts, rule, settings)
    for cohort in cohorts:
        say(plan.in_words(cohort.site.name))
    before, after = budget_after([cohort.site for cohort in cohorts], plan)
    say(f"It brings the epsilon of each patient from {epsilon_text(before)} to {epsilon_text(after)}, for good.")
    say("The numbers of patients are counts with noise. They are spent already, and are part of these figures.")
    if not yes:
        typer.confirm(f"Approve this plan for {', '.join(share.name for share in plan.sites)}?", abort=True)
    approve_everywhere(cohorts, plan)
    server = open_server(workspace)
    model = train_with_progress(workspace, server, cohorts, plan, settings.validation)
    for log, missing in unwitnessed(server, plan).items():
        say(f"warning: the log of {log} was not signed by {', '.join(missing)}; see witness.refused in their logs")
    _say_model(server, model)


def _train_together(
    workspace: Workspace, federation: str, rule: LabelRule, settings: StudySettings, *, wait: int, watch: bool
) -> None:
    """The sites of a federation, each on its own machine; this one is the server's."""
    from dashboard.console import say
    from dashboard.view.training import round_line
    from federated.machines import federation_named
    from federated.remote import RemoteWatch, Together
    from policies.guard import open_server

    server, said = open_server(workspace), set[str]()

    def waiting(what: str, sites: Sequence[str]) -> None:
        line = f"waiting for {', '.join(sites)} to {what}"
        if line not in said:
            said.add(line)
            say(line)

    def agreed(plan: Plan) -> None:
        say(f"plan {plan.digest[:16]} is approved by {', '.join(share.name for share in plan.sites)}")

    def done(one: RoundDone) -> None:
        if watch:
            say(round_line(one.round, one.rounds, one.sites, one.seconds))

    told = RemoteWatch(waiting, agreed, done)
    together = Together(workspace, server, federation_named(server, federation), told, wait)
    with server.guard.log.running("training"):
        model = together.train(rule, settings)
    _say_model(server, model)


def _say_model(server: Server, model: SignedModel) -> None:
    """What was signed, and whether it needed fewer rounds than the plan allows."""
    from dashboard.console import say
    from federated.plan import Plan
    from federated.progress import rounds_done
    from federated.study import plan_epsilon

    plan = Plan.model_validate(model.card["plan"])
    done = rounds_done(server, plan.digest)[-1]["round"]
    if done < plan.rounds:
        say(f"ended after round {done} of {plan.rounds}: the score on public notes rose no more; the rest is not spent")
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


def train_with_progress(
    workspace: Workspace, server: Server, cohorts: Sequence[Cohort], plan: Plan, validation: Path | None = None
) -> SignedModel:
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
        return run_study(workspace, server, cohorts, plan, watch, validation=validation)
