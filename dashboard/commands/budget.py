"""confide budget: what patients were exposed to."""

from __future__ import annotations

import typer

from dashboard.options import JsonOption, SitesOption, WorkspaceOption, chosen_sites

app = typer.Typer(no_args_is_help=True, help="The privacy budget of each hospital's patients.")


@app.command()
def show(site: SitesOption = None, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """What was spent, on what, and what is left, per patient of each hospital.

    [dim]Example: confide budget show --site north[/]
    """
    import json
    from collections import Counter

    from dashboard.console import table
    from policies.access import Action, Purpose
    from policies.guard import open_site
    from policies.releases import epsilon_text
    from policies.workspace import Workspace
    from privacy.training.budget import open_ledger

    place, rows = Workspace.find(workspace), []
    for home in chosen_sites(place, site):
        opened = open_site(place, home.name)
        opened.guard.permit(Action.VIEW_BUDGET, Purpose.OPERATIONS)
        ledger = open_ledger(opened)
        spent = ledger.spent()
        plans = Counter(spending.plan[:12] for spending in ledger.spendings())
        bought = ", ".join(f"{plan}: {rounds} rounds" for plan, rounds in plans.items()) or "nothing yet"
        rows.append(
            {
                "site": home.name,
                "spent": epsilon_text(spent),
                "cap": f"{ledger.cap:g}",
                "left": f"{max(ledger.cap - spent, 0.0):.3f}",
                "delta": repr(ledger.delta),
                "on": bought,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        table("epsilon per patient", list(rows[0]), [tuple(row.values()) for row in rows])
