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
from policies.keys import PublicKey, public_key_from_pem, public_key_pem
from policies.logview import LogView
from policies.notes import Kind, Verifier, open_note
from policies.proof import Proof, prove

_TEMPLATES = {"verify.go": "verify.go", "README.md": "evidence.md"}
_ENTRIES, _KEYS, _CHECKPOINT = "entries", "keys", "checkpoint"


@dataclass(frozen=True)
class Checked:
    """What an evidence folder proves: so many entries of a log, and who signed its tree head."""

    origin: str
    entries: int
    signers: tuple[str, ...]


def write_evidence(
    view: LogView, sequences: Iterable[int], key: PublicKey, witnesses: Sequence[PublicKey], out: Path
) -> int:
    """Write the folder `out`, whole or not at all; returns the number of entries.

    Args:
        key: of the log.
        witnesses: who may have cosigned its tree head.

    Raises:
        InputError: the folder exists and is not empty, or there is no entry to prove.
        IntegrityError: an entry was pruned or altered.
    """
    chosen = sorted(set(sequences))
    if not chosen:
        raise InputError("no entry to prove", "Widen the filter.")
    if out.exists() and any(out.iterdir()):
        raise InputError("this folder is not empty", "Name a new one.", file=out)
    beside = out.with_name(f".{out.name}.part")
    with storage_errors(out):
        shutil.rmtree(beside, ignore_errors=True)
        for sequence in chosen:
            write_whole(beside / _ENTRIES / f"{sequence}.json", view.line(sequence))
            write_whole(beside / _ENTRIES / f"{sequence}.tlog-proof", prove(view, sequence).text())
        write_whole(beside / _CHECKPOINT, view.note)
        verifiers = [Verifier(key), *(Verifier(one, Kind.COSIGNATURE) for one in witnesses)]
        for one in verifiers:
            write_whole(beside / _KEYS / f"{one.key.name}.vkey", one.vkey.encode() + b"\n")
            write_whole(beside / _KEYS / f"{one.key.name}.pem", public_key_pem(one.key))
        for name, template in _TEMPLATES.items():
            text = files("policies").joinpath("templates", template).read_text("utf-8")
            write_whole(beside / name, text.replace("{origin}", key.name).replace("{entry}", str(chosen[0])).encode())
        if out.exists():
            out.rmdir()
        beside.replace(out)
    return len(chosen)


def key_for(folder: Path, file: Path) -> PublicKey:
    """The key in a file (PEM, or a verifier key) as that of the log whose evidence lies in a folder.

    Raises:
        InputError: a file is missing.
        IntegrityError: the file holds no key.
    """
    try:
        data, origin = file.read_bytes(), (folder / _CHECKPOINT).read_text("utf-8").split("\n", 1)[0]
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", "Name a file that is there.", file=error.filename
        ) from None
    return public_key_from_pem(origin, data) if data.startswith(b"-----") else Verifier.from_vkey(data.decode()).key


def verify_evidence(folder: Path, key: PublicKey) -> Checked:
    """Check an evidence folder against a key that is known from elsewhere; the keys in the folder are not believed.

    Raises:
        InputError: this is no evidence folder.
        IntegrityError: naming the first entry that was not logged as it stands there.
    """
    proofs = sorted((folder / _ENTRIES).glob("*.tlog-proof"), key=lambda path: int(path.stem))
    if not proofs:
        raise InputError("no evidence here", "Name a folder that 'confide audit export --evidence' wrote.", file=folder)
    verifiers = [Verifier(key), *_claimed_witnesses(folder, key)]
    for path in proofs:
        try:
            proof = Proof.parse(path.read_bytes())
            if proof.index != int(path.stem):
                raise IntegrityError(f"it is about entry {proof.index}")
            proof.check(path.with_suffix(".json").read_bytes(), [Verifier(key)])
        except FileNotFoundError:
            raise IntegrityError(f"{path.with_suffix('.json')}: the entry is missing") from None
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error.message}") from None
    _, signed = open_note((folder / _CHECKPOINT).read_bytes(), verifiers)
    return Checked(key.name, len(proofs), tuple(sorted(one.key.name for one in signed)))


def _claimed_witnesses(folder: Path, key: PublicKey) -> list[Verifier]:
    found = [Verifier.from_vkey(path.read_text("utf-8")) for path in sorted((folder / _KEYS).glob("*.vkey"))]
    return [one for one in found if one.key.name != key.name]
