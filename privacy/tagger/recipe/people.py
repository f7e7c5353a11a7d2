"""Made-up people of many origins: name lists of Faker and of our own table, invented names, and ways to write them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from random import Random
from typing import Any, TypeVar

from policies.files import table_of

T = TypeVar("T")
HELD_BACK = 12  # percent of the names that only documents for development use
_INVENTED, _WORDS_AS_NAMES = 0.16, 0.13


def vocabulary() -> dict[str, dict[str, str]]:
    """The recipe's own lists."""
    return table_of("privacy.tagger.recipe", "vocabulary")


def listed(group: str, name: str) -> list[str]:
    """One list whose entries are separated by commas."""
    return vocabulary()[group][name].split(", ")


def held_back(key: str) -> bool:
    """Whether a name or a document is for development alone; the same answer on every machine."""
    return hashlib.sha256(key.lower().encode()).digest()[0] * 100 // 256 < HELD_BACK


@dataclass(frozen=True)
class Names:
    """Given names and surnames by origin, the words that may be either, and rare clinical terms that are neither."""

    given: tuple[tuple[str, ...], ...]
    family: tuple[tuple[str, ...], ...]
    confusable: tuple[str, ...]
    nick: tuple[str, ...]
    words: tuple[str, ...]
    terms: tuple[str, ...]

    def every(self) -> frozenset[str]:
        """All names of the lists in lower case, parts of compound ones as well."""
        lists = (*self.given, *self.family, self.confusable, self.nick)
        return frozenset(part for own in lists for name in own for part in name.lower().replace("-", " ").split())


@cache
def names(development: bool, words: tuple[str, ...] = (), terms: tuple[str, ...] = ()) -> Names:
    """The names of one half of the split.

    Args:
        development: which half.
        words: words of the language that now and then serve as surnames.
        terms: clinical terms that are nobody's name.
    """
    own = vocabulary()["names"]
    # Words in both senses are needed on both sides: there the sentence decides, not the list.
    confusable = tuple(own["confusable"].split())

    def half(pool: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in pool if _latin(name) and held_back(name) is development))

    given, family = [], []
    for locale in vocabulary()["names"]["locales"].split():
        provider: Any = import_module(f"faker.providers.person.{locale}").Provider
        first, last = _given(provider), list(getattr(provider, "last_names", ()))
        if len(first) > 5 and len(last) > 5:
            given.append(half(first))
            family.append(half(last))
    for key in own:
        if key.endswith("_last"):
            pool = own[key].split(", ") if "," in own[key] else own[key].split()
            family.append(half(pool))
            given.append(half(own.get(key.replace("_last", "_first"), "").split()) or given[0])
    keep = [number for number in range(len(given)) if given[number] and family[number]]
    return Names(
        tuple(given[number] for number in keep),
        tuple(family[number] for number in keep),
        confusable,
        tuple(own["nick"].split()),
        half(words),
        half(terms),
    )


def _given(provider: Any) -> list[str]:
    both = [*getattr(provider, "first_names_female", ()), *getattr(provider, "first_names_male", ())]
    return both or list(getattr(provider, "first_names", ()))


def _latin(name: str) -> bool:
    letters = [letter for letter in name if letter.isalpha()]
    return len(letters) > 1 and all(map(_is_latin, letters)) and len(name.upper()) == len(name)


def _is_latin(letter: str) -> bool:
    return ord(letter) < 0x250 or 0x1E00 <= ord(letter) < 0x1F00 or letter == "ʻ"  # with the tones of Việt, with ʻokina


def invented(rng: Random) -> str:
    """A name that is in no list."""
    starts, vowels, ends = (vocabulary()["names"][part].split() for part in ("starts", "vowels", "ends"))
    middle = "".join(rng.choice(vowels) + rng.choice(starts) for _ in range(rng.choice((0, 1, 1, 2))))
    return (rng.choice(starts) + middle + rng.choice(vowels) + rng.choice((*ends, ""))).capitalize()


@dataclass(frozen=True)
class Person:
    """Somebody in a note."""

    first: str
    last: str
    female: bool
    middle: str
    nick: str


def person(rng: Random, pool: Names, last: str | None = None) -> Person:
    """Somebody of some origin, or of none."""
    # Half of the people bear names that are common in the United States, the other half come from anywhere.
    group = 0 if rng.random() < 0.3 else rng.randrange(len(pool.given))
    first, own = rng.choice(pool.given[group]), rng.choice(pool.family[group])
    if rng.random() < 0.2:
        own = rng.choice(pool.family[rng.randrange(len(pool.family))])
    if rng.random() < _INVENTED:
        first, own = (invented(rng), own) if rng.random() < 0.3 else (first, invented(rng))
    if rng.random() < _WORDS_AS_NAMES:
        word = rng.choice(pool.words).capitalize() if pool.words and rng.random() < 0.4 else rng.choice(pool.confusable)
        first, own = (word, own) if rng.random() < 0.3 else (first, word)
    if rng.random() < 0.04:
        own = f"{own}-{rng.choice(pool.family[rng.randrange(len(pool.family))])}"
    return Person(first, last or own, rng.random() < 0.5, rng.choice("ABCDEFGHIJKLMNOPRSTVWYZ"), rng.choice(pool.nick))


def titled(rng: Random, who: Person) -> str:
    """A person with a form of address: "Ms. Okafor", "Mr Reed", "Mrs. Amara Okafor"."""
    title = rng.choice(("Ms", "Mrs", "Ms", "Miss")) if who.female else "Mr"
    stop = "" if title == "Miss" or rng.random() < 0.2 else "."
    return f"{title}{stop} {who.first + ' ' if rng.random() < 0.07 else ''}{who.last}"


def full(rng: Random, who: Person) -> str:
    """First and last name, at times with a middle initial, a suffix or a nickname."""
    forms = ("{f} {l}", "{f} {m}. {l}", "{f} {m} {l}", "{i}. {l}", "{f} {l} Jr.", "{f} “{n}” {l}", "{f} ({n}) {l}")
    form = rng.choices(forms, (70, 10, 5, 4, 2, 1, 1))[0]
    return form.format(f=who.first, l=who.last, m=who.middle, i=who.first[0], n=who.nick)


def doctor(rng: Random, who: Person) -> str:
    """A physician with a title."""
    title = rng.choices(("Dr. ", "Dr ", "Doctor ", "Prof. ", "Dr."), (70, 18, 5, 4, 3))[0]
    return title + rng.choices((who.last, f"{who.first} {who.last}", f"{who.first[0]}. {who.last}"), (65, 30, 5))[0]


def choose(rng: Random, options: Sequence[T]) -> T:
    """One of the options."""
    return options[rng.randrange(len(options))]
