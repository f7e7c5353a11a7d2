"""Made-up values that stand for identifiers: the same for one patient everywhere, unrelated between patients.

Each is drawn with HMAC-SHA-256 from the hospital's secret, the patient and the original alone, so that every worker,
file and format gives the same one, and nobody without the secret can tell the original.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import regex  # type: ignore[import-untyped]

from privacy.text.dates import group_age_text
from privacy.text.name_lists import (
    DEFAULT_ORIGIN,
    Kind,
    folded,
    kind_of,
    names,
    names_with_initial,
    plain,
    table,
    words,
)
from privacy.text.surrogate_codes import MAKERS, code
from privacy.text.surrogate_places import city_endings, in_address, in_facility, jobs
from privacy.vault.pseudonyms import Pseudonyms

SHORTEST_WORD = 4  # letters; a shorter word may come back as a part of another
DRAWS_FROM_LIST, DRAWS_OF_ORIGIN, MOST_DRAWS = 32, 96, 4096
_ENGLISH = Kind("family", None, DEFAULT_ORIGIN)
_WORD = r"\p{L}[\p{L}\p{M}]*(?:['’](?![sS]\b)\p{L}[\p{L}\p{M}]*)*"
_TOKEN = regex.compile(
    rf"(?P<degree>\b(?:M\.D|D\.O|R\.N|N\.P|P\.A|Ph\.D|D\.D\.S)\.)|(?P<word>{_WORD})(?P<own>['’][sS]\b)?(?P<digits>\d*)"
)
_AT_LINE_END = regex.compile(r"(?<=\p{Ll})-[ \t]*\r?\n[ \t]*(?=\p{Ll})")
_VOWEL = regex.compile(r"(?i)[aeiouy]")


def names_taken(people: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The words of the names of FHIR-shaped people, as `Surrogates` wants them; memory grows with their number."""
    written = (
        str(part)
        for person in people
        for name in person.get("name") or ()
        if isinstance(name, Mapping)
        for part in (name.get("family") or "", name.get("text") or "", *(name.get("given") or ()))
    )
    return frozenset(folded(word) for name in written for word in regex.findall(_WORD, name))


@dataclass(frozen=True)
class Surrogates:
    """The made-up values of one hospital.

    Args:
        secret: at least 32 bytes, of this hospital.
        taken: words of names that are never drawn, as `names_taken` gives them.

    Raises:
        ValueError: the secret is shorter.
    """

    secret: bytes = field(repr=False)
    taken: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        Pseudonyms(self.secret)

    def person(
        self, patient: str, family: str, given: Sequence[str], gender: str | None = None
    ) -> tuple[str, list[str]]:
        """Family and given names for those of a structured field; `text` gives the same words the same names.

        Args:
            patient: whose record it is.
            gender: "female" or "male", for names that leave it open.
        """
        first = [self.text(patient, "NAME", name, gender) if name else "" for name in given]
        return (self.text(patient, "NAME", family, gender) if family else ""), first

    def text(self, patient: str, category: str, original: str, gender: str | None = None) -> str:
        """The made-up value for an identifier as it stands in a text, in the layout of the original.

        Args:
            patient: whose record it is.
            category: of the identifier; dates are not made up but moved or cut (privacy/text/dates.py).
            gender: "female" or "male", for names that leave it open.

        Raises:
            ValueError: no values of this category are made up.
        """
        match category:
            case "AGE":
                return group_age_text(original)
            case "NAME":
                made_up = self._name(patient, original, gender)
            case "ADDRESS":
                made_up = in_address(original, self._place_maker(patient, original), self._code_maker(patient))
            case "HOSPITAL":
                made_up = in_facility(original, self._place_maker(patient, original), self._code_maker(patient))
            case "PROFESSION":
                made_up = self._job(patient, original)
            case _ if category in MAKERS:
                return self._code(patient, category, original)
            case _:
                raise ValueError(f"no values of the category {category} are made up")
        return made_up if made_up != original else self._code(patient, category, original)

    def _draws(self, *what: str) -> Iterator[int]:
        """An endless stream of keyed numbers of 32 bits."""
        codes = Pseudonyms(self.secret)
        for block in count():
            drawn = codes.of("surrogate", "\0".join((*what, str(block))))
            yield from (int(drawn[start : start + 8], 16) for start in range(0, 32, 8))

    def _drawn(self, what: tuple[str, ...], choices: Sequence[str], avoid: Collection[str]) -> str:
        """A name that nobody bears: of the list, else put together from two of it, else from any two English ones."""
        draws = self._draws(*what)
        for attempt in range(MOST_DRAWS):
            some = choices if attempt < DRAWS_OF_ORIGIN else names(_ENGLISH)
            drawn = some[next(draws) % len(some)]
            if attempt >= DRAWS_FROM_LIST:
                other = some[next(draws) % len(some)]
                drawn = drawn[: (len(drawn) + 1) // 2] + other[len(other) // 2 :]
            if folded(drawn) not in self.taken and is_new(drawn, avoid):
                return drawn
        raise ValueError("no name is left that nobody bears")

    def _code(self, patient: str, category: str, original: str) -> str:
        # The same number with other punctuation is the same number.
        draws = self._draws(patient, "code", "".join(c for c in original.casefold() if c.isalnum()))
        maker, avoid = MAKERS.get(category, code), _words(original) - words("cues")
        made_up = (maker(original, draws) for _ in range(MOST_DRAWS))
        return next((new for new in made_up if new != original and is_new(new, avoid)), f"[{category}]")

    def _name(self, patient: str, original: str, gender: str | None) -> str:
        original = _AT_LINE_END.sub("", original)
        avoid = _words(original)

        def replaced(found: Any) -> str:
            before, after = original[: found.start()], original[found.end() :]
            if found["degree"] and not regex.search(r"\p{L}{2}", before):  # alone, M.D. are somebody's initials
                return str(regex.sub(r"\p{L}", lambda letter: self._initial(patient, letter[0]), found[0]))
            if found["degree"] or _stays(found["word"], after):
                return str(found[0])
            digits = self._code(patient, "ID", found["digits"]) if found["digits"] else ""
            return self._word(patient, found["word"], gender, avoid) + (found["own"] or "") + digits

        return str(_TOKEN.sub(replaced, original))

    def _word(self, patient: str, word: str, gender: str | None, avoid: Collection[str]) -> str:
        alone = {*avoid} <= {folded(word)}  # beside a title or another name, NG is a name, which has no vowel either
        if len(word) == 1 or (alone and len(word) <= 3 and word.isupper() and not _VOWEL.search(plain(word))):
            return "".join(self._initial(patient, letter) for letter in word)
        kind = kind_of(word)
        if kind.role == "given" and kind.gender is None:
            kind = Kind("given", gender, kind.origin)
        # One patient's names with one initial get names with one initial, as do lone initials.
        choices = names_with_initial(kind, self._initial(patient, word[0].upper()))
        drawn = self._drawn((patient, "name", folded(word)), choices, avoid)
        return _cased(plain(drawn) if word.isascii() else drawn, word)

    def _initial(self, patient: str, letter: str) -> str:
        base = plain(letter)[:1].upper()
        choices = [c for c in table()["words"]["initials"] if c != base]
        drawn = str(choices[next(self._draws(patient, "initial", base)) % len(choices)])
        return drawn.lower() if letter.islower() else drawn

    def _place_maker(self, patient: str, original: str) -> Callable[[str, bool], str]:
        """A maker of names of streets and towns: of the old name, and whether it is a town."""
        avoid = _words(original) - words("streets") - words("address") - words("facility")

        def place(old: str, town: bool) -> str:
            endings = city_endings() if town else ("",)
            for attempt in count():
                key = (patient, "town" if town else "street", folded(old), str(attempt))
                name = self._drawn(key, names(_ENGLISH), avoid)
                name += endings[next(self._draws(*key, "ending")) % len(endings)]
                if is_new(name, avoid):
                    break
            return _cased(name, old)

        return place

    def _code_maker(self, patient: str) -> Callable[[str], str]:
        return lambda original: self._code(patient, "ID", original)

    def _job(self, patient: str, original: str) -> str:
        draws, avoid = self._draws(patient, "job", folded(original)), _words(original)
        listed = (jobs()[next(draws) % len(jobs())] for _ in range(MOST_DRAWS))
        drawn = next(job for job in listed if is_new(job, avoid))
        return drawn.lower() if original[:1].islower() else _cased(drawn, original)


def is_new(drawn: str, avoid: Collection[str]) -> bool:
    """Whether a made-up value gives none of the old words away, not even as a part or with one typing error."""
    new = folded(drawn)
    return not any(new == old or (len(old) >= SHORTEST_WORD and (old in new or _near(old, new))) for old in avoid)


def _near(one: str, other: str) -> bool:
    """Whether at most one letter is exchanged, missing or too many."""
    start = _shared(one, other)
    return start + _shared(one[start:][::-1], other[start:][::-1]) >= max(len(one), len(other)) - 1


def _shared(one: str, other: str) -> int:
    """The length of the common start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _words(text: str) -> frozenset[str]:
    return frozenset(folded(word) for word in regex.findall(_WORD, text))


def _stays(word: str, after: str) -> bool:
    """Whether a word of a name is a title, a degree, or a particle before another word."""
    old = word.casefold()
    if old in words("particles"):
        return bool(regex.match(r"\s+\p{L}", after))
    if old in words("small_particles"):
        return word.islower() and bool(regex.match(r"\s+\p{Lu}", after))
    return old in words("titles")


def _cased(new: str, old: str) -> str:
    return new.upper() if old.isupper() else new.lower() if old.islower() and old[0].isalpha() else new
