"""Tree, proofs and checks are those of RFC 6962 and RFC 9162."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.tlog import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_root,
    root_of,
)

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
PATHS = {  # PATH(index, D[size]) of the same tree
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
PROOFS = {  # PROOF(old, D[new])
    (1, 1): [],
    (1, 8): PATHS[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
MOST = 520  # leaves
LEAVES = [leaf_hash(str(number).encode()) for number in range(MOST)]
ROOTS = [EMPTY_ROOT]
for _leaf in LEAVES:
    ROOTS.append(root_of(LEAVES[: len(ROOTS)]))


def node(level: int, index: int) -> bytes:
    assert index + 1 << level <= MOST
    return root_of(LEAVES[index << level : index + 1 << level])


def reference_node(level: int, index: int) -> bytes:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry, _ in REFERENCE]
    return root_of(leaves[index << level : index + 1 << level])


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


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


sizes = st.integers(1, MOST)


def test_empty_tree() -> None:
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT


def test_reference_tree() -> None:
    frontier = Frontier()
    for entry, root in REFERENCE:
        frontier = frontier.with_node(leaf_hash(bytes.fromhex(entry)))
        assert frontier.root().hex() == root


@pytest.mark.parametrize(("place", "path"), PATHS.items())
def test_reference_paths(place: tuple[int, int], path: list[str]) -> None:
    index, size = place
    assert [step.hex() for step in inclusion_proof(index, size, reference_node)] == path
    root = bytes.fromhex(REFERENCE[size - 1][1])
    check_inclusion(reference_node(0, index), index, size, root, [bytes.fromhex(step) for step in path])


@pytest.mark.parametrize(("sizes", "proof"), PROOFS.items())
def test_reference_consistency(sizes: tuple[int, int], proof: list[str]) -> None:
    old, new = sizes
    assert [step.hex() for step in consistency_proof(old, new, reference_node)] == proof
    old_root, new_root = (bytes.fromhex(REFERENCE[size - 1][1]) for size in sizes)
    check_consistency(old, old_root, new, new_root, [bytes.fromhex(step) for step in proof])


def test_both_ways_to_a_root_give_the_recursive_definition() -> None:
    frontier = Frontier()
    for size in range(1, MOST + 1):
        frontier = frontier.with_node(LEAVES[size - 1])
        assert frontier.root() == ROOTS[size]
        assert (frontier.size, len(frontier.subtrees)) == (size, size.bit_count())
        if size < 200:
            assert tree_hash(LEAVES[:size]) == ROOTS[size]


@given(sizes)
def test_a_frontier_takes_perfect_subtrees_as_it_takes_their_leaves(size: int) -> None:
    frontier = Frontier()
    while frontier.size < size:
        level = min(frontier.size.bit_length() and (frontier.size & -frontier.size).bit_length() - 1, 3)
        level = level if frontier.size + (1 << level) <= size else 0
        frontier = frontier.with_node(node(level, frontier.size >> level), level)
    assert frontier.root() == ROOTS[size]
    assert range_root(0, size, node) == ROOTS[size]


@given(sizes, st.data())
def test_every_leaf_of_every_tree_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, node)
    check_inclusion(LEAVES[index], index, size, ROOTS[size], proof)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index)) if size > 1 else MOST - 1
    for wrong in [
        (LEAVES[other], index, size, ROOTS[size], proof),
        (LEAVES[index], other, size, ROOTS[size], proof),
        (LEAVES[index], index, size, ROOTS[size - 1], proof),
        (LEAVES[index], index, size, ROOTS[size], [*proof, EMPTY_ROOT]),
        *([(LEAVES[index], index, size, ROOTS[size], proof[:-1])] if proof else []),
        (LEAVES[index], -1, size, ROOTS[size], proof),
        (LEAVES[index], size, size, ROOTS[size], proof),
        *([(ROOTS[size], 0, size, ROOTS[size], [])] if size > 1 else []),  # a node of the tree is no leaf of it
    ]:
        with pytest.raises(IntegrityError, match="does not show"):
            check_inclusion(*wrong)


@given(sizes, sizes, st.data())
def test_every_tree_is_shown_to_continue_every_smaller_one(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    proof = consistency_proof(old, new, node)
    check_consistency(old, ROOTS[old], new, ROOTS[new], proof)
    for wrong in [
        (old, ROOTS[old - 1], new, ROOTS[new], proof),
        (old, ROOTS[old], new, ROOTS[new - 1], proof),
        (old, ROOTS[old], new, ROOTS[new], [*proof, EMPTY_ROOT]),
        *([(old, ROOTS[old], new, ROOTS[new], proof[:-1])] if proof else []),
        *([(new, ROOTS[new], old, ROOTS[old], proof)] if old < new else []),
    ]:
        with pytest.raises(IntegrityError, match="rewritten"):
            check_consistency(*wrong)


@given(sizes, sizes, st.data())
def test_any_flipped_bit_of_a_proof_is_refused(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    for proof, check in [
        (consistency_proof(old, new, node), lambda p: check_consistency(old, ROOTS[old], new, ROOTS[new], p)),
        (inclusion_proof(old - 1, new, node), lambda p: check_inclusion(LEAVES[old - 1], old - 1, new, ROOTS[new], p)),
    ]:
        if proof:
            step, place = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 31))
            with pytest.raises(IntegrityError):
                check([*proof[:step], flipped(proof[step], place), *proof[step + 1 :]])


def test_the_empty_tree_begins_every_tree() -> None:
    assert consistency_proof(0, 7, node) == []
    check_consistency(0, EMPTY_ROOT, 7, ROOTS[7], [])
    for root, proof in [(ROOTS[1], []), (EMPTY_ROOT, [ROOTS[7]])]:
        with pytest.raises(IntegrityError):
            check_consistency(0, root, 7, ROOTS[7], proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(IntegrityError, match=f"entry {index} is not one of the {size}"):
        inclusion_proof(index, size, node)


def test_no_proof_that_a_tree_begins_a_smaller_one() -> None:
    with pytest.raises(IntegrityError, match="5 entries cannot begin one of 4"):
        consistency_proof(5, 4, node)
