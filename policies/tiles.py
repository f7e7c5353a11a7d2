"""The hashes and entries of a log as static files (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 entries.

tile/<level>/<index>          256 hashes; those of level L + 1 are the tree hashes of full tiles of level L
tile/<level>/<index>.p/<n>    the first n of them, where there are no more yet
tile/entries/<index>          256 entries, each after its length in two bytes
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from policies.errors import IntegrityError
from policies.files import flush_folder, write_whole
from policies.tlog import Frontier, node_hash, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRIES = "entries"
_HASH_BYTES = 32
_LENGTH = struct.Struct(">H")


def tile_path(kind: int | str, index: int, width: int = WIDTH) -> Path:
    """Where a tile (or, for `ENTRIES`, a bundle) stands: tile/0/x001/x234/067.p/8 for index 1234067 and width 8."""
    groups = f"{index:,}".split(",")
    parts = [f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"]
    path = Path("tile", str(kind), *parts)
    return path if width == WIDTH else path.with_name(f"{path.name}.p") / str(width)


def encode_bundle(lines: Iterable[bytes]) -> bytes:
    return b"".join(_LENGTH.pack(len(line)) + line for line in lines)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle; one that is cut short, and what follows it, is left out."""
    lines, at = list[bytes](), 0
    while at + _LENGTH.size <= len(data):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(data, at)[0]
        if at <= len(data):
            lines.append(data[start:at])
    return lines


class Tree:
    """The hashes of a log at one size: full tiles in its folder; partial tiles and newest leaves in memory.

    Partial tiles are read at once, because the next append may replace them. Once `frontier` has the root that a
    checkpoint signed, they are the signed ones, and each full tile is compared with its hash in the tile above.

    Args:
        folder: holds `tile/`.
        base: entries that full tiles hold, a multiple of 256.
        leaves: leaf hashes of the entries after them.

    Raises:
        IntegrityError: a partial tile is missing or cut short.
    """

    def __init__(self, folder: Path, base: int, leaves: Sequence[bytes]) -> None:
        self._folder, self.base, self._leaves = folder, base, leaves
        self._partial = dict[int, list[bytes]]()
        self._latest = dict[int, tuple[int, list[bytes]]]()
        level = 1
        while rest := base >> HEIGHT * level:
            self._partial[level] = read_tile(folder, level, rest // WIDTH, rest % WIDTH) if rest % WIDTH else []
            level += 1

    @property
    def size(self) -> int:
        return self.base + len(self._leaves)

    def frontier(self) -> Frontier:
        """The tree as its perfect subtrees, from partial tiles and newest leaves alone."""
        frontier = Frontier()
        for level, hashes in sorted(self._partial.items(), reverse=True):
            for node in hashes:
                frontier = frontier.with_node(node, HEIGHT * level)
        for leaf in self._leaves:
            frontier = frontier.with_node(leaf)
        return frontier

    def node(self, level: int, index: int) -> bytes:
        """The hash over the leaves [index * 2^level, (index + 1) * 2^level), all of which the tree has.

        Raises:
            IntegrityError: a tile is missing, cut short or altered.
        """
        first, end = index << level, index + 1 << level
        if first >= self.base:
            return root_of(self._leaves[first - self.base : end - self.base])
        if end > self.base:
            return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))
        tile_level, height = divmod(level, HEIGHT)
        at = index << height
        hashes = self.tile(tile_level, at // WIDTH)
        return root_of(hashes[at % WIDTH : at % WIDTH + (1 << height)])

    def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile of this tree, compared with the tile above.

        Raises:
            IntegrityError: it is missing, cut short or altered.
        """
        if index == self.base >> HEIGHT * (level + 1):
            return self._partial[level]
        latest, hashes = self._latest.get(level, (-1, []))
        if latest != index:
            hashes = read_tile(self._folder, level, index)
            if root_of(hashes) != self.tile(level + 1, index // WIDTH)[index % WIDTH]:
                raise _bad(level, index, WIDTH, "altered")
            self._latest[level] = index, hashes
        return hashes

    def add_tile(self, folder: Path, lines: Sequence[bytes], leaves: Sequence[bytes]) -> list[Path]:
        """Write the next 256 entries as a bundle and a full tile, with the tiles above.

        The tile of level 0 comes last: without it the others count for nothing, and are written again.

        Returns:
            The partial tiles that newer ones replaced.
        """
        index = self.base // WIDTH
        write_tile(folder, ENTRIES, index, encode_bundle(lines))
        replaced, level, at, node = list[Path](), 1, index, root_of(leaves)
        while True:
            before = self._partial.get(level, [])
            hashes = [*before, node]
            write_tile(folder, level, at // WIDTH, b"".join(hashes), len(hashes))
            if before:
                replaced.append(folder / tile_path(level, at // WIDTH, len(before)))
            if len(hashes) < WIDTH:
                break
            level, at, node = level + 1, at // WIDTH, root_of(hashes)
        write_tile(folder, 0, index, b"".join(leaves))
        return replaced


def read_tile(folder: Path, level: int, index: int, width: int = WIDTH) -> list[bytes]:
    """The hashes of a tile as they stand in its file, compared with nothing.

    Raises:
        IntegrityError: it is missing or cut short.
    """
    path = folder / tile_path(level, index, width)
    data = path.read_bytes() if path.exists() else b""
    if len(data) != width * _HASH_BYTES:
        raise _bad(level, index, width, "missing or cut short")
    return [data[at : at + _HASH_BYTES] for at in range(0, len(data), _HASH_BYTES)]


def write_tile(folder: Path, kind: int | str, index: int, data: bytes, width: int = WIDTH) -> None:
    """Write a tile or bundle, durably and with the folders that it needs."""
    path = folder / tile_path(kind, index, width)
    new = [parent for parent in path.relative_to(folder).parents if not (folder / parent).is_dir()]
    write_whole(path, data)
    for parent in new:
        flush_folder((folder / parent).parent)


def has_tile(folder: Path, index: int) -> bool:
    """Whether a full tile of leaf hashes is there, and with it all that belongs to it."""
    return (folder / tile_path(0, index)).exists()


def _bad(level: int, index: int, width: int, what: str) -> IntegrityError:
    first = index << HEIGHT * (level + 1)
    return IntegrityError(f"entry {first} or one after it: {tile_path(level, index, width)} is {what}")
