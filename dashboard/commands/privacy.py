"""confide privacy: what a plan promises, whether an attacker can break the promise, and the certificate of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, KeyOption, SiteOption, WorkspaceOption, chosen_key, chosen_model, chosen_site
from policies.errors import InputError

if TYPE_CHECKING:
    from federated.cost import Outlook
    from federated.drills import Sizes
    from federated.plan import Plan
    from policies.policy import Policy
    from privacy.audit.report import AuditReport
    from privacy.training.dp_certificate import DpCertificate

app = typer.Typer(no_args_is_help=True, help="The promise of a plan, attacks on it, and the certificate of a model.")


@app.command()
def plan(
    patients: Annotated[int, typer.Option(min=10, help="Training patients of one hospital.")],
    epsilon: Annotated[float, typer.Option(min=0.01, help="What the whole plan may cost each of them.")],
    rounds: Annotated[int | None, typer.Option(min=1, help="\\[default: 30]", show_default=False)] = None,
    layers: Annotated[int | None, typer.Option(min=0, help="How many of the last layers learn. \\[default: 0]")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """What a study would take and cost, before anything is spent: noise, steps, epsilon, time and memory.

    Time and memory are measured here and now on a few made-up patients. No patient's data is read. Where the workspace
    has a policy, what its caps would refuse is said.

    [dim]Example: confide privacy plan --patients 120 --epsilon 3[/]
    """
    import json

    from dashboard.console import say, table
    from federated.cost import outlook
    from federated.drills import made_up_plan
    from federated.settings import StudySettings
    from policies.policy import load_policy
    from policies.workspace import Workspace

    chosen = made_up_plan(
        patients,
        epsilon,
        StudySettings.rounds if rounds is None else rounds,
        StudySettings.trained_layers if layers is None else layers,
    )
    place = Workspace.find(workspace)
    policy = load_policy(place.policy) if place.policy.exists() else None
    found = outlook(chosen)
    refused = _refused(found, policy) if policy else []
    if as_json:
        typer.echo(json.dumps({**found.as_details(), "policy_refuses": refused}))
        return
    table(f"a plan for {patients} patients at epsilon {epsilon:g}", ("what", "how much"), found.rows())
    for sentence in found.words():
        say(sentence)
    for why in refused:
        say(f"warning: {place.policy} refuses this: {why}")


def _refused(found: Outlook, policy: Policy) -> list[str]:
    """What the caps of a policy refuse of a plan; what was spent before comes on top of its epsilon."""
    from decimal import Decimal

    from federated.plan import check_caps
    from policies.errors import TrainingError

    refused, caps = [], policy.training
    if found.patients < caps.smallest_cohort:
        refused.append(f"{found.patients} training patients; it asks for {caps.smallest_cohort}")
    if Decimal(found.epsilon_prv) > Decimal(repr(caps.epsilon)):
        refused.append(f"epsilon {found.epsilon_prv}; it allows {caps.epsilon:g} in all")
    try:
        check_caps(found.plan, caps, policy.federation)
    except TrainingError as error:
        refused.append(error.message)
    return refused


@app.command()
def certificate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As 'confide models list' names it.")],
    site: SiteOption = None,
    audit: Annotated[
        Path | None, typer.Option("--audit", help="A report of 'confide privacy audit --out' about its plan.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the signed certificate here.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """What a model cost each patient of one hospital, counted in its ledger and log, and signed by it.

    It is refused where something does not hold that the figure rests on: how patients were drawn, where the noise came
    from, a guard, a missing round, a log that says otherwise.

    [dim]Example: confide privacy certificate 5f0c2a9be417d3a8 --site north --out north.json[/]
    """
    from dashboard.console import say
    from federated.certificate import certify
    from policies.files import write_whole
    from policies.workspace import Workspace

    place = Workspace.existing(workspace)
    signed = chosen_model(place, model)
    opened = chosen_site(place, site)
    done, data = certify(opened, signed, audit)
    if out:
        write_whole(out, data + b"\n")
    _print(done)
    say(f"signed by '{opened.name}': {out}" if out else "not kept: give --out FILE to keep it")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As 'confide privacy certificate --out' wrote it.")],
    key: KeyOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check a certificate's signature and compute its epsilon again by both accountants; exits with 7 where one fails.

    With --key it needs no workspace: the hospital's key is the file public.pem beside its others.

    [dim]Example: confide privacy verify north.json --key north.pem[/]
    """
    from dashboard.console import say
    from privacy.training.dp_certificate import claimed_site, verify_certificate

    name = claimed_site(file)
    done = verify_certificate(file, chosen_key(name, key, workspace))
    if as_json:
        typer.echo(done.model_dump_json())
        return
    _print(done)
    say(f"verified: signed by the key of '{name}', and both accountants give this epsilon again")


@app.command()
def audit(
    plan: Annotated[
        str | None, typer.Option(metavar="FILE|DIGEST", help="A plan, or the hash of one that a site here approved.")
    ] = None,
    patients: Annotated[int | None, typer.Option(min=10, help="Without a plan: of each of three hospitals.")] = None,
    epsilon: Annotated[float | None, typer.Option(min=0.01, help="Without a plan: what it may cost each.")] = None,
    canaries: Annotated[
        int | None, typer.Option(min=20, help="How many in and out together. \\[default: 1000]")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer canaries, patients and updates.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report here as JSON.")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Attack a synthetic twin of a plan: canaries in one run, membership, gradient inversion.

    The twin has the plan's sizes, settings and code, and made-up patients: nobody's budget is spent. It takes some
    minutes. The same attacks on a model without privacy stand beside it.

    [dim]Example: confide privacy audit --patients 120 --epsilon 3[/]

    [dim]Example: confide privacy audit --plan plan.json --canaries 4000 --json[/]
    """
    import json
    from dataclasses import replace

    from federated.drills import QUICK, Sizes, made_up_plan
    from policies.files import canonical_json, write_whole

    if plan and not (patients or epsilon):
        chosen = _plan(plan, workspace)
    elif patients and epsilon and not plan:
        chosen = made_up_plan(patients, epsilon)
    else:
        raise InputError("what is audited is not said", "Give --plan, or --patients and --epsilon.")
    sizes = QUICK if quick else Sizes()
    report = _run(chosen, replace(sizes, canaries=canaries or sizes.canaries), show=not as_json)
    if out:
        write_whole(out, canonical_json(report.as_details()) + b"\n")
    if as_json:
        typer.echo(json.dumps(report.as_details(), sort_keys=True))
    else:
        _show(report)
    report.check()


def _plan(named: str, folder: Path | None) -> Plan:
    from federated.approval import approved
    from federated.plan import read_plan
    from policies.guard import open_site
    from policies.workspace import Workspace

    if Path(named).exists():
        return read_plan(Path(named))
    place = Workspace.existing(folder)
    for home in place.sites():
        if home.plan(named).exists():
            return approved(open_site(place, home.name), named).plan
    raise InputError(f"no plan '{named}'", "Give the path of a plan, or the whole hash of one that a site approved.")


def _run(plan: Plan, sizes: Sizes, *, show: bool) -> AuditReport:
    """With a bar for each stage, or silently where the output is for a machine."""
    from rich.progress import TaskID

    from dashboard.console import progress
    from federated.drills import audit_plan

    if not show:
        return audit_plan(plan, sizes, lambda *_: None)
    tasks: dict[str, TaskID] = {}
    with progress() as bar:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        return audit_plan(plan, sizes, tell)


def _show(report: AuditReport) -> None:
    from dashboard.console import say, table

    table("attacks on the synthetic twin", ("attack", "this plan", "without privacy"), report.rows())
    for sentence in report.words():
        say(sentence)


def _print(done: DpCertificate) -> None:
    from dashboard.console import say, table

    table(f"privacy certificate of {done.site}, {done.date}", ("what", "certified"), done.rows())
    say(done.words())
