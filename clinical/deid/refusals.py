"""What is refused before a record is read, and before anything is made."""

from __future__ import annotations

from pathlib import Path

from clinical.formats.detect import files_by_format
from clinical.manifest import read_manifest
from policies.errors import InputError, IntegrityError
from policies.keys import PublicKey
from policies.legal import check_basis
from policies.policy import Deidentification


def check_request(
    rules: Deidentification,
    source: Path,
    out: Path,
    key: PublicKey | None,
    *,
    columns: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Refuse a job that cannot be begun; nothing is made by asking.

    Args:
        key: of the site; None where there is none yet, so that nothing can be its output.

    Raises:
        PolicyError: the policy's legal basis does not allow what the policy wants.
        InputError: IN or the file of columns cannot be read, IN and OUT lie in one another, or OUT must stay.
    """
    check_basis(rules)
    refuse_nested(source, out)
    files_by_format(source, columns)
    refuse_filled(out, overwrite, key)


def refuse_nested(source: Path, out: Path) -> None:
    """One inside the other: replacing OUT would take the records of IN with it."""
    one, other = source.resolve(), out.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise InputError("IN and OUT lie in one another", "Name a folder beside IN.", file=out)


def refuse_filled(out: Path, overwrite: bool, key: PublicKey | None) -> None:
    """Only what this site signed, and nothing else beside it, may be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if key is None or not _is_output(out, key):
        raise InputError("not empty, and not signed by this site", "Name a new folder.", file=out)
    if not overwrite:
        raise InputError("holds de-identified records already", "Name a new folder, or add --overwrite.", file=out)


def _is_output(folder: Path, key: PublicKey) -> bool:
    try:
        read_manifest(folder, key)
        return all(path.is_file() for path in folder.iterdir())
    except (OSError, InputError, IntegrityError):
        return False
