"""Each change of a policy stands in the log with what was and what is."""

from __future__ import annotations

from policies.audit import read_entries
from policies.events import Entry, Event
from policies.guard import open_server, open_site
from policies.workspace import Workspace


def opened(workspace: Workspace) -> list[Entry]:
    site = open_site(workspace, "north", "alice")
    return read_entries(site.home.audit, site.keys.public)


def edit(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.policy.read_text()
    assert old in text
    workspace.policy.write_text(text.replace(old, new))


def test_the_first_opening_and_one_of_the_same_policy_log_nothing(workspace: Workspace) -> None:
    assert opened(workspace) == opened(workspace) == []


def test_every_changed_key_stands_there_with_its_old_and_new_value_once(workspace: Workspace) -> None:
    opened(workspace)
    before = workspace.policy.read_bytes()
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    edit(workspace, "[people]", '[people]\nbob = ["researcher", "clinician"]')
    edit(workspace, "# UNSAFE_noise_seed", "UNSAFE_noise_seed")
    opened(workspace)
    (entry,) = opened(workspace)
    assert (entry.event, entry.actor) == (Event.POLICY_CHANGED, "alice")
    assert entry.details["changes"] == [
        {"key": "people.bob", "old": None, "new": '["clinician", "researcher"]'},
        {"key": "training.UNSAFE_noise_seed", "old": None, "new": "1"},
        {"key": "training.epsilon", "old": "8.0", "new": "9.5"},
    ]
    home = workspace.site("north")
    assert home.policy_copy(entry.details["policy_before"]).read_bytes() == before
    assert home.policy_copy(entry.details["policy"]).read_bytes() == workspace.policy.read_bytes()


def test_a_comment_changes_the_digest_and_no_key(workspace: Workspace) -> None:
    opened(workspace)
    edit(workspace, "[people]", "[people]  # see the charter")
    (entry,) = opened(workspace)
    assert entry.details["changes"] == [] and entry.details["policy"] != entry.details["policy_before"]


def test_an_access_policy_of_the_hospital_is_a_change_and_its_text_is_kept(workspace: Workspace) -> None:
    opened(workspace)
    workspace.access.write_text('@id("a") permit (principal, action, resource) when { context.purpose == "TREAT" };')
    (entry,) = opened(workspace)
    assert entry.details["access"] != entry.details["access_before"]
    assert workspace.site("north").policy_copy(entry.details["access"]).read_bytes() == workspace.access.read_bytes()


def test_each_home_has_its_own_history(workspace: Workspace) -> None:
    opened(workspace)
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    server = open_server(workspace, "alice")
    assert read_entries(server.home.audit, server.keys.public) == []
    assert len(opened(workspace)) == 1


def test_a_note_of_what_was_seen_that_was_spoilt_makes_an_entry_with_everything(workspace: Workspace) -> None:
    opened(workspace)
    workspace.site("north").seen_policy.write_text("{")
    (entry,) = opened(workspace)
    assert {"key": "training.epsilon", "old": None, "new": "8.0"} in entry.details["changes"]


def test_a_change_for_thousands_of_people_fits_into_entries(workspace: Workspace) -> None:
    opened(workspace)
    people = "".join(f'person{number} = ["clinician"]\n' for number in range(2001))
    edit(workspace, "[people]\n", f"[people]\n{people}")
    logged = opened(workspace)
    assert sum(len(entry.details["changes"]) for entry in logged) == 2001
