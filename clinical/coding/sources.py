"""Reads the files of code systems that a hospital brings: RxNorm, LOINC, SNOMED CT, Disease Ontology.

Each reader yields names, and an InputError with file and line for each line that it cannot use.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.errors import InputError


@dataclass(frozen=True)
class Name:
    """One name of a code.

    Attributes:
        display: the name by which the system shows the code.
        tag: what the code is of, where the system says so ("disorder").
        rank: how common it is among codes of equal names, 1 the most.
    """

    code: str
    display: str
    name: str
    tag: str = ""
    rank: int = 1_000_000


Names = Iterator[Name | InputError]
_RXNORM_FIELDS = 18
_RXNORM_DISPLAYS = ("IN", "PIN", "MIN", "BN", "SCD", "SBD", "SCDC", "SBDC", "SCDF", "SBDF", "GPCK", "BPCK", "DF")
_LOINC_NAMES = ("LONG_COMMON_NAME", "SHORTNAME", "COMPONENT", "DisplayName", "CONSUMER_NAME")
_SNOMED_FIELDS = 9
_FULL, _SYNONYM = "900000000000003001", "900000000000013009"  # the two types of a description
_TAG = re.compile(r" \(([^()]+)\)$")
_SYNONYMS = re.compile(r'"(.*)" EXACT\b')


def rxnorm(path: Path) -> Names:
    """RXNCONSO.RRF of the National Library of Medicine: RxNorm's own English names that are not suppressed."""
    displays: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for number, line in _lines(path):
        cells = line.split("|")
        if len(cells) < _RXNORM_FIELDS:
            yield InputError(f"{_RXNORM_FIELDS} fields are expected, not {len(cells)}", file=path, line=number)
            continue
        code, language, source, kind, name, suppressed = (cells[place] for place in (0, 1, 11, 12, 14, 16))
        if not code.isdecimal() or not name:
            yield InputError("no RXCUI or no name", file=path, line=number)
        elif language == "ENG" and source == "RXNORM" and suppressed in ("N", ""):
            kept.append((code, name))
            if kind in _RXNORM_DISPLAYS:
                displays.setdefault(code, name)
    yield from (Name(code, displays.get(code, name), name) for code, name in kept)


def loinc(path: Path) -> Names:
    """Loinc.csv of the Regenstrief Institute: the names of every term that is not deprecated."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        if not {"LOINC_NUM", "LONG_COMMON_NAME", "STATUS"} <= {*(rows.fieldnames or ())}:
            raise InputError("no columns LOINC_NUM, LONG_COMMON_NAME and STATUS", "Name Loinc.csv.", file=path, line=1)
        for row in rows:
            if None in row or None in row.values():
                yield InputError("not as many fields as the first line", file=path, line=rows.line_num)
            elif not re.fullmatch(r"\d{1,7}-\d", row["LOINC_NUM"]) or not row["LONG_COMMON_NAME"]:
                yield InputError("no LOINC number or no name", file=path, line=rows.line_num)
            elif row["STATUS"] != "DEPRECATED":
                rank = int(row.get("COMMON_TEST_RANK") or 0) or Name.rank
                for name in dict.fromkeys(row[column] for column in _LOINC_NAMES if row.get(column)):
                    yield Name(row["LOINC_NUM"], row["LONG_COMMON_NAME"], name, rank=rank)


def snomed(path: Path) -> Names:
    """A Description snapshot of SNOMED CT's Release Format 2: active names in English.

    Whether a concept is active stands in another file: a name that is still active is read though its concept is not.
    """
    full: dict[str, str] = {}
    synonyms: list[tuple[str, str]] = []
    for number, line in _lines(path):
        cells = line.split("\t")
        if number == 1 and cells[0] == "id":
            continue
        if (
            len(cells) != _SNOMED_FIELDS
            or not cells[4].isdecimal()
            or cells[6] not in (_FULL, _SYNONYM)
            or not cells[7]
        ):
            yield InputError("not a description of Release Format 2", file=path, line=number)
        elif cells[2] == "1" and cells[5] == "en":
            if cells[6] == _FULL:
                full[cells[4]] = cells[7]
            synonyms.append((cells[4], cells[7]))
    for code, name in synonyms:
        display = full.get(code, name)
        tag = _TAG.search(display)
        yield Name(code, display, _TAG.sub("", name) if name == display else name, tag[1] if tag else "")


def disease_ontology(path: Path) -> Names:
    """An OBO file of the Disease Ontology: names and exact synonyms of what it refers to codes of ICD-10-CM."""
    for term in obo_terms(path):
        for code in term.icd10cm:
            yield from (Name(code, term.names[0], name) for name in term.names)


@dataclass(frozen=True)
class OboTerm:
    """A disease: its identifier, its name and exact synonyms, and the codes of ICD-10-CM that it refers to."""

    identifier: str
    names: tuple[str, ...]
    icd10cm: tuple[str, ...]


def obo_terms(path: Path) -> Iterator[OboTerm]:
    """The terms of an OBO file that are not obsolete and refer to ICD-10-CM."""
    tags: dict[str, list[str]] = {}
    for _, line in [*_lines(path), (0, "[End]")]:
        if line.startswith("["):
            if tags.get("id") and tags.get("name") and "is_obsolete" not in tags:
                synonyms = (found[1].strip() for own in tags.get("synonym", ()) if (found := _SYNONYMS.match(own)))
                codes = tuple(
                    own.removeprefix("ICD10CM:") for own in tags.get("xref", ()) if own.startswith("ICD10CM:")
                )
                if codes:
                    yield OboTerm(tags["id"][0], tuple(dict.fromkeys((tags["name"][0], *synonyms))), codes)
            tags = {}
        elif ": " in line:
            tag, value = line.split(": ", 1)
            tags.setdefault(tag, []).append(value)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", errors="strict", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            yield number, line.rstrip("\r\n")


@dataclass(frozen=True)
class Source:
    """A code system that can be imported: its name, the file that it comes in, and what reads that."""

    system: str
    file: str
    read: Callable[[Path], Names]


SOURCES: Final[Mapping[str, Source]] = {
    "rxnorm": Source("RxNorm", "RXNCONSO.RRF", rxnorm),
    "loinc": Source("LOINC", "Loinc.csv", loinc),
    "snomed": Source("SNOMED CT", "sct2_Description_Snapshot-en_*.txt", snomed),
    "disease-ontology": Source("ICD-10-CM", "doid.obo", disease_ontology),
}
