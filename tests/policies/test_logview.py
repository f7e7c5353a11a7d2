"""A view hands out entries, lines and proofs that hold under its own signed root, wherever the entries stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.audit import AuditLog
from policies.errors import IntegrityError
from policies.events import Event
from policies.keys import KeyRing
from policies.logview import LogView, look, read_checkpoint
from policies.notes import Checkpoint
from policies.tlog import EMPTY_ROOT, check_consistency, check_inclusion, leaf_hash, range_root
from tests.policies.logs import filled

SIZES = [1, 4, 255, 256, 257, 511, 512, 700]


@pytest.fixture(params=SIZES)
def view(request: pytest.FixtureRequest, tmp_path: Path, keys: KeyRing) -> LogView:
    return look(filled(tmp_path / "audit", keys, request.param), keys.public)


def test_every_entry_is_proved_by_its_line_alone(view: LogView) -> None:
    for sequence in {0, view.size // 2, view.size - 1, *range(250, min(view.size, 260))}:
        assert sequence < view.size
        leaf = leaf_hash(view.line(sequence))
        assert leaf == view.leaf(sequence)
        check_inclusion(leaf, sequence, view.size, view.signed.root, view.inclusion_proof(sequence))
        assert view.entry(sequence).details["number"] == sequence


def test_a_log_that_grew_continues_every_head_that_it_had(tmp_path: Path, keys: KeyRing) -> None:
    log, heads = AuditLog(tmp_path / "audit", keys, "alice"), []
    for _ in range(7):
        log.append_all([(Event.EXPORT_READ, {})] * 111)
        heads.append(read_checkpoint(log.folder, keys.public))
        view = look(log.folder, keys.public)
        for head in heads:
            assert head
            proof = view.consistency_proof(head.size)
            check_consistency(head.size, head.root, view.size, view.signed.root, proof)


def test_any_stretch_of_entries_can_be_read(view: LogView) -> None:
    for start, end in [(0, None), (3, 5), (250, 300), (view.size - 1, None), (view.size, None), (5, 3), (0, 10_000)]:
        found = [entry.sequence for entry in view.entries(start, end)]
        assert found == list(range(view.size))[start:end]


@pytest.mark.parametrize("sequence", [-1, 4, 100])
def test_there_is_no_entry_where_the_log_has_none(folder: Path, keys: KeyRing, sequence: int) -> None:
    view = look(folder, keys.public)
    for ask in (view.entry, view.line):
        with pytest.raises(IntegrityError, match=f"there is no entry {sequence} from 0 to 3"):
            ask(sequence)


def test_a_view_stays_what_it_was_while_the_log_goes_on(tmp_path: Path, keys: KeyRing) -> None:
    folder = filled(tmp_path / "audit", keys, 500)
    view, log = look(folder, keys.public), AuditLog(folder, keys, "alice")
    for _ in range(5):
        log.append_all([(Event.EXPORT_READ, {})] * 256)
    assert [entry.details["number"] for entry in view.entries()] == list(range(500))
    check_inclusion(view.leaf(300), 300, 500, view.signed.root, view.inclusion_proof(300))


def test_there_is_nothing_where_no_log_is(tmp_path: Path, keys: KeyRing) -> None:
    view = look(tmp_path / "none", keys.public)
    assert (view.size, list(view.entries()), read_checkpoint(tmp_path / "none", keys.public)) == (0, [], None)
    assert not (tmp_path / "none").exists()


def test_a_log_continues_its_own_tree_heads_and_none_of_a_larger_size(folder: Path, keys: KeyRing) -> None:
    view = look(folder, keys.public)
    assert view.continues(view.signed) and view.continues(Checkpoint("north", 0, EMPTY_ROOT))
    assert view.continues(Checkpoint("north", 2, range_root(0, 2, view.tree.node)))
    assert not view.continues(Checkpoint("north", 2, view.signed.root))
    assert not view.continues(Checkpoint("north", 2 * view.size, view.signed.root))
