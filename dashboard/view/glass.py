"""Breakings of the glass: who, for whom, why, what was opened under each, and the review that is owed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.view.access import OPENINGS
from dashboard.view.audit import Log
from policies.auditindex import Hit, Search
from policies.grants import Grant
from policies.guard import Site
from policies.wording import to_the_minute
from privacy.vault.break_glass import visible


@dataclass(frozen=True)
class GlassView:
    """One breaking of the glass.

    Attributes:
        own: whether whoever looks broke it, and so may not review it.
    """

    grant: Grant
    own: bool

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.grant.reviewed:
            return f"reviewed by {self.grant.reviewer}"
        return "open now, not reviewed" if self.grant.active else "over, not reviewed"

    @property
    def title(self) -> str:
        """One line."""
        return f"{self.grant.id}: {self.grant.actor}, {to_the_minute(self.grant.started)} UTC, {self.state}"

    @property
    def row(self) -> Mapping[str, Any]:
        """For a table."""
        one = self.grant
        until = one.ended or (min(one.reviewed, one.expires) if one.reviewed else one.expires)
        return {
            "Grant": one.id, "Account": one.actor, "Patient": one.patient, "From (UTC)": to_the_minute(one.started),
            "Until (UTC)": to_the_minute(until), "State": self.state,
        }  # fmt: skip


def glass(site: Site) -> list[GlassView]:
    """Every grant that this account may see, those that await a review first, then the newest; what was typed of why
    is left sealed.

    Raises:
        IntegrityError: a grant was edited, or the log does not verify.
    """
    found = [GlassView(grant, grant.actor == site.guard.actor) for grant in visible(site)]
    found.reverse()
    return sorted(found, key=lambda one: bool(one.grant.reviewed))


def opened_under(log: Log, grant: Grant) -> list[Hit]:
    """What this account opened of this patient while the grant held, the newest first."""
    begin, end = datetime.fromisoformat(grant.started), datetime.fromisoformat(grant.ended or grant.expires)
    days = {"since": f"{begin:%Y-%m-%d}", "until": f"{end:%Y-%m-%d}"}
    hits = log.index.search(Search(patient=grant.patient, actor=grant.actor, **days))
    return [hit for hit in hits if hit.event in OPENINGS and begin <= datetime.fromisoformat(hit.time) <= end]
