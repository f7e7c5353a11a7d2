"""confide budget: what patients were exposed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from dashboard.options import JsonOption, SitesOption, WorkspaceOption, chosen_sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policies.guard import Site
    from policies.ledger import Booking

app = typer.Typer(no_args_is_help=True, help="The privacy budget of each hospital's patients.")


@app.command()
def show(site: SitesOption = None, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """What was spent, on what, and what is left, per patient of each hospital.

    [dim]Example: confide budget show --site north[/]
    """
    import json

    from dashboard.console import say, table
    from policies.access import Action, Purpose
    from policies.guard import open_site
    from policies.workspace import Workspace

    place, found = Workspace.existing(workspace), []
    for home in chosen_sites(place, site):
        opened = open_site(place, home.name)
        purpose = opened.guard.purpose_for(Action.VIEW_BUDGET, Purpose.OPERATIONS, Purpose.RESEARCH)
        opened.guard.permit(Action.VIEW_BUDGET, purpose)
        found.append(_budget(opened))
    if as_json:
        typer.echo(json.dumps(found))
        return
    columns = ("site", "spent", "cap", "left", "delta")
    table("epsilon per patient", columns, [[row[column] for column in columns] for row in found])
    studies = [{"site": row["site"], **study} for row in found for study in row["studies"]]
    if studies:
        table("what it went to", list(studies[0]), [tuple(study.values()) for study in studies])
    else:
        say("Nothing was released yet.")


def _budget(site: Site) -> dict[str, Any]:
    """What a site's ledger holds, by plan; epsilon is rounded up and what is left is rounded down."""
    from decimal import Decimal

    from policies.releases import epsilon_text
    from privacy.training.budget import open_ledger

    ledger = open_ledger(site)
    bookings, spent = ledger.bookings(), epsilon_text(ledger.spent())
    return {
        "site": site.name,
        "spent": spent,
        "cap": f"{ledger.cap:g}",
        "left": str(max(Decimal(repr(ledger.cap)) - Decimal(spent), Decimal("0.000"))),
        "delta": repr(ledger.delta),
        "studies": [
            _study(plan, [booking for booking in bookings if booking.plan == plan], ledger.delta)
            for plan in dict.fromkeys(booking.plan for booking in bookings)
        ],
    }


def _study(plan: str, bookings: Sequence[Booking], delta: float) -> dict[str, Any]:
    """What one plan took, as if it were the only one."""
    from collections import Counter

    from policies.ledger import COHORT
    from policies.releases import epsilon_text
    from policies.wording import to_the_second
    from privacy.training.accounting import epsilon

    states = Counter(booking.state.value for booking in bookings)
    return {
        "plan": "count of patients" if plan == COHORT else plan[:12],
        "spent": states["spent"],
        "reserved": states["reserved"],
        "refunded": states["refunded"],
        "epsilon alone": epsilon_text(epsilon([[booking.release for booking in bookings if booking.counts]], delta)),
        "since": to_the_second(bookings[0].time),
    }
