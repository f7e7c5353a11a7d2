"""Clinical text to put identifiers into: of corpora that may be used where they lie, else of our own generator."""

from __future__ import annotations

import csv
import re
from calendar import month_name
from datetime import date
from pathlib import Path
from random import Random

from clinical.synthetic.people import person
from clinical.synthetic.story import story
from clinical.synthetic.tables import conditions, table

Bodies = list[list[str]]
SHORTEST, LONGEST, FEWEST = 15, 320, 16
DOCUMENTS = 120  # of the generator's, where no corpus lies
# A sentence that may hold an identifier of its own is left out: nobody marked it.
_DOUBTFUL = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Doctor|Nurse)\b\.? ?[A-Z]"
    r"|\b(?:Hospital|University|Georgia)\b|[A-Z]\w+ (?:Clinic|Cent(?:er|re)|Institute|Store)\b"
    rf"|\b(?:{'|'.join(m[:3] + f'(?:{m[3:]})?' for m in month_name[1:])})\b|\b[A-Z][a-z]+day\b"
    r"|\d[/-]\d+[/-]\d|\b\d\d?/(?:19|20)\d\d|\b(?:19|20)\d\d-\d|\b(?:9\d|1\d\d)[- ]y|\bage 9\d"
    r"|[A-Z][a-z]+ [A-Z][a-z]+(?:'s|,? (?:is|was|has|presents|returns|who)\b)"
)
_CALLED = re.compile(
    r"\b([A-Z][a-z]+) ([A-Z][a-z]+) (?:is|presents|returns|was)\b|\b([A-Z][a-z]+) is an? \d|(?i:\bhi ,? ?)(\w+)"
)
_STOP = re.compile(r"(?<!\b[DM]r\.)(?<!\bMs\.)(?<!\bMrs\.)(?<=[.!?])\s+(?=[A-Z])|\n+")


def bodies(corpora: Path | None, seed: int) -> Bodies:
    """Documents as lists of sentences without identifiers of their own."""
    texts = list(_corpora(corpora)) if corpora else []
    documents: Bodies = []
    for text, spoken in texts:
        kept = _kept(text, spoken)
        if documents and len(documents[-1]) < FEWEST:  # short texts are joined, or a note would repeat itself
            documents[-1] += kept
        else:
            documents.append(kept)
    return documents or [_told(Random(f"{seed}/{n}")) for n in range(DOCUMENTS)]


def _corpora(folder: Path) -> list[tuple[str, str]]:
    """Texts, each with words spoken beside it, which tell the names to look for."""
    visits = _rows(folder / "aci_bench" / "valid.csv")
    sections = _rows(folder / "mts_dialog" / "MTS-Dialog-ValidationSet.csv")
    reports = sorted((folder / "maccrobat2020").glob("*.txt"))
    return [
        *((row["note"], row["dialogue"]) for row in visits),
        *((row["section_text"], "") for row in sections),
        *((path.read_text("utf-8"), "") for path in reports[-len(reports) // 4 :]),
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _kept(text: str, spoken: str) -> list[str]:
    names = {name.lower() for groups in _CALLED.findall(f"{text} {spoken}") for name in groups if len(name) > 2}
    sentences = (s.strip(" •\t") for s in _STOP.split(text))
    return [
        s
        for s in sentences
        if SHORTEST <= len(s) <= LONGEST and not _DOUBTFUL.search(s) and not names & set(re.findall(r"\w+", s.lower()))
    ]


def _told(rng: Random) -> list[str]:
    condition = rng.choice(list(conditions().values()))
    hospital = rng.choice(table("people")["hospital"])
    patient = person(rng, hospital, [condition], rng.randrange(30, 80), date(2022, 3, 1))
    told = story(rng, patient, condition)
    parts = (told.symptoms, told.exam, told.results, told.labs, told.given, told.plan)
    listed = [item for part in parts for item in part]
    return [f"{item[0].upper()}{item[1:].rstrip('.')}." for item in listed if item]
