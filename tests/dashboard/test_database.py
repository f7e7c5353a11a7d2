"""confide database move: a workspace that was kept in files goes on in PostgreSQL, with every booking."""

from __future__ import annotations

import pytest

from dashboard.commands.database import app
from dashboard.signin import accounts
from policies.audit import read_entries
from policies.database import VARIABLE
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.guard import account_name, open_site
from policies.restore import restore
from privacy.training.budget import check_bookings, open_ledger

PASSWORD = "a long walk home in rain"


@pytest.fixture
def database(backend, workspace, monkeypatch):
    """Sets $CONFIDE_DATABASE, or takes it away."""
    import os

    url = os.environ.get(VARIABLE, "")
    monkeypatch.delenv(VARIABLE, raising=False)
    if not url:
        pytest.skip("there is nowhere to move to")

    def use(wanted=True):
        monkeypatch.setenv(VARIABLE, url) if wanted else monkeypatch.delenv(VARIABLE)

    return use


def test_files_are_moved_whole_and_the_budget_goes_on(database, workspace, site, as_account):
    accounts(workspace).add("anna", PASSWORD)
    before = open_ledger(site).bookings()
    database()
    with pytest.raises(IntegrityError, match="lacks 3 bookings"):
        open_ledger(site)  # an empty database would spend the same budget again
    done = as_account(app, workspace, account_name(), "move")
    assert "3 rows" in done.output or "rows moved" in done.output
    assert open_ledger(open_site(workspace, "north")).bookings() == before
    accounts(workspace).check("anna", PASSWORD)
    assert not site.home.ledger.exists() and site.home.ledger.with_name("ledger.sqlite.moved").exists()
    assert [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.DATABASE_MOVED]


def test_a_backup_of_a_database_is_restored_as_files(database, workspace, site, as_account, tmp_path, monkeypatch):
    from policies.backup import back_up
    from policies.guard import open_server
    from policies.workspace import Workspace

    before = open_ledger(site).bookings()
    database()
    as_account(app, workspace, account_name(), "move")
    site.home.ledger.with_name("ledger.sqlite.moved").unlink()
    back_up(workspace, [open_server(workspace), open_site(workspace, "north")], tmp_path / "b.tar")
    other = Workspace(tmp_path / "other")
    other.root.mkdir()
    with pytest.raises(InputError, match="put back as files"):
        restore(other, tmp_path / "b.tar", check_bookings)
    database(False)
    restore(other, tmp_path / "b.tar", check_bookings)
    assert open_ledger(open_site(other, "north")).bookings() == before


def test_nothing_is_moved_without_a_place(workspace, as_account):
    with pytest.raises(InputError, match="names no database"):
        as_account(app, workspace, account_name(), "move")
