"""Given and family names by origin and gender, from the lists of the package faker."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

from policies.files import table_of

DEFAULT_ORIGIN = "english"
# A name that is at home in more origins than these tells nothing of its bearer.
MOST_ORIGINS = 5
FEWEST_NAMES = 12  # of a list to choose from
_ATTRIBUTES = {
    "first_names_male": ("given", "male"), "first_names_female": ("given", "female"), "first_names": ("given", None),
    "first_romanized_names": ("given", None), "last_names": ("family", None), "unisex_last_names": ("family", None),
    "last_names_male": ("family", None), "male_last_names": ("family", None), "last_romanized_names": ("family", None),
}  # fmt: skip
_WITHOUT_MARKS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ß": "ss", "æ": "ae"}
)
_SHORTEST_LIST = 6  # shorter ones only stand in for lists that a locale lacks


@dataclass(frozen=True)
class Kind:
    """What the lists know of a name: its role ("given" or "family"), its gender where it is clear, and its origin."""

    role: str
    gender: str | None
    origin: str


def plain(text: str) -> str:
    """Letters without accents, for text that has none."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text.translate(_WITHOUT_MARKS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def folded(text: str) -> str:
    """A word as it is compared: without accents and case."""
    return plain(text).casefold()


def kind_of(word: str) -> Kind:
    """Role, gender and origin of one word of a name; an unknown one is a family name of the origin of its script."""
    if not _is_latin(word):
        script = unicodedata.name(word[0], "").split(" ")[0]
        return Kind("family", None, script if script in table()["scripts"] else DEFAULT_ORIGIN)
    return _kinds().get(folded(word), Kind("family", None, DEFAULT_ORIGIN))


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """The names that are clearly of a kind, sorted; where those are too few, all of its origin and gender, or any."""
    lists = _lists()[kind.origin]
    of_gender = lists.get((kind.role, kind.gender), frozenset()) if kind.gender else frozenset()
    of_role = {name for (role, _), some in lists.items() if role == kind.role for name in some}
    fitting = (kind, replace(kind, gender="female"), replace(kind, gender="male")) if kind.gender is None else (kind,)
    clear = {name for name in of_gender or of_role if _kinds().get(folded(name)) in fitting}
    return tuple(sorted(clear if len(clear) >= FEWEST_NAMES else of_gender or of_role))


@cache
def names_with_initial(kind: Kind, initial: str) -> tuple[str, ...]:
    """Those names of a kind that begin with a letter; all of the kind where none does."""
    return tuple(name for name in names(kind) if folded(name)[0] == initial.casefold()) or names(kind)


def table() -> dict[str, Any]:
    """tables/surrogates.toml."""
    return table_of("privacy", "tables/surrogates")


@cache
def words(name: str) -> frozenset[str]:
    """One of the lists of words in the table."""
    return frozenset(table()["words"][name].split())


_Lists = Mapping[tuple[str, str | None], frozenset[str]]


@cache
def _lists() -> Mapping[str, _Lists]:
    origins = table()["origins"] | table()["scripts"]
    lists: dict[str, dict[tuple[str, str | None], set[str]]] = {o: defaultdict(set) for o in origins}
    for origin, locales in origins.items():
        for locale in locales:
            for role, gender, name in _names_of(locale):
                if _is_latin(name) != (origin in table()["scripts"]):
                    lists[origin][role, gender].add(name)
    return {origin: {k: frozenset(v) for k, v in some.items()} for origin, some in lists.items()}


def _names_of(locale: str) -> Iterator[tuple[str, str | None, str]]:
    """Role, gender and name for the words of a locale's lists; of María José only the first tells the gender."""
    provider = import_module(f"faker.providers.person.{locale}").Provider
    for attribute, (role, gender) in _ATTRIBUTES.items():
        listed = getattr(provider, attribute, ())
        told_apart = attribute == "first_names" and hasattr(provider, "first_names_male")
        if not told_apart and isinstance(listed, (tuple, list, Mapping)) and len(listed) >= _SHORTEST_LIST:
            parts = 1 if role == "given" else None
            for word in (word for name in listed for word in re.split(r"[\s-]+", name)[:parts]):
                if _is_usable(word):
                    yield role, gender, word.capitalize()


def _is_usable(word: str) -> bool:
    lone = re.fullmatch(r"[^\d_.,'’`\"()/]+", word) and not word[0].islower() and folded(word) not in words("excluded")
    return bool(lone) and len(word) >= (3 if _is_latin(word) else 1)


def _is_latin(word: str) -> bool:
    return unicodedata.name(word[0], "LATIN").startswith("LATIN")


@cache
def _kinds() -> Mapping[str, Kind]:
    roles: dict[str, Counter[str]] = defaultdict(Counter)
    genders: dict[str, Counter[str | None]] = defaultdict(Counter)
    homes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for origin in table()["origins"]:
        of_origin = {(folded(n), role, gender) for (role, gender), some in _lists()[origin].items() for n in some}
        for word, role in {(word, role) for word, role, _ in of_origin}:
            roles[word][role] += 1
            homes[word, role].append(origin)
        for word, _, gender in of_origin:
            genders[word][gender] += 1
    kinds = {}
    for word, counted in roles.items():
        role = "given" if counted["given"] > counted["family"] else "family"
        kinds[word] = Kind(role, _clear(genders[word]) if role == "given" else None, _origin(homes[word, role]))
    return kinds


def _clear(counted: Counter[str | None]) -> str | None:
    male, female = counted["male"], counted["female"]
    return "male" if male > 3 * female else "female" if female > 3 * male else None


def _origin(homes: list[str]) -> str:
    return DEFAULT_ORIGIN if len(homes) > MOST_ORIGINS else homes[0]
