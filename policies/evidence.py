"""Entries of a log for a stranger: their bytes, their proofs, the signed tree head, the keys, and how to check them.

Nothing of this program is needed for the check: a Go program of one page, or openssl and sha256sum.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from policies.errors import InputError, IntegrityError
from policies.files import storage_errors, write_whole
from policies.keys import PublicKey, public_key_pem
from policies.logview import LogView
from policies.notes import Checkpoint, Verifier, cosigners, open_note
from policies.proof import Proof, prove
from policies.wording import counted

_ENTRIES, _KEYS, _CHECKPOINT = "entries", "keys", "checkpoint"


@dataclass(frozen=True)
class Checked:
    """What an evidence folder proves: so many entries of a log, and who signed its tree head."""

    origin: str
    entries: int
    signers: tuple[str, ...]


def write_evidence(
    view: LogView,
    sequences: Iterable[int],
    key: PublicKey,
    witnesses: Sequence[PublicKey],
    out: Path,
    *,
    asked: str,
    cosigned: bytes = b"",
) -> int:
    """Write the folder `out`, whole or not at all; returns the number of entries.

    Args:
        key: of the log.
        witnesses: who may have cosigned its tree head.
        asked: which entries were chosen, in words, for the README.
        cosigned: the newest tree head that they signed, as a note, if there is one; the proofs lead to it where it
            holds every chosen entry, else to the log's own.

    Raises:
        InputError: the folder exists and is not empty, or there is no entry to prove.
        IntegrityError: an entry was pruned or altered.
    """
    chosen = sorted(set(sequences))
    if not chosen:
        raise InputError("no entry to prove", "Widen the filter.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError("it is there already and not empty", "Name a new folder.", file=out)
    beside = out.with_name(f".{out.name}.part")
    size, note = _tree_head(view, chosen[-1], key, cosigned)
    _, signed = open_note(note, [Verifier(key), *cosigners(witnesses)])
    with storage_errors(out):
        shutil.rmtree(beside, ignore_errors=True)
        for sequence in chosen:
            write_whole(beside / _ENTRIES / f"{sequence}.json", view.line(sequence))
            write_whole(beside / _ENTRIES / f"{sequence}.tlog-proof", prove(view, sequence, size, note).text())
        write_whole(beside / _CHECKPOINT, note)
        for one in signed:
            write_whole(beside / _KEYS / f"{one.key.name}.vkey", one.vkey.encode() + b"\n")
            write_whole(beside / _KEYS / f"{one.key.name}.pem", public_key_pem(one.key))
        write_whole(beside / "verify.go", _template("verify.go").encode())
        count = counted(len(chosen), "entry")
        facts = {"origin": key.name, "entry": chosen[0], "count": count, "size": size, "asked": asked}
        write_whole(beside / "README.md", _template("evidence.md").format(**facts).encode())
        if out.exists():
            out.rmdir()
        beside.replace(out)
    return len(chosen)


def origin_of(folder: Path) -> str:
    """The name of the log that an evidence folder is about, as it says itself; raises InputError where it is none."""
    return _checkpoint(folder).split(b"\n", 1)[0].decode(errors="replace")


def verify_evidence(folder: Path, key: PublicKey, witnesses: Sequence[PublicKey] = ()) -> Checked:
    """Check an evidence folder against keys that are known from elsewhere; the keys in the folder are not believed.

    Args:
        key: of the log.
        witnesses: whose cosignatures count.

    Raises:
        InputError: this is no evidence folder.
        IntegrityError: the tree head is not the log's, or naming the first entry that was not logged as it is there.
    """
    proofs = sorted((folder / _ENTRIES).glob("*.tlog-proof"), key=lambda path: (len(path.stem), path.stem))
    own = [Verifier(one) for one in key.every]  # evidence from before a rotation is signed by a former key
    text, signed = open_note(_checkpoint(folder), [*own, *cosigners(witnesses)])
    if signed.keys().isdisjoint(own) or Checkpoint.parse(text).origin != key.name or not proofs:
        raise IntegrityError(f"{folder / _CHECKPOINT}: it is not a tree head of the log of '{key.name}' with entries")
    unproved = {path.stem for path in (folder / _ENTRIES).glob("*.json")} - {path.stem for path in proofs}
    if unproved:
        raise IntegrityError(f"{folder / _ENTRIES / min(unproved)}.json: there is no proof of this entry")
    for path in proofs:
        try:
            _check_entry(path, text, own)
        except FileNotFoundError:
            raise IntegrityError(f"{path.with_suffix('.json')}: the entry is missing") from None
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error.message}") from None
    return Checked(key.name, len(proofs), tuple(sorted(one.key.name for one in signed)))


def _check_entry(path: Path, head: bytes, own: Sequence[Verifier]) -> None:
    proof = Proof.parse(path.read_bytes())
    if str(proof.index) != path.stem:
        raise IntegrityError(f"it is about entry {proof.index}")
    if not proof.note.startswith(head + b"\n"):
        raise IntegrityError(f"it leads to another tree head than that in '{_CHECKPOINT}'")
    proof.check(path.with_suffix(".json").read_bytes(), own)


def _template(name: str) -> str:
    return files("policies").joinpath("templates", name).read_text("utf-8")


def _tree_head(view: LogView, newest: int, key: PublicKey, cosigned: bytes) -> tuple[int, bytes]:
    """Size and note of the tree head to prove against."""
    try:
        head = Checkpoint.parse(open_note(cosigned, [Verifier(key)])[0])
    except IntegrityError:  # there is none, or a former key signed it
        return view.size, view.note
    return (head.size, cosigned) if newest < head.size and view.continues(head) else (view.size, view.note)


def _checkpoint(folder: Path) -> bytes:
    try:
        return (folder / _CHECKPOINT).read_bytes()
    except OSError:
        raise InputError(
            "no evidence here", "Name a folder that 'confide audit export --evidence' wrote.", file=folder
        ) from None
