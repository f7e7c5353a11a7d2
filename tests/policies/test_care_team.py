"""The list of who treats whom: one patient or all, one account or all, and no row that the site did not write."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sql
from hypothesis import given, settings
from hypothesis import strategies as some

from policies.care_team import EVERY, CareTeams, Member
from policies.database import Database
from policies.errors import IntegrityError
from policies.keys import KeyRing, create_keys
from policies.workspace import Workspace

PATIENTS, ACCOUNTS = ("p1", "p2", "p3"), ("anna", "bob")
rows = some.builds(Member, some.sampled_from((*PATIENTS, EVERY)), some.sampled_from((*ACCOUNTS, EVERY)))


@pytest.fixture
def teams(tmp_path: Path, keys: KeyRing, backend: str) -> CareTeams:
    return CareTeams(Workspace(tmp_path).site("north"), keys)


def test_nobody_treats_anybody_before_somebody_says_so(teams: CareTeams) -> None:
    assert not teams.treats("anna", "p1") and teams.treated("anna", PATIENTS) == frozenset() and teams.every() == []


def test_rows_are_kept_once_and_taken_out_alone(teams: CareTeams) -> None:
    teams.home.root.mkdir(parents=True)
    teams.change([Member("p1", "anna"), Member("p2", "anna")])
    teams.change([Member("p1", "anna"), Member("p1", "bob")], [Member("p2", "anna"), Member("p3", "nobody")])
    assert teams.every() == [Member("p1", "anna"), Member("p1", "bob")]
    assert teams.treats("bob", "p1") and not teams.treats("anna", "p2")


@settings(max_examples=40, deadline=None)
@given(kept=some.frozensets(rows, max_size=4))
def test_one_and_many_are_told_the_same(kept: frozenset[Member], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("teams")
    teams = CareTeams(Workspace(root).site("north"), create_keys(root / "sites" / "north" / "keys", "north"))
    teams.change(kept)
    for account, patient in product((*ACCOUNTS, "eve"), PATIENTS):
        wanted = bool(kept & {Member(p, a) for p, a in product((patient, EVERY), (account, EVERY))})
        assert teams.treats(account, patient) is wanted is (patient in teams.treated(account, PATIENTS))


@pytest.mark.parametrize(
    "forged", [{"account": "eve"}, {"patient": EVERY}, {"sealed": "00" * 28}, {"sealed": "no hex"}]
)
def test_a_row_that_the_site_did_not_write_counts_for_nobody(teams: CareTeams, forged: dict[str, object]) -> None:
    teams.home.root.mkdir(parents=True)
    teams.change([Member("p1", "anna")])
    with Database(teams.home.care_teams_url, "list").transaction() as link:
        table = sql.Table("care_teams", sql.MetaData(), autoload_with=link)
        link.execute(sql.update(table).values(forged))
    account = str(forged.get("account", "anna"))
    for ask in (lambda: teams.treats(account, "p1"), lambda: teams.treated(account, ["p1"]), teams.every):
        with pytest.raises(IntegrityError, match="not written by this site"):
            ask()


def test_the_list_of_another_site_is_no_list_of_this_one(teams: CareTeams, tmp_path: Path) -> None:
    teams.home.root.mkdir(parents=True)
    teams.change([Member("p1", "anna")])
    other = CareTeams(teams.home, create_keys(tmp_path / "others", "north"))
    with pytest.raises(IntegrityError):
        other.treats("anna", "p1")
