"""A log as one append left it, read and verified: every entry that it hands out is one that the checkpoint signed.

checkpoint      the signed tree head, which makes an append count
tile/           entries and hashes by 256, immutable (C2SP tlog-tiles)
edge.ndjson     the entries after the last full bundle, one to a line
sealed/         ciphertexts that entries name by their SHA-256
pruned          the number of the entry that says up to where older entries were deleted
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.errors import IntegrityError
from policies.events import NO_ENTRY, Entry, Event, decode
from policies.files import sha256_hex, storage_errors
from policies.keys import PublicKey
from policies.notes import Checkpoint, Verifier, open_note
from policies.tiles import ENTRIES, WIDTH, Tree, decode_bundle, has_tile, read_tile, tile_path
from policies.tlog import EMPTY_ROOT, Frontier, consistency_proof, inclusion_proof, leaf_hash, range_root

CHECKPOINT, EDGE, SEALED, PRUNED = "checkpoint", "edge.ndjson", "sealed", "pruned"
NOTHING_SIGNED = Checkpoint("", 0, EMPTY_ROOT)


def look(folder: Path, key: PublicKey) -> LogView:
    """The log as it stands now; appends wait meanwhile, and no longer.

    Raises:
        IntegrityError: it is not what its checkpoint signed; the first bad entry is named.
    """
    if not folder.is_dir():
        return LogView(folder, key)
    with storage_errors(folder), held(folder, fcntl.LOCK_SH):
        return LogView(folder, key)


@contextmanager
def held(folder: Path, how: int) -> Iterator[None]:
    """Hold a log's folder by `flock`, to read it (LOCK_SH) or to append (LOCK_EX)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def read_note(folder: Path) -> bytes:
    """The checkpoint as it is signed, or nothing where there is none yet."""
    try:
        return (folder / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return b""


def read_checkpoint(folder: Path, key: PublicKey) -> Checkpoint | None:
    """The signed tree head of a log, or None where there is none yet.

    Raises:
        IntegrityError: the checkpoint is torn, not signed by this key, or of another log.
    """
    note = read_note(folder)
    return _checkpoint(folder, note, key) if note else None


class LogView:
    """A log at one size; `look` makes one, and who appends makes one while holding the folder.

    Attributes:
        note: the checkpoint as it is signed.
        signed: the same, read.
        tree: its hashes.
        lines: the signed entries of the edge that no full tile holds.
        edge: so many bytes of the edge are signed.
        unsigned: so many whole lines follow them.
        doubled: the edge still begins with the entries of the last full tile.
        first: the first entry that was not pruned.
    """

    def __init__(self, folder: Path, key: PublicKey) -> None:
        self.folder, self.note, self.first = folder, read_note(folder), 0
        self.signed = _checkpoint(folder, self.note, key) if self.note else NOTHING_SIGNED
        with self._named():
            self._read_edge()
            if (self.tree.size, self.tree.frontier().root()) != (self.size, self.signed.root):
                self._blame()
            self.first = self._pruned_until()

    @property
    def size(self) -> int:
        return self.signed.size

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[Entry]:
        """The entries from `start` to before `end`, as far as they were not pruned.

        Raises:
            IntegrityError: at the first bad entry, after those before it.
        """
        start, end = max(start, self.first), self.size if end is None else min(end, self.size)
        with self._named():
            before = self.leaf(start - 1) if 0 < start < end else NO_ENTRY
            for sequence, line, leaf in self._signed_lines(start, end):
                yield decode(line, sequence, before)
                before = leaf

    def entry(self, sequence: int) -> Entry:
        """One entry.

        Raises:
            IntegrityError: there is none with this number, it was pruned, or it was altered.
        """
        if not self.first <= sequence < self.size:
            raise IntegrityError(f"{self.folder}: there is no entry {sequence} from {self.first} to {self.size - 1}")
        return next(self.entries(sequence, sequence + 1))

    def line(self, sequence: int) -> bytes:
        """One entry as its leaf hash covers it; raises as `entry`."""
        self.entry(sequence)
        return next(self._signed_lines(sequence, sequence + 1))[1]

    def leaf(self, sequence: int) -> bytes:
        """The leaf hash of an entry, also of a pruned one."""
        return self.tree.node(0, sequence)

    def inclusion_proof(self, sequence: int, size: int | None = None) -> list[bytes]:
        """From the entry to the signed root, or to that of an earlier size (RFC 6962, section 2.1.1)."""
        return inclusion_proof(sequence, self.size if size is None else size, self.tree.node)

    def consistency_proof(self, old: int) -> list[bytes]:
        """That the log of `old` entries begins this one (RFC 6962, section 2.1.2)."""
        return consistency_proof(old, self.size, self.tree.node)

    def continues(self, head: Checkpoint) -> bool:
        """Whether this log begins with the tree of `head`."""
        if head.size > self.size:
            return False
        return (range_root(0, head.size, self.tree.node) if head.size else EMPTY_ROOT) == head.root

    def sealed(self, entry: Entry) -> bytes:
        """The ciphertext that an entry names.

        Raises:
            IntegrityError: it is missing, or not the one that was logged.
        """
        path = self.folder / SEALED / entry.sealed
        data = path.read_bytes() if path.is_file() else b""
        if sha256_hex(data) != entry.sealed:
            raise IntegrityError(f"{self.folder}: what entry {entry.sequence} sealed is missing or was altered")
        return data

    def _read_edge(self) -> None:
        full = self.size // WIDTH
        tiles = full if not full or has_tile(self.folder, full - 1) else full - 1
        path = self.folder / EDGE
        lines = (path.read_bytes() if path.exists() else b"").split(b"\n")[:-1]  # what has no end was never written
        # A crash can come between the writing of a tile and the cutting of the edge.
        self.doubled = bool(tiles and lines) and leaf_hash(lines[0]) == read_tile(self.folder, 0, tiles - 1)[0]
        begin = (tiles - self.doubled) * WIDTH
        lines, unsigned = lines[: self.size - begin], lines[self.size - begin :]
        if has_tile(self.folder, full) or not _of_one_append(unsigned):
            raise IntegrityError(f"entry {self.size} and those after it are not signed by the checkpoint")
        self.edge, self.unsigned = sum(len(line) + 1 for line in lines), len(unsigned)
        self.lines = lines[tiles * WIDTH - begin :]
        self.tree = Tree(self.folder, tiles * WIDTH, [leaf_hash(line) for line in self.lines])

    def _pruned_until(self) -> int:
        path = self.folder / PRUNED
        if not path.exists():
            return 0
        number = path.read_bytes()
        entry = self.entry(int(number)) if number.isdigit() else None
        if entry is None or entry.event is not Event.LOG_PRUNED:
            raise IntegrityError(f"the file '{PRUNED}' names no entry that says what was pruned")
        return int(entry.details["until"])

    def _signed_lines(self, start: int, end: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, line and leaf hash of entries whose leaf hashes stand in the signed tree."""
        base = self.tree.base
        for first in range(start // WIDTH * WIDTH, min(end, base), WIDTH):
            bundle, leaves = self._bundle(first), self._leaves(first)
            for sequence in range(max(start, first), min(end, first + len(bundle))):
                line, leaf = bundle[sequence - first], leaves[sequence - first]
                if leaf_hash(line) != leaf:
                    raise IntegrityError(f"entry {sequence} was altered after it was signed")
                yield sequence, line, leaf
            if first + len(bundle) < min(end, first + WIDTH):
                raise self._missing(first + len(bundle))
        for sequence in range(max(start, base), end):
            line = self.lines[sequence - base]
            yield sequence, line, leaf_hash(line)

    def _leaves(self, first: int) -> list[bytes]:
        """A full tile of leaf hashes; where it was altered, the first entry that does not follow is named instead."""
        try:
            return self.tree.tile(0, first // WIDTH)
        except IntegrityError:
            _follow(self._bundle(first), first, None)
            raise

    def _bundle(self, first: int) -> list[bytes]:
        path = self.folder / tile_path(ENTRIES, first // WIDTH)
        return decode_bundle(path.read_bytes())[:WIDTH] if path.exists() else []

    def _blame(self) -> None:
        """Name the first bad entry of a log that is not the signed one, without believing any hash that is stored."""
        before, frontier, tiles = NO_ENTRY, Frontier(), range(0, self.tree.base, WIDTH)
        pruned = next((first for first in tiles if self._bundle(first)), self.tree.base)
        if pruned:
            before = read_tile(self.folder, 0, pruned // WIDTH - 1)[-1]
        for first in (*tiles[pruned // WIDTH :], self.tree.base):
            lines = self._bundle(first) if first < self.tree.base else self.lines
            before = _follow(lines, first, before)
            if first + len(lines) < min(first + WIDTH, self.size):
                raise self._missing(first + len(lines))
            for line in lines:
                frontier = frontier.with_node(leaf_hash(line))
        if frontier.root() == self.signed.root:
            raise IntegrityError("a tile of hashes was altered; the entries are those that were signed")
        raise IntegrityError(f"entry {self.size - 1} was altered after it was signed")

    def _missing(self, sequence: int) -> IntegrityError:
        return IntegrityError(f"entry {sequence} of {self.size} is missing or cut short")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say whose log it is that cannot be read."""
        try:
            with storage_errors(self.folder):
                yield
        except IntegrityError as error:
            raise IntegrityError(f"{self.folder}: {error.message.removeprefix(f'{self.folder}: ')}") from None


def _follow(lines: Iterable[bytes], first: int, before: bytes | None) -> bytes:
    """The last leaf hash of entries that follow one another; raises IntegrityError at the first that does not."""
    leaf = before or NO_ENTRY
    for sequence, line in enumerate(lines, first):
        decode(line, sequence, before)
        leaf = before = leaf_hash(line)
    return leaf


def _checkpoint(folder: Path, note: bytes, key: PublicKey) -> Checkpoint:
    try:
        signed = Checkpoint.parse(open_note(note, [Verifier(key)])[0])
    except IntegrityError as error:
        raise IntegrityError(f"{folder / CHECKPOINT}: {error.message}") from None
    if signed.origin != key.name:
        raise IntegrityError(f"{folder / CHECKPOINT}: it is that of another log, '{signed.origin}'")
    return signed


def _of_one_append(lines: list[bytes]) -> bool:
    """Whether one append, which a crash cut off before its checkpoint, can have left all of these lines."""
    try:
        read = [json.loads(line) for line in lines] if len(lines) > 1 else []
        return len({(entry["session"], entry["time"]) for entry in read}) <= 1
    except (ValueError, KeyError, TypeError):
        return False
