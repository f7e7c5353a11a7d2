"""Metrics: rounds and bytes by plan and site, patients only as the plan declares them, and /metrics alone."""

from __future__ import annotations

import httpx
import pytest

from federated.node.metrics import metrics_text, served_metrics
from federated.node.service import free_port
from federated.plan import Plan
from policies.files import canonical_json, write_whole
from policies.guard import Server, open_server
from policies.workspace import Workspace


@pytest.fixture
def server(workspace: Workspace, plan: Plan) -> Server:
    server = open_server(workspace)
    write_whole(server.home.agreed(plan.digest), canonical_json(plan.model_dump(mode="json")))
    rows = [{"round": number, "seconds": "1.500", "sent": {"north": 10}, "received": {"north": 7}} for number in (1, 2)]
    write_whole(server.home.rounds(plan.digest), b"".join(canonical_json(row) + b"\n" for row in rows))
    return server


def test_rounds_seconds_and_bytes_add_up(server: Server, plan: Plan) -> None:
    lines, label = metrics_text(server).splitlines(), f'plan="{plan.digest[:16]}"'
    assert f"confide_rounds_finished{{{label}}} 2" in lines
    assert f"confide_round_seconds_sum{{{label}}} 3.000" in lines
    assert f'confide_bytes_to_site{{{label},site="north"}} 20' in lines
    assert f'confide_bytes_from_site{{{label},site="north"}} 14' in lines
    assert f'confide_bytes_from_site{{{label},site="river"}} 0' in lines
    assert f'confide_declared_patients{{{label},site="north"}} 10' in lines  # the plan's, not the twelve of the cohort


def test_a_plan_that_cannot_be_read_is_counted_and_hides_no_other(server: Server) -> None:
    before = metrics_text(server).splitlines()
    assert "confide_plans_unread 0" in before
    write_whole(server.home.agreed("ab" * 32), b"{}")
    assert set(metrics_text(server).splitlines()) - set(before) == {"confide_plans_unread 1"}


def test_only_metrics_are_served_and_only_while_asked_for(server: Server) -> None:
    port = free_port()
    with served_metrics(server, port):
        assert httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text == metrics_text(server)
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
