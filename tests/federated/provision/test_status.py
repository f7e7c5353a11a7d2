"""'confide site status' shows what a person there has to know: a plan that waits, and why something was refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from federated.approval import approve, in_force, mark_prepared
from federated.plan import Plan
from federated.proposals import keep_proposal, write_proposal
from policies.errors import CohortTooSmall, StorageError
from policies.events import Event
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, release, set_policy
from tests.federated.provision.joining import Joined, all_joined


def status(joined: Joined) -> str:
    done = CliRunner().invoke(app, ["site", "status", "--workspace", str(joined.workspace("north").root)])
    assert isinstance(done.exception, StorageError)  # its node does not run
    return done.stdout


def test_a_plan_that_waits_and_what_was_refused_last(tmp_path: Path, plan: Plan) -> None:
    joined = all_joined(tmp_path)
    data = release(joined.workspace("north"), "north", cohort(PATIENTS, "n"))
    assert "plan" not in status(joined)
    keep_proposal(joined.site("north"), plan.digest, write_proposal(joined.server.keys, plan))
    waits = f"plan {plan.digest[:16]} waits for you: confide site approve {plan.digest[:8]}"
    assert waits in status(joined)
    set_policy(joined.workspace("north"), smallest_cohort=PATIENTS + 1)
    with pytest.raises(CohortTooSmall) as refusal:
        approve(joined.site("north"), plan, data)
    assert f"UTC: {refusal.value.message}" in status(joined)
    set_policy(joined.workspace("north"))
    approve(joined.site("north"), plan, data)
    assert waits in status(joined)  # until its cohort is prepared
    mark_prepared(joined.site("north"), in_force(joined.site("north"), plan.digest))
    assert f"plan {plan.digest[:16]} is approved here" in status(joined)


def test_why_a_round_failed_where_the_reason_is_known(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    failed = {"round": 3, "place": "site_round.py:1"}
    joined.site("north").guard.record(Event.ROUND_FAILED, **failed, error="CohortTooSmall", reason="too few are left")
    joined.site("north").guard.record(Event.ROUND_FAILED, **failed, error="KeyError")
    assert "UTC: too few are left" in status(joined)
