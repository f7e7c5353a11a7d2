"""An older workspace is backed up first, brought up to date step by step, and keeps what it opened to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.audit import read_entries
from policies.care_team import EVERY, Member
from policies.errors import AccessDenied, InputError, PolicyError
from policies.events import Event
from policies.guard import Site, open_server, open_site
from policies.layout import LAYOUT, layout_of
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy import upgrade as module
from privacy.upgrade import Upgraded, upgrade


@pytest.fixture
def older(tmp_path: Path) -> Workspace:
    """What a version without care teams left behind."""
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    place.policy.write_text(default_policy_text("alice"))
    for holder in (open_site(place, "north", "alice"), open_server(place, "alice")):
        holder.home.layout.unlink()
    return place


def as_it_is(place: Workspace, actor: str = "alice") -> list[Site]:
    return [open_site(place, "north", actor, any_layout=True), open_server(place, actor, any_layout=True)]  # type: ignore[list-item]


def test_everybody_on_every_team_as_before_and_a_backup_of_before(older: Workspace, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="confide upgrade"):
        raise_hint(older)
    done = upgrade(older, as_it_is(older), tmp_path / "before.tar")
    assert [(one.holder, one.before, len(one.changes)) for one in done] == [("north", 1, 1), ("server", 1, 0)]
    assert (tmp_path / "before.tar").exists()
    site = open_site(older, "north", "alice")
    assert layout_of(site.home) == LAYOUT
    assert site.guard.care_teams.every() == [Member(EVERY, EVERY)]
    happened = [entry.event for entry in read_entries(site.home.audit, site.keys.public)]
    order = [Event.BACKUP_MADE, Event.WORKSPACE_UPGRADED, Event.CARE_TEAM_CHANGED]
    assert [event for event in happened if event in order] == order


def raise_hint(place: Workspace) -> None:
    try:
        open_site(place, "north", "alice")
    except PolicyError as error:
        raise PolicyError(error.hint) from None


def test_a_second_time_there_is_nothing_to_do(older: Workspace, tmp_path: Path) -> None:
    upgrade(older, as_it_is(older), tmp_path / "before.tar")
    assert upgrade(older, as_it_is(older), tmp_path / "again.tar") == []
    assert not (tmp_path / "again.tar").exists()


def test_without_a_backup_nothing_changes(older: Workspace, tmp_path: Path) -> None:
    (tmp_path / "before.tar").touch()
    with pytest.raises(InputError, match="a file already"):
        upgrade(older, as_it_is(older), tmp_path / "before.tar")
    assert layout_of(older.site("north")) == 1


def test_who_may_not_manage_keys_upgrades_nothing(older: Workspace, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied):
        upgrade(older, as_it_is(older, "mallory"), tmp_path / "before.tar")
    assert layout_of(older.site("north")) == 1 and not (tmp_path / "before.tar").exists()


def test_one_that_was_killed_is_done_once_more(
    older: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(module, "say_layout", lambda home: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upgrade(older, as_it_is(older), tmp_path / "before.tar")
    assert layout_of(older.site("north")) == 1
    done = upgrade(older, as_it_is(older), tmp_path / "second.tar")
    assert all(isinstance(one, Upgraded) for one in done)
    assert open_site(older, "north", "alice").guard.care_teams.every() == [Member(EVERY, EVERY)]


def test_a_later_one_is_left_alone(older: Workspace, tmp_path: Path) -> None:
    older.site("north").layout.write_text(str(LAYOUT + 1))
    with pytest.raises(PolicyError, match="later version"):
        upgrade(older, as_it_is(older), tmp_path / "before.tar")
    assert not (tmp_path / "before.tar").exists()
