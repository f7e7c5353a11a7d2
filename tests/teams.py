"""Care teams for tests that are about something else."""

from __future__ import annotations

from policies.care_team import EVERY, Member
from policies.guard import Site


def everybody_treats(site: Site) -> Site:
    """Put every account on the care team of every patient, without a word in the log."""
    site.guard.care_teams.change([Member(EVERY, EVERY)])
    return site
