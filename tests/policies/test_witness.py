"""A witness signs what continues, and nothing else: a log that went back, or that has two histories, is named."""

from __future__ import annotations

import shutil
from http import HTTPStatus
from pathlib import Path

import pytest

from policies.audit import read_entries
from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site, open_site
from policies.keys import KeyRing
from policies.logview import look
from policies.notes import Verifier, cosignature_line
from policies.policy import Witnesses
from policies.rotation import Rotation
from policies.witness import (
    HOW_THEY_SIGN,
    Submission,
    Witness,
    WitnessRefused,
    attach,
    check_quorum,
    peers,
    submission,
)
from policies.workspace import Workspace

NAMES = ("north", "river", "summit")


@pytest.fixture
def sites(workspace: Workspace) -> dict[str, Site]:
    """Three that know each other's keys by their policy."""
    vkeys = [Verifier(open_site(workspace, name, "alice").keys.public).vkey for name in NAMES]
    workspace.policy.write_text(workspace.policy.read_text().replace("hospitals = []", f"hospitals = {vkeys}"))
    opened = {name: open_site(workspace, name, "alice") for name in NAMES}
    for site in opened.values():
        grow(site, 5)
    return opened


@pytest.fixture
def rule(sites: dict[str, Site]) -> Witnesses:
    return Witnesses(needed=2, hospitals=tuple(Verifier(site.keys.public).vkey for site in sites.values()))


@pytest.fixture
def witness(sites: dict[str, Site]) -> Witness:
    """River, which watches the log of north."""
    return Witness(sites["river"], {"north": sites["north"].keys.public})


def grow(site: Site, count: int) -> None:
    for number in range(count):
        site.guard.record(Event.EXPORT_READ, number=number)


def ask(site: Site, old: int) -> Submission:
    return submission(look(site.home.audit, site.keys.public), old)


def refused(witness: Witness, asked: Submission) -> WitnessRefused:
    with pytest.raises(WitnessRefused) as caught:
        witness.cosign(asked)
    return caught.value


def exchange(sites: dict[str, Site], rule: Witnesses) -> list[WitnessRefused]:
    """Every hospital cosigns the logs of the others; what was refused."""
    found = []
    for name, owner in sites.items():
        view, lines = look(owner.home.audit, owner.keys.public), b""
        for witness in (Witness(site, peers(rule, other)) for other, site in sites.items() if other != name):
            try:
                lines += witness.cosign(submission(view, witness.signed(name).size))
            except WitnessRefused as refusal:
                found.append(refusal)
        attach(owner, view.note, lines)
    return found


def last(site: Site) -> tuple[Event, dict[str, object]]:
    entry = read_entries(site.home.audit, site.keys.public)[-1]
    return entry.event, dict(entry.details)


def head(site: Site) -> int:
    return look(site.home.audit, site.keys.public).size


def test_a_log_that_grows_is_cosigned_each_time(sites: dict[str, Site], witness: Witness) -> None:
    north = sites["north"]
    for _ in range(3):
        old = witness.signed("north").size
        line = witness.cosign(ask(north, old))
        assert line.startswith("— river ".encode())
        assert witness.signed("north").size == head(north)
        event, details = last(sites["river"])
        assert (event, details["log"], details["size"]) == (Event.WITNESS_COSIGNED, "north", head(north))
        grow(north, 3)


def test_the_same_tree_may_be_shown_again(sites: dict[str, Site], witness: Witness) -> None:
    witness.cosign(ask(sites["north"], 0))
    witness.cosign(ask(sites["north"], head(sites["north"])))


def test_a_log_that_went_back_is_refused_and_named(sites: dict[str, Site], witness: Witness, tmp_path: Path) -> None:
    north = sites["north"]
    backup = shutil.copytree(north.home.audit, tmp_path / "backup")
    size = head(north)
    grow(north, 4)
    witness.cosign(ask(north, 0))
    shutil.rmtree(north.home.audit)
    shutil.copytree(backup, north.home.audit)
    view = look(north.home.audit, north.keys.public)
    found = refused(witness, submission(view, witness.signed("north").size))
    assert (found.status, found.size) == (HTTPStatus.CONFLICT, size + 4)
    assert f"'north' went back from {size + 4} to {size}" in str(found)
    event, details = last(sites["river"])
    assert (event, details["status"], details["known"]) == (Event.WITNESS_REFUSED, 409, size + 4)


def test_a_second_history_is_refused_and_kept_as_evidence(
    sites: dict[str, Site], witness: Witness, workspace: Workspace
) -> None:
    north = sites["north"]
    size = head(north)
    witness.cosign(ask(north, 0))
    shutil.rmtree(north.home.audit)
    rewritten = open_site(workspace, "north", "alice")
    grow(rewritten, size + 3 - head(rewritten))
    asked = ask(rewritten, size)
    found = refused(witness, asked)
    assert found.status == HTTPStatus.UNPROCESSABLE_ENTITY
    (kept,) = (sites["river"].home.witnessed / "north").glob("refused-*")
    assert Submission.parse(kept.read_bytes()) == asked


def test_two_trees_of_one_size_are_refused(sites: dict[str, Site], witness: Witness, workspace: Workspace) -> None:
    size = head(sites["north"])
    witness.cosign(ask(sites["north"], 0))
    shutil.rmtree(sites["north"].home.audit)
    rewritten = open_site(workspace, "north", "alice")
    grow(rewritten, size - head(rewritten))
    found = refused(witness, ask(rewritten, size))
    assert found.status == HTTPStatus.CONFLICT
    assert f"two logs of 'north' with {size} entries" in str(found)


def test_a_wrong_old_size_gets_the_right_one(sites: dict[str, Site], witness: Witness) -> None:
    size = head(sites["north"])
    witness.cosign(ask(sites["north"], 0))
    grow(sites["north"], 2)
    assert (found := refused(witness, ask(sites["north"], 0))).size == size
    assert found.status == HTTPStatus.CONFLICT
    assert not list((sites["river"].home.witnessed / "north").glob("refused-*"))  # it proves nothing against north


def test_a_witness_remembers_after_its_own_key_was_changed(
    sites: dict[str, Site], witness: Witness, workspace: Workspace
) -> None:
    size, river = head(sites["north"]), sites["river"]
    witness.cosign(ask(sites["north"], 0))
    Rotation(river.home, "alice", {}).signing()
    again = Witness(open_site(workspace, "river", "alice"), {"north": sites["north"].keys.public})
    assert again.signed("north").size == size
    again.cosign(ask(sites["north"], size))


def test_an_unknown_log_and_a_foreign_signature_are_refused(sites: dict[str, Site], witness: Witness) -> None:
    assert refused(witness, ask(sites["summit"], 0)).status == HTTPStatus.NOT_FOUND
    asked = ask(sites["north"], 0)
    forged = asked.note.replace(b"\n\n", b"\n\n", 1)[:-8] + b"AAAAAAA\n"
    assert refused(witness, Submission(0, (), forged)).status == HTTPStatus.FORBIDDEN


def test_a_bad_proof_is_refused_and_nothing_changes(sites: dict[str, Site], witness: Witness) -> None:
    witness.cosign(ask(sites["north"], 0))
    before = witness.signed("north")
    grow(sites["north"], 3)
    asked = ask(sites["north"], before.size)
    bad = Submission(asked.old, (bytes(32), *asked.proof[1:]), asked.note)
    assert refused(witness, bad).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert witness.signed("north") == before
    witness.cosign(asked)


def test_a_submission_reads_as_it_was_written(sites: dict[str, Site]) -> None:
    asked = ask(sites["north"], 3)
    assert Submission.parse(asked.text()) == asked
    for text in (b"", b"old\n\n", b"old 01\n\nx", b"old 1\nAAAA\n\nx", b"size 1\n\nx"):
        with pytest.raises(IntegrityError):
            Submission.parse(text)


def test_a_quorum_of_witnesses_vouches_for_a_log(sites: dict[str, Site], rule: Witnesses) -> None:
    assert exchange(sites, rule) == []
    for name, site in sites.items():
        grow(site, 2)  # a log may go on after it was cosigned
        view = look(site.home.audit, site.keys.public)
        quorum = check_quorum(view, site.home.cosigned, site.keys.public, rule)
        assert quorum.names == tuple(other for other in NAMES if other != name)
        assert 0 < quorum.size < view.size


def test_a_quorum_is_as_old_as_its_oldest_signature(
    sites: dict[str, Site], rule: Witnesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000, 2000, 100))
    monkeypatch.setattr("policies.witness.time.time", lambda: next(clock))
    exchange(sites, rule)
    north = sites["north"]
    view = look(north.home.audit, north.keys.public)
    assert check_quorum(view, north.home.cosigned, north.keys.public, rule).oldest == 1000


def test_a_log_that_was_put_back_is_shorter_than_what_witnesses_signed(
    sites: dict[str, Site], rule: Witnesses, tmp_path: Path
) -> None:
    north = sites["north"]
    backup = shutil.copytree(north.home.audit, tmp_path / "backup")
    grow(north, 4)
    exchange(sites, rule)
    shutil.rmtree(north.home.audit)
    shutil.copytree(backup, north.home.audit)
    view = look(north.home.audit, north.keys.public)
    with pytest.raises(IntegrityError, match=r"is not the one of .* that river, summit signed"):
        check_quorum(view, north.home.cosigned, north.keys.public, rule)


def test_only_what_verifies_is_kept(sites: dict[str, Site], witness: Witness) -> None:
    north = sites["north"]
    view = look(north.home.audit, north.keys.public)
    forged = cosignature_line(view.signed.text(), KeyRing("summit", sites["river"].keys.secrets), 1)
    attach(north, view.note, forged + b"garbage\n")
    assert not north.home.cosigned.exists()
    good = witness.cosign(submission(view, 0))
    attach(north, view.note, forged + good)
    assert north.home.cosigned.read_bytes() == view.note + good


def test_signatures_of_one_tree_head_are_gathered(sites: dict[str, Site], rule: Witnesses, witness: Witness) -> None:
    north = sites["north"]
    view = look(north.home.audit, north.keys.public)
    for one in (witness, Witness(sites["summit"], {"north": north.keys.public})):
        attach(north, view.note, one.cosign(submission(view, 0)))
    assert check_quorum(view, north.home.cosigned, north.keys.public, rule).names == ("river", "summit")


def test_a_smaller_tree_head_takes_no_larger_ones_place(sites: dict[str, Site], witness: Witness) -> None:
    north = sites["north"]
    older = look(north.home.audit, north.keys.public)
    line = witness.cosign(submission(older, 0))
    grow(north, 1)
    newer = look(north.home.audit, north.keys.public)
    attach(north, newer.note, witness.cosign(submission(newer, older.size)))
    kept = north.home.cosigned.read_bytes()
    with pytest.raises(IntegrityError, match="cannot follow"):
        attach(north, older.note, line)
    assert north.home.cosigned.read_bytes() == kept


def test_too_few_witnesses_are_no_quorum(sites: dict[str, Site], rule: Witnesses, witness: Witness) -> None:
    north = sites["north"]
    view = look(north.home.audit, north.keys.public)
    with pytest.raises(IntegrityError, match="no witness has signed") as nobody:
        check_quorum(view, north.home.cosigned, north.keys.public, rule)
    assert nobody.value.hint == HOW_THEY_SIGN
    attach(north, view.note, witness.cosign(submission(view, 0)))
    with pytest.raises(IntegrityError, match="1 of the 2 witnesses"):
        check_quorum(view, north.home.cosigned, north.keys.public, rule)


def test_one_witness_is_not_two(sites: dict[str, Site], rule: Witnesses, witness: Witness) -> None:
    north = sites["north"]
    view = look(north.home.audit, north.keys.public)
    attach(north, view.note, witness.cosign(submission(view, 0)) + witness.cosign(submission(view, view.size)))
    with pytest.raises(IntegrityError, match="1 of the 2 witnesses"):
        check_quorum(view, north.home.cosigned, north.keys.public, rule)


def test_a_log_that_was_rewritten_is_not_the_one_that_witnesses_signed(
    sites: dict[str, Site], rule: Witnesses, workspace: Workspace, tmp_path: Path
) -> None:
    exchange(sites, rule)
    north = sites["north"]
    size, cosigned = head(north), shutil.copy(north.home.cosigned, tmp_path / "cosigned")
    shutil.rmtree(north.home.audit)
    rewritten = open_site(workspace, "north", "alice")
    grow(rewritten, size + 5)
    view = look(rewritten.home.audit, rewritten.keys.public)
    with pytest.raises(IntegrityError, match=r"is not the one of .* that river, summit signed"):
        check_quorum(view, Path(cosigned), rewritten.keys.public, rule)


def test_an_exchange_names_the_log_that_was_rewritten(
    sites: dict[str, Site], rule: Witnesses, workspace: Workspace
) -> None:
    exchange(sites, rule)
    size = head(sites["north"])
    shutil.rmtree(sites["north"].home.audit)
    sites["north"] = open_site(workspace, "north", "alice")
    grow(sites["north"], size + 5)
    found = exchange(sites, rule)
    assert [str(one).split("'")[1] for one in found] == ["north", "north"]
