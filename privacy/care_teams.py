"""Who treats whom, as hospital IT or a data steward says it: by the hospital's own numbers, kept by pseudonym.

Each row that is put in or taken out stands in the log first. No number of a patient stands there, or in an error.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from policies.access import Action, Purpose
from policies.audit import LARGEST_GROUP
from policies.care_team import EVERY, Member
from policies.errors import InputError
from policies.events import Event
from policies.files import storage_errors
from policies.guard import Site
from privacy.identity import normal
from privacy.vault.codes import CodeBook
from privacy.vault.originals import Vault
from privacy.vault.pseudonyms import Pseudonyms

COLUMNS = ["patient", "account"]
_LONGEST = 256  # characters of a name
_UNKNOWN = "the vault holds no such patient, or more than one"
_HINT = "Use the record number, the id of the export where there is no number, or the pseudonym."


@dataclass(frozen=True)
class Imported:
    """What a list changed; `bad` says of each line that counts for nobody why."""

    lines: int
    added: int
    removed: int
    bad: dict[int, str]


def add(site: Site, patient: str, account: str) -> list[Member]:
    """Put an account on the care team of a patient; returns the rows that are new.

    Args:
        patient: record number, id in the source where there is no number, pseudonym, or `*` for every patient.
        account: or `*` for every account.

    Raises:
        AccessDenied: whoever asks may not manage care teams.
        InputError: the vault holds no such patient, or this is no account.
        IntegrityError: a row of the list was not written by this site.
    """
    _permit(site)
    rows = site.guard.care_teams.every()
    new = [row for row in _rows(known_as(site, [patient], _held(site)), patient, account) if row not in rows]
    _change(site, new, ())
    return new


def remove(site: Site, patient: str, account: str) -> list[Member]:
    """Take rows out again; as `add`, and raises InputError where there is no such row."""
    _permit(site)
    rows = site.guard.care_teams.every()
    names = [EVERY] if patient == EVERY else known_as(site, [patient], {row.patient for row in rows})[patient]
    gone = [row for row in rows if row.patient in names and row.account == account]
    if not gone:
        raise InputError("there is no such row", "'confide care-team list' shows them, by pseudonym.")
    _change(site, (), gone)
    return gone


def members(site: Site) -> list[Member]:
    """All rows; raises AccessDenied, IntegrityError."""
    _permit(site)
    return site.guard.care_teams.every()


def import_list(site: Site, file: Path, *, whole: bool = False) -> Imported:
    """Put in what a list says; lines that cannot be used are named, and the rest goes on.

    Args:
        file: CSV in UTF-8 with the columns patient and account; each as `add` has it.
        whole: rows that the file does not have are taken out.

    Raises:
        AccessDenied, IntegrityError: as `add`.
        InputError: the file is no such list, or no line of a whole list can be used.
    """
    _permit(site)
    lines, wanted, bad = read_list(file), set[Member](), dict[int, str]()
    known = known_as(site, {cells[0] for cells in lines.values()}, _held(site))
    for number, cells in lines.items():
        try:
            wanted.update(_rows(known, *_two(cells)))
        except InputError as error:
            bad[number] = error.message
    if whole and not wanted:
        raise InputError("no line of it can be used, so nothing was changed", _HINT, file=file)
    before = set(site.guard.care_teams.every())
    new, gone = sorted(wanted - before), sorted(before - wanted) if whole else []
    _change(site, new, gone)
    return Imported(len(lines), len(new), len(gone), bad)


def read_list(file: Path) -> dict[int, list[str]]:
    """The cells of each line of a list, by its number from 1; raises InputError where it is no CSV of these columns."""
    try:
        with storage_errors(file), file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if [name.strip() for name in next(reader, [])] != COLUMNS:
                raise InputError(f"the first line is not '{','.join(COLUMNS)}'", file=file, line=1)
            return dict((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells)  # noqa: C402
    except (csv.Error, UnicodeDecodeError):
        raise InputError("no CSV in UTF-8", "Save the list as comma-separated values, in UTF-8.", file=file) from None


def known_as(site: Site, words: Iterable[str], held: Container[str]) -> dict[str, list[str]]:
    """Under which pseudonyms, of those that are held, patients are known; none where nobody or two could be meant.

    Args:
        words: each a record number, an id in the source where there is no number, or a pseudonym.
    """
    keyed = Pseudonyms(site.keys.pseudonyms)
    readings = {word: (word, keyed.of("identifier", normal(word)), keyed.of("Patient", word)) for word in words}
    codes = CodeBook(site.home.vault, site.keys.pseudonyms).all_known(chain.from_iterable(readings.values()))
    found = {}
    for word, names in readings.items():
        fitting = [own for name in names if (own := [one for one in (name, codes.get(name, "")) if one in held])]
        found[word] = fitting[0] if len(fitting) == 1 else []
    return found


def _permit(site: Site) -> None:
    site.guard.permit(Action.MANAGE_CARE_TEAMS, Purpose.OPERATIONS)


def _two(cells: Sequence[str]) -> tuple[str, str]:
    try:
        patient, account = cells
    except ValueError:
        raise InputError(f"{len(cells)} cells instead of 2") from None
    return patient, account


def _held(site: Site) -> frozenset[str]:
    return frozenset(Vault(site.home.vault, site.keys.wrapping).patients())


def _rows(known: Mapping[str, Sequence[str]], patient: str, account: str) -> list[Member]:
    """What a patient and an account stand for; a patient of two pseudonyms has a row for each."""
    if not 0 < len(account) <= _LONGEST or not account.isprintable():
        raise InputError("this is no name of an account", f"Use 1 to {_LONGEST} characters.")
    names = [EVERY] if patient == EVERY else known[patient]
    if not names:
        raise InputError(_UNKNOWN, _HINT)
    return [Member(name, account) for name in names]


def _change(site: Site, added: Sequence[Member], removed: Sequence[Member]) -> None:
    rows = [*_logged(site, added, "added"), *_logged(site, removed, "removed")]
    for at in range(0, len(rows), LARGEST_GROUP):
        site.guard.log.append_all([(Event.CARE_TEAM_CHANGED, row) for row in rows[at : at + LARGEST_GROUP]])
    site.guard.care_teams.change(added, removed)


def _logged(site: Site, rows: Iterable[Member], change: str) -> Iterator[dict[str, str]]:
    for row in rows:
        whose = {"patients": "all"} if row.patient == EVERY else {"patient": row.patient}
        yield {"policy": site.guard.policy.digest, "change": change, "account": row.account, **whose}
