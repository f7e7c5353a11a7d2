"""The tree hash is that of RFC 6962."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.tlog import EMPTY_ROOT, Frontier, leaf_hash, node_hash

# The reference tree of certificate-transparency (merkletree/merkle_tree_test.cc): entries, and the root after each.
REFERENCE = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(tree_hash(leaves[:half]), tree_hash(leaves[half:]))


def test_empty_tree() -> None:
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_reference_tree() -> None:
    frontier = Frontier()
    for entry, root in REFERENCE:
        frontier = frontier.with_leaf(leaf_hash(bytes.fromhex(entry)))
        assert frontier.root().hex() == root


def test_root_equals_the_recursive_definition_up_to_200_leaves() -> None:
    frontier, leaves = Frontier(), list[bytes]()
    for number in range(201):
        assert frontier.root() == tree_hash(leaves)
        assert (frontier.size, len(frontier.subtrees)) == (number, number.bit_count())
        leaves.append(leaf_hash(str(number).encode()))
        frontier = frontier.with_leaf(leaves[-1])


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_any_altered_leaf_changes_the_root(entries: list[bytes], data: st.DataObject) -> None:
    def root(entries: list[bytes]) -> bytes:
        frontier = Frontier()
        for entry in entries:
            frontier = frontier.with_leaf(leaf_hash(entry))
        return frontier.root()

    place = data.draw(st.integers(0, len(entries) - 1))
    assert root([*entries[:place], entries[place] + b"x", *entries[place + 1 :]]) != root(entries)
    assert root([*entries[:place], *entries[place + 1 :]]) != root(entries)
