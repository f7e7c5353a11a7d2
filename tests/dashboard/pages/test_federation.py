"""The federation page: a hospital that joined none, one that joined, and its processes."""

from __future__ import annotations

import os

import pytest

from dashboard.view import federation as view
from federated.node.state import ChildState, State, only_one, write_state
from federated.provision.founding import read_roster
from policies.events import Event
from policies.policy import Role, load_policy
from policies.workspace import WORKSPACE_VARIABLE
from tests.dashboard.running import html
from tests.federated.hospitals import SITES
from tests.federated.provision.joining import all_joined


@pytest.fixture
def joined(tmp_path, monkeypatch):
    """Three hospitals and a server, of which this dashboard is north's."""
    made = all_joined(tmp_path / "federation")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(made.workspace("north").root))
    return made


def running(folder, *, healthy, note=""):
    children = (ChildState("supernode", 1, True, 0, None), ChildState("executor", 2, healthy, 3, -9))
    write_state(folder, State(os.getpid(), "2026-11-23T01:00:00+00:00", {}, note, children))


def test_a_hospital_of_no_federation_reads_the_commands_and_its_own_rules(workspace, at, events):
    app = at(Role.HOSPITAL_IT, "federation")
    assert not app.error and "confide site join INVITATION" in app.code[0].value and not app.dataframe
    assert "at least 2" in html(app) and "flwr" in html(app)
    assert [one["page"] for one in events(Event.PAGE_VIEWED)] == ["training", "federation"]


def test_a_member_sees_who_takes_part_and_that_its_node_does_not_run(joined, at):
    app = at(Role.HOSPITAL_IT, "federation")
    assert not app.error and "does not run" in app.warning[0].value
    assert app.code[0].value == "confide site start" and app.code[1].value == read_roster(joined.server).fingerprint
    assert list(app.dataframe[0].value["Hospital"]) == sorted(SITES) and set(app.dataframe[0].value["Keys"]) == {
        "known"
    }


def test_a_process_that_is_not_well_is_said(joined, at):
    folder = joined.site("north").home.federation
    with only_one(folder):
        running(folder, healthy=False, note="the server's certificate is another")
        app = at(Role.HOSPITAL_IT, "federation")
        assert "not well" in app.warning[0].value and "certificate is another" in app.warning[0].value
        assert app.dataframe[0].value["Health"].tolist() == ["well", "not well"]
        running(folder, healthy=True)
        assert "runs and is well, since 2026-11-23" in app.run().success[0].value


def test_a_roster_that_was_edited_is_an_error(joined, at):
    path = joined.site("north").home.federation.roster
    path.write_bytes(path.read_bytes().replace(b"cardio", b"cordia"))
    assert len(at(Role.HOSPITAL_IT, "federation").error) == 1


def test_the_server_says_who_is_connected(joined):
    roster = read_roster(joined.server)
    here = {roster.member("north").node.encode(): True, roster.member("river").node.encode(): False}
    rows = view.site_rows(roster, ("river",), here)
    assert [row["Connected"] for row in rows] == ["yes", "no", "no"]
    assert [row["In the newest round"] for row in rows] == ["no", "yes", "no"]


def test_secure_aggregation_that_is_required_is_the_only_one(workspace):
    text = workspace.policy.read_text().replace(
        "secure_aggregation_required = false", "secure_aggregation_required = true"
    )
    workspace.policy.write_text(text)
    assert dict(view.rules(load_policy(workspace.policy)))["Aggregations"] == "secure"
