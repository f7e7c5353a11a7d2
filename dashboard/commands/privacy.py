"""confide privacy: what a plan promises, and whether an attacker can show that the promise is broken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption, WorkspaceOption
from policies.errors import InputError

if TYPE_CHECKING:
    from federated.drills import Sizes
    from federated.plan import Plan
    from privacy.audit.report import AuditReport

app = typer.Typer(no_args_is_help=True, help="The promise of a plan, and attacks on it.")


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
    from federated.plan import read_plan
    from federated.site_round import approved
    from policies.guard import open_site
    from policies.workspace import Workspace

    if Path(named).exists():
        return read_plan(Path(named))
    place = Workspace.find(folder)
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
