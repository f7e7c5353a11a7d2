"""Each change of a policy stands in the log with what was and what is."""

from __future__ import annotations

import shutil

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


def test_the_first_policy_of_a_log_stands_there_whole_and_the_same_one_is_logged_once(workspace: Workspace) -> None:
    (first,) = opened(workspace)
    assert opened(workspace) == [first]
    assert (first.event, first.details["policy_before"], first.details["access_before"]) == ("policy.changed", "", "")
    assert {"key": "training.epsilon", "old": None, "new": "8.0"} in first.details["changes"]


def test_every_changed_key_stands_there_with_its_old_and_new_value_once(workspace: Workspace) -> None:
    opened(workspace)
    before = workspace.policy.read_bytes()
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    edit(workspace, "[people]", '[people]\nbob = ["researcher", "clinician"]')
    edit(workspace, "# UNSAFE_noise_seed", "UNSAFE_noise_seed")
    opened(workspace)
    _, entry = opened(workspace)
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
    _, entry = opened(workspace)
    assert entry.details["changes"] == [] and entry.details["policy"] != entry.details["policy_before"]


def test_an_access_policy_of_the_hospital_is_a_change_and_its_text_is_kept(workspace: Workspace) -> None:
    opened(workspace)
    workspace.access.write_text('@id("a") permit (principal, action, resource) when { context.purpose == "TREAT" };')
    _, entry = opened(workspace)
    assert entry.details["access"] != entry.details["access_before"]
    assert workspace.site("north").policy_copy(entry.details["access"]).read_bytes() == workspace.access.read_bytes()


def test_each_home_has_its_own_history(workspace: Workspace) -> None:
    opened(workspace)
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    server = open_server(workspace, "alice")
    assert len(read_entries(server.home.audit, server.keys.public)) == 1
    assert len(opened(workspace)) == 2


def test_a_change_is_logged_although_every_file_about_policies_is_gone(workspace: Workspace) -> None:
    opened(workspace)
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    shutil.rmtree(workspace.site("north").root / "policies")
    _, entry = opened(workspace)
    assert {"key": "training.epsilon", "old": None, "new": "9.5"} in entry.details["changes"]


def test_what_was_in_force_is_found_behind_entries_that_name_no_policy(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    site.guard.log.append_all([(Event.PROCESS_ALIVE, {})] * 40)
    assert opened(workspace)[-1].event is Event.PROCESS_ALIVE


def test_a_copy_that_was_edited_is_not_what_was(workspace: Workspace) -> None:
    (first,) = opened(workspace)
    workspace.site("north").policy_copy(first.details["policy"]).write_text("[training]\nepsilon = 9.5\n")
    edit(workspace, "epsilon = 8.0", "epsilon = 9.5")
    _, entry = opened(workspace)
    assert {"key": "training.epsilon", "old": None, "new": "9.5"} in entry.details["changes"]


def test_a_change_for_thousands_of_people_fits_into_entries(workspace: Workspace) -> None:
    opened(workspace)
    people = "".join(f'person{number} = ["clinician"]\n' for number in range(2001))
    edit(workspace, "[people]\n", f"[people]\n{people}")
    _, *logged = opened(workspace)
    assert sum(len(entry.details["changes"]) for entry in logged) == 2001
