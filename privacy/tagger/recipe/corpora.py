"""Clinical sentences of corpora whose licences allow training, without the names that stand in them unmarked."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from policies.errors import InputError
from privacy.tagger.recipe.people import held_back, listed, names, vocabulary
from privacy.tagger.words import Common
from privacy.text.identifiers import table_recognizers

_BREAK = re.compile(r"\s*\n\s*|(?<=[a-z0-9)]{3}[.!?])\s+")
_LETTERS = re.compile(r"[^\W\d_]+")
_FEWEST = 3  # how often a word has to stand in small letters in the corpora to count as common
_LONGEST = 400
_EPONYM = re.compile(r"['’]s? (?:disease|syndrome|sign|test)|syndrome|disease|lymphoma|sarcoma|anemia|virus")
_AT_WORK = re.compile(r"\bwork(?:s|ed|ing)? (?:as|at|for|in)\b|\bemploye[dr]|\bretired\b|\boccupation", re.IGNORECASE)


@dataclass(frozen=True)
class Paragraph:
    """Sentences that stand together in one document of a corpus."""

    document: str
    sentences: tuple[str, ...]

    @property
    def development(self) -> bool:
        """Whether the document is held back from training."""
        return held_back(self.document)


def _tables(path: Path, column: str) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            yield f"{path.parent.name}/{path.stem}/{number}", row[column]


def _tagged(path: Path) -> Iterator[tuple[str, str]]:
    """Sentences of a two-column file, words joined as they are written."""
    for number, block in enumerate(path.read_text("utf-8").split("\n\n")):
        words = [line.split("\t")[0] for line in block.splitlines() if line.strip()]
        text = re.sub(r" (?=[,.;:%)\]])|(?<=[(\[]) ", "", " ".join(words))
        yield f"{path.parent.name}/{path.stem}/{number // 8}", re.sub(r" ?(['’/-]) ?", r"\1", text)


def _visits(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream):
            if number % 8 == 0:  # the notes of one made-up patient repeat each other
                data = json.loads(line)["content"][0]["attachment"]["data"]
                yield f"fhir_bulk/{number}", b64decode(data).decode()


def _documents(folder: Path) -> Iterator[tuple[str, str]]:
    yield from _tables(folder / "aci_bench/train.csv", "note")
    yield from _tables(folder / "aci_bench/valid.csv", "note")
    yield from _tables(folder / "mts_dialog/MTS-Dialog-TrainingSet.csv", "section_text")
    yield from _tables(folder / "mts_dialog/MTS-Dialog-ValidationSet.csv", "section_text")
    for path in sorted((folder / "maccrobat2020").glob("*.txt")):
        yield f"maccrobat2020/{path.stem}", path.read_text("utf-8")
    yield from _visits(folder / "fhir_bulk/DocumentReference.000.ndjson")
    for name in ("bc5cdr/train.tsv", "bc5cdr/devel.tsv", "ncbi_disease/train.tsv", "ncbi_disease/devel.tsv"):
        yield from _tagged(folder / name)


@dataclass(frozen=True)
class Corpora:
    """What the recipe takes from the corpora.

    Attributes:
        paragraphs: clean sentences by document.
        common: words that are common in them.
        terms: words in small letters that are not, and that are no name of the lists.
    """

    paragraphs: tuple[Paragraph, ...]
    common: Common
    terms: tuple[str, ...]


def read_corpora(folder: Path) -> Corpora:
    """Read the corpora that may be used.

    Raises:
        InputError: a corpus is not there.
    """
    try:
        raw = [(name, [s.strip() for s in _BREAK.split(text) if s.strip()]) for name, text in _documents(folder)]
        working = _occupations(folder / "maccrobat2020")
    except FileNotFoundError as error:
        raise InputError("a corpus that the recipe needs is missing", file=error.filename) from None
    counts: Counter[str] = Counter()
    for _, sentences in raw:
        for sentence in sentences:
            counts.update(word for word in _LETTERS.findall(sentence) if word.islower() and word.isascii())
    someones = names(True).every() | names(False).every() | _places()
    words = {word for word, number in counts.items() if number >= _FEWEST}
    both = words & someones - set(vocabulary()["names"]["ordinary"].split())
    common = Common(frozenset(words - both), frozenset(both))
    terms = tuple(sorted(word for word in counts if len(word) > 3 and word not in words | someones))
    filtered = _Filter(common, working)
    kept = [Paragraph(name, tuple(s for s in sentences if filtered.keeps(s))) for name, sentences in raw]
    return Corpora(tuple(paragraph for paragraph in kept if paragraph.sentences), common, terms)


def _places() -> frozenset[str]:
    whole = (*listed("places", "cities"), *listed("places", "countries"), *listed("places", "state_names"))
    return frozenset(part for place in whole for part in place.lower().split())


def _occupations(folder: Path) -> frozenset[str]:
    """Phrases that the annotators of MACCROBAT marked as somebody's occupation."""
    lines = (line.split("\t") for path in folder.glob("*.ann") for line in path.read_text("utf-8").splitlines())
    return frozenset(line[2].lower() for line in lines if len(line) > 2 and line[1].startswith("Occupation"))


class _Filter:
    """Keeps sentences in which no identifier stands that nobody marked."""

    def __init__(self, common: Common, working: frozenset[str]) -> None:
        self._doubtful = (names(True).every() | names(False).every() | _places()) - common.names
        self._jobs = re.compile(
            rf"\b(?:{'|'.join(map(re.escape, (*working, *listed('jobs', 'jobs'))))})s?\b", re.IGNORECASE
        )
        wanted = ("NAME", "ADDRESS", "HOSPITAL")
        self._tables = [r for r in table_recognizers() if r.supported_entities[0] in wanted]

    def keeps(self, sentence: str) -> bool:
        """Whether a sentence may be used as it is."""
        if len(sentence) > _LONGEST or self._jobs.search(sentence) or _AT_WORK.search(sentence):
            return False
        capitals = (word for word in _LETTERS.findall(sentence) if word[0].isupper())
        if not _EPONYM.search(sentence) and any(word.lower() in self._doubtful for word in capitals):
            return False
        return not any(table.analyze(sentence, []) for table in self._tables)
