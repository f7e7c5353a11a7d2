"""Tiles and bundles stand where C2SP tlog-tiles says, and hold what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.tiles import ENTRIES, WIDTH, Tree, decode_bundle, encode_bundle, has_tile, read_tile, tile_path
from policies.tlog import Frontier, leaf_hash, root_of

SIZE = 3 * WIDTH + 70


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree of three full tiles and 70 leaves."""
    leaves = leaves_of(SIZE)
    for base in range(0, SIZE - WIDTH + 1, WIDTH):
        part = leaves[base : base + WIDTH]
        for path in Tree(tmp_path, base, part).add_tile(tmp_path, [b"x"] * WIDTH, part):
            path.unlink()
    return Tree(tmp_path, 3 * WIDTH, leaves[3 * WIDTH :])


@pytest.mark.parametrize(
    ("kind", "index", "width", "path"),
    [
        (0, 0, WIDTH, "tile/0/000"),
        (1, 999, WIDTH, "tile/1/999"),
        (0, 1000, WIDTH, "tile/0/x001/000"),
        (3, 1234067, WIDTH, "tile/3/x001/x234/067"),
        (ENTRIES, 1234067, 8, "tile/entries/x001/x234/067.p/8"),
    ],
)
def test_paths_are_those_of_the_standard(kind: int | str, index: int, width: int, path: str) -> None:
    assert str(tile_path(kind, index, width)) == path


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 200))
def test_a_bundle_gives_its_entries_back_and_cut_short_only_the_whole_ones(entries: list[bytes], cut: int) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data) == entries
    found = decode_bundle(data[:cut])
    assert found == entries[: len(found)]
    assert sum(2 + len(entry) for entry in found) <= cut


def test_an_entry_stands_after_its_length_in_two_bytes_big_endian() -> None:
    assert encode_bundle([b"ab", b"x" * 258]) == b"\x00\x02ab\x01\x02" + b"x" * 258


def test_a_tile_above_holds_the_tree_hashes_of_those_below(tree: Tree, tmp_path: Path) -> None:
    leaves = leaves_of(SIZE)
    assert (tmp_path / "tile/0/001").read_bytes() == b"".join(leaves[WIDTH : 2 * WIDTH])
    assert read_tile(tmp_path, 1, 0, 3) == [root_of(leaves[base : base + WIDTH]) for base in range(0, 3 * WIDTH, WIDTH)]
    assert has_tile(tmp_path, 2) and not has_tile(tmp_path, 3)


def test_the_frontier_is_that_of_all_leaves(tree: Tree) -> None:
    frontier = Frontier()
    for leaf in leaves_of(SIZE):
        frontier = frontier.with_node(leaf)
    assert tree.frontier() == frontier


def test_every_node_is_that_of_all_leaves(tree: Tree) -> None:
    leaves = leaves_of(SIZE)
    for level in range(10):
        for index in range(SIZE >> level):
            assert tree.node(level, index) == root_of(leaves[index << level : index + 1 << level]), (level, index)


def test_a_full_tile_of_level_1_and_what_stands_above_it(tmp_path: Path) -> None:
    """As if 65,535 tiles stood there already: one more fills the tile of level 1."""
    below = [leaf_hash(bytes([number])) for number in range(255)]
    path = tmp_path / tile_path(1, 0, 255)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(below))
    leaves, base = leaves_of(WIDTH), 255 * WIDTH
    assert Tree(tmp_path, base, leaves).add_tile(tmp_path, [b""] * WIDTH, leaves) == [path]
    tree = Tree(tmp_path, WIDTH * WIDTH, [])
    assert read_tile(tmp_path, 1, 0) == tree.tile(1, 0) == [*below, root_of(leaves)]
    assert tree.frontier().root() == tree.node(16, 0) == root_of([*below, root_of(leaves)])
    assert tree.tile(0, 255) == leaves


@pytest.mark.parametrize("cut", [None, 0, 31, 8191])
@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/3"])
def test_a_tile_that_is_missing_or_cut_short_is_named(tree: Tree, tmp_path: Path, path: str, cut: int | None) -> None:
    data = (tmp_path / path).read_bytes()
    (tmp_path / path).unlink()
    if cut is not None:
        (tmp_path / path).write_bytes(data[: min(cut, len(data) - 1)])
    with pytest.raises(IntegrityError, match=f"{re.escape(path)} is missing or cut short"):
        Tree(tmp_path, tree.base, []).node(0, 300)


@given(st.integers(0, 3 * WIDTH * 32 - 1))
def test_any_flipped_bit_of_a_tile_is_found(tmp_path_factory: pytest.TempPathFactory, place: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "tree"
    if not folder.exists():
        leaves = leaves_of(3 * WIDTH)
        for base in range(0, 3 * WIDTH, WIDTH):
            part = leaves[base : base + WIDTH]
            Tree(folder, base, part).add_tile(folder, [b""] * WIDTH, part)
    path = folder / tile_path(0, place // (WIDTH * 32))
    data = path.read_bytes()
    at = place % len(data)
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    try:
        with pytest.raises(IntegrityError, match="is altered"):
            Tree(folder, 3 * WIDTH, []).node(0, place // 32)
    finally:
        path.write_bytes(data)
