"""Names are safe as parts of paths, and every path of a site lies in its home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sql
from hypothesis import example, given
from hypothesis import strategies as st

from policies.errors import InputError, PolicyError
from policies.workspace import DEFAULT_WORKSPACE, WORKSPACE_VARIABLE, Workspace, checked_name


@given(st.text(max_size=70) | st.text("./-_a0\n\\", max_size=6))
@example("..")
@example(".")
@example("a/../b")
@example("a\n")
def test_a_name_is_refused_or_is_one_step_down(name: str) -> None:
    root = Path("/root")
    try:
        checked_name(name, "site")
    except InputError:
        return
    assert os.path.normpath(root / name) == str(root / name)
    assert (root / name).parent == root


@pytest.mark.parametrize("name", ["", "..", ".hidden", "-x", "North", "a b", "a/b", "é", "a" * 65])
def test_refused_names(name: str) -> None:
    with pytest.raises(InputError, match="no name for a site"):
        Workspace(Path("/w")).site(name)


def test_the_longest_name() -> None:
    assert checked_name("a" * 64, "site")


def test_every_path_is_its_own_and_in_its_home() -> None:
    workspace = Workspace(Path("/w"))
    site = workspace.site("north")
    paths = [site.keys, site.audit, site.vault, site.problems("a"), site.plan("a"), site.cache("a"), site.scores("a")]
    paths += [site.update("a", 1), site.update("a", 2), site.update("b", 1), site.plan("b")]
    paths += [site.requests, site.request("a"), site.erasure("a", 1), site.erasure("a", 2), site.erasure("b", 1)]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to("/w/sites/north") for path in paths)
    assert workspace.server.run("a").is_relative_to("/w/server")
    for hidden in (
        site.problems,
        site.plan,
        site.request,
        site.cache,
        site.scores,
        workspace.server.run,
        workspace.export,
    ):
        with pytest.raises(InputError):
            hidden("../other")


def test_patient_data_lies_in_the_vault_and_in_every_cache(tmp_path: Path) -> None:
    site = Workspace(tmp_path).site("north")
    assert site.vaults == (site.vault,)
    for plan in ("b", "a"):
        site.cache(plan).mkdir(parents=True)
    assert site.vaults == (site.vault, site.cache("a"), site.cache("b"))


@pytest.mark.parametrize("folder", ["plain", "with space", "what?", "50%20off", "naïve#1"])
def test_the_ledger_lies_in_the_home_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    site = Workspace(tmp_path / folder).site("north")
    assert sql.make_url(site.ledger_url).database == str(site.root.resolve() / "ledger.sqlite")


def test_find_asks_the_argument_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    assert Workspace.find().root == DEFAULT_WORKSPACE
    monkeypatch.setenv(WORKSPACE_VARIABLE, "/there")
    assert Workspace.find().root == Path("/there")
    assert Workspace.find(Path("/here")).root == Path("/here")


def test_sites_are_listed_by_name(tmp_path: Path) -> None:
    assert Workspace(tmp_path).sites() == ()
    for name in ("river", "north"):
        (tmp_path / "sites" / name).mkdir(parents=True)
    (tmp_path / "sites" / "note.txt").write_text("")
    assert [site.name for site in Workspace(tmp_path).sites()] == ["north", "river"]


def test_a_workspace_that_was_not_made_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no workspace here") as refused:
        Workspace.existing(tmp_path / "none")
    assert "confide init" in refused.value.hint
    assert Workspace.existing(tmp_path).root == tmp_path
