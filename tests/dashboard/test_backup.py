"""'confide backup' and 'confide restore': all of one moment comes back, and nothing that is behind or was edited."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from federated.provision.membership import make_node
from policies.audit import read_entries, verify
from policies.backup import back_up
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.guard import open_server, open_site
from policies.logview import CHECKPOINT
from policies.models import list_models
from policies.restore import _moved as moved
from policies.restore import restore
from policies.workspace import Workspace
from privacy.training.budget import check_bookings, one_training, open_ledger, spending
from privacy.training.randomness import CHACHA20
from tests.dashboard.conftest import the_plan


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


@pytest.fixture
def taken(workspace: Workspace, tmp_path: Path) -> Path:
    run("backup", str(tmp_path / "confide.tar"))
    return tmp_path / "confide.tar"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "elsewhere")


def put_back(file: Path, elsewhere: Workspace, *words: str) -> str:
    return run("restore", str(file), "--workspace", str(elsewhere.root), *words)


def spend(site, number: int) -> None:
    plan = the_plan()
    with one_training(site), spending(site, plan.digest, number, plan.release_of_round(), CHACHA20):
        pass


def rewritten(file: Path, name: str, change) -> None:
    """The same backup with one file of it changed, or left out where the change gives nothing."""
    with tarfile.open(file) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    with tarfile.open(file, "w") as archive:
        for member, data in members:
            written = change(data) if member.name == name else data
            if written is not None:
                member.size = len(written)
                archive.addfile(member, io.BytesIO(written))


def test_all_of_one_moment_comes_back(workspace, site, taken, elsewhere):
    ledger, made = open_ledger(site).bookings(), read_entries(site.home.audit, site.keys.public)
    assert stat.S_IMODE(taken.stat().st_mode) == 0o600
    put_back(taken, elsewhere)
    back = open_site(elsewhere, "north")
    assert open_ledger(back).bookings() == ledger
    assert back.keys.public == site.keys.public
    assert stat.S_IMODE(back.home.ring.stat().st_mode) == 0o600
    again = read_entries(back.home.audit, back.keys.public)
    events = [entry.event for entry in again[len(made) - 1 :]]  # the last that was made names the backup itself
    assert again[: len(made) - 1] == made[:-1]
    assert made[-1].event is Event.BACKUP_MADE
    assert events == [Event.ACCESS_DECIDED, Event.BACKUP_RESTORED]
    assert again[-1].details["sha256"] == made[-1].details["sha256"]
    verify(open_server(elsewhere).home.audit, open_server(elsewhere).keys.public)
    assert list_models(elsewhere.models, elsewhere.trusted)
    assert back.home.plan(the_plan().digest).exists()


def test_no_patients_data_is_in_it(workspace, site, taken):
    with tarfile.open(taken) as archive:
        names = archive.getnames()
    assert any(site.home.vault.iterdir())
    assert not [name for name in names if "/vault/" in name or "/cache/" in name or "problems" in name]


def test_keys_without_a_passphrase_are_warned_of(workspace, tmp_path, monkeypatch):
    assert "north are under no passphrase" in run("backup", str(tmp_path / "one.tar"), "--site", "north")
    monkeypatch.setenv("CONFIDE_PASSPHRASE", "correct horse battery")
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery")
    file.chmod(0o600)
    run("keys", "protect", "north", "--passphrase-file", str(file))
    assert "no passphrase" not in run("backup", str(tmp_path / "two.tar"), "--site", "north")
    put_back(tmp_path / "two.tar", Workspace(tmp_path / "elsewhere"))
    monkeypatch.delenv("CONFIDE_PASSPHRASE")
    with pytest.raises(IntegrityError, match="under a passphrase, and none was given"):
        open_site(Workspace(tmp_path / "elsewhere"), "north")


def test_nothing_is_overwritten(workspace, site, taken, elsewhere):
    with pytest.raises(InputError, match="there is a file already"):
        run("backup", str(taken))
    spend(site, 4)
    newer = len(read_entries(site.home.audit, site.keys.public))
    with pytest.raises(InputError, match=f"'north' is here already, with a log of {newer} entries; the backup has"):
        run("restore", str(taken))
    assert len(read_entries(site.home.audit, site.keys.public)) == newer
    elsewhere.root.mkdir()
    elsewhere.policy.write_text("other")
    with pytest.raises(InputError, match="is another than the backup's"):
        put_back(taken, elsewhere)
    assert [path.name for path in elsewhere.root.iterdir()] == ["policy.toml"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sites/north/ledger.sqlite", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("sites/north/audit/checkpoint", lambda data: None),
        ("policy.toml", lambda data: data + b"\n"),
        ("manifests/north.json", lambda data: data.replace(b'"entries":', b'"entries":1')),
        ("manifests/north.json", lambda data: None),
    ],
)
def test_what_was_edited_or_left_out_is_refused(workspace, taken, elsewhere, name, change):
    rewritten(taken, name, change)
    with pytest.raises(IntegrityError):
        put_back(taken, elsewhere)
    assert not elsewhere.root.exists() or not list(elsewhere.root.iterdir())


def test_a_file_of_something_else_is_refused(elsewhere, tmp_path):
    (tmp_path / "cut.tar").write_bytes(b"x" * 700)
    with pytest.raises(IntegrityError, match="no backup, or one that was cut short"):
        put_back(tmp_path / "cut.tar", elsewhere)
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        link = tarfile.TarInfo("policy.toml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(IntegrityError, match="something that is no file"):
        put_back(tmp_path / "link.tar", elsewhere)
    with tarfile.open(tmp_path / "out.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(IntegrityError, match="no backup, or one that was cut short"):
        put_back(tmp_path / "out.tar", elsewhere)
    assert not list(elsewhere.root.iterdir())  # it would lie beside the folder into which files are unpacked


def test_a_ledger_behind_its_log_is_refused_though_it_is_signed(workspace, site, tmp_path, elsewhere):
    old = site.home.ledger.read_bytes()
    spend(site, 4)
    site.home.ledger.write_bytes(old)
    back_up(workspace, [site], tmp_path / "behind.tar")
    with pytest.raises(IntegrityError, match="lacks 1 bookings that the audit log holds"):
        put_back(tmp_path / "behind.tar", elsewhere)
    assert not elsewhere.site("north").root.exists()


def test_a_log_behind_a_head_that_was_seen_is_refused(workspace, site, taken, elsewhere):
    spend(site, 4)
    with pytest.raises(IntegrityError, match="when others saw it, and the backup has"):
        put_back(taken, elsewhere, "--head", str(site.home.audit / CHECKPOINT))
    shutil.copy(workspace.policy, elsewhere.policy)
    witnessed = open_site(elsewhere, "river").home.witnessed / "north"
    witnessed.mkdir(parents=True)
    shutil.copy(site.home.audit / CHECKPOINT, witnessed / "cosigned")
    with pytest.raises(IntegrityError, match="when others saw it, and the backup has"):
        put_back(taken, elsewhere)
    assert not elsewhere.site("north").root.exists()


def test_a_head_of_before_the_backup_is_no_obstacle(workspace, site, tmp_path, elsewhere):
    shutil.copy(site.home.audit / CHECKPOINT, tmp_path / "before")
    run("backup", str(tmp_path / "confide.tar"))
    assert "north: " in put_back(tmp_path / "confide.tar", elsewhere, "--head", str(tmp_path / "before"))


def test_a_head_of_a_log_that_is_not_in_it_is_refused(workspace, tmp_path, elsewhere):
    run("backup", str(tmp_path / "north.tar"), "--site", "north")
    with pytest.raises(InputError, match="a tree head of no log in this backup"):
        put_back(tmp_path / "north.tar", elsewhere, "--head", str(workspace.server.audit / CHECKPOINT))
    assert not list(elsewhere.root.iterdir())


def test_a_restore_killed_between_two_moves_goes_on(workspace, site, taken, tmp_path, monkeypatch):
    def restored_after(moves: int, place: Workspace) -> bool:
        """Whether a restore that is killed before its next move was whole already."""
        left = iter(range(moves))

        def killed(*paths: Path) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            moved(*paths)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr("policies.restore._moved", killed)
            restore(place, taken, check_bookings)
            return True
        return False

    def files(place: Workspace) -> set[str]:
        return {path.relative_to(place.root).as_posix() for path in place.root.rglob("*") if path.is_file()}

    whole, moves = Workspace(tmp_path / "whole"), 0
    restore(whole, taken, check_bookings)
    while not restored_after(moves, place := Workspace(tmp_path / f"killed{moves}")):
        back = restore(place, taken, check_bookings)
        assert [one.holder for one in back] == ["north", "server"]
        assert files(place) == files(whole)
        events = [entry.event for entry in read_entries(place.site("north").audit, site.keys.public)]
        assert events.count(Event.BACKUP_RESTORED) == 1
        moves += 1
    assert moves > 3  # the verified folder, what all share, and each holder


def test_keys_of_nodes_that_lie_open_in_it_are_named(workspace, site, tmp_path):
    assert "lie open" not in run("backup", str(tmp_path / "before.tar"))
    make_node(site)
    said = run("backup", str(tmp_path / "after.tar")).replace("\n", " ")
    assert "the node's and the server's own keys lie open in it" in said
    assert "sites/north/federation/node.key" in said and "sites/north/federation/executor.secret" in said


def test_a_backup_taken_while_budget_is_spent_is_whole(workspace, site, tmp_path):
    stop, spent, failed = threading.Event(), threading.Semaphore(0), list[BaseException]()

    def work() -> None:
        own = open_site(workspace, "north")
        try:
            for number in range(1, 40):
                spend(own, number)
                spent.release()
                if stop.is_set():
                    return
        except BaseException as error:  # shown by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(4):
            assert spent.acquire(timeout=60)  # the work goes on, and is not only about to begin
            back_up(workspace, [site], tmp_path / f"{number}.tar")
            restore(Workspace(tmp_path / f"w{number}"), tmp_path / f"{number}.tar", check_bookings)
    finally:
        stop.set()
        thread.join()
    assert not failed
    counts = [len(open_ledger(open_site(Workspace(tmp_path / f"w{n}"), "north")).bookings()) for n in range(4)]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_only_who_manages_keys_backs_up_or_restores(workspace, taken, elsewhere, let, tmp_path):
    let("clinician")
    with pytest.raises(AccessDenied):
        run("backup", str(tmp_path / "another.tar"))
    assert not (tmp_path / "another.tar").exists()
