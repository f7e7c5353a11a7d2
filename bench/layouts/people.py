"""Made-up people of many origins, and the forms in which notes call them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass
from random import Random

from bench.layouts import Half, listed, own, table
from bench.layouts.marking import mark

MIXED = 0.25  # share of people whose family name is of another origin
SINGLE = 0.03  # share with one name only
WORDS = 0.2  # share whose names are everyday or clinical words


@dataclass(frozen=True)
class Person:
    """One person; one with a single name has it as given and family name."""

    first: str
    middle: str
    last: str
    nick: str
    title: str
    female: bool
    age: int
    relation: str

    @property
    def single(self) -> bool:
        return self.first == self.last

    def named(self, form: str) -> str:
        """What a note writes for a form such as "full", "rev", "ini" or "his"; names and ages over 89 are marked."""
        he, his, obj = ("she", "her", "her") if self.female else ("he", "his", "him")
        words = {"he": he, "he_": he.capitalize(), "his": his, "obj": obj, "sx": "F" if self.female else "M"}
        words |= {"sex": "Female" if self.female else "Male", "rel": self.relation, "rel_": self.relation.capitalize()}
        if form in ("age", "age90"):
            return age(self.age if form == "age" else 90 + self.age % 13)
        if form == "spelled":
            return mark("NAME", "-".join(c for c in self.last.upper() if c.isalpha()))
        if form == "user":
            return mark("ID", plain(self.first[0] + self.last))
        return words[form] if form in words else mark("NAME", self._name(form))

    def _name(self, form: str) -> str:
        forms, cased = table("people")["forms"], table("people")["cased"]
        if form in cased:
            name = self._name(cased[form][0])
            return name.upper() if cased[form][1] else name.lower()
        template: str = forms[form]
        if self.single and "{first}" in template and "{last}" in template:
            template = "{first}"
        return template.format(**asdict(self), f=self.first[0].upper(), l=self.last[0].upper())


def age(years: int) -> str:
    """An age, marked where it is over 89."""
    return mark("AGE", str(years)) if years > 89 else str(years)


def plain(name: str) -> str:
    """Lower-case letters of a name without accents, as in a login or an address."""
    return re.sub("[^a-z]", "", unicodedata.normalize("NFKD", name.lower())) or "x"


def person(rng: Random, half: Half, role: str, kin: Person | None = None) -> Person:
    """Draw a person for a role of a note; relatives (r, s) often bear the name of `kin`."""
    names, words = listed("names", half), table("people")
    as_words = rng.random() < WORDS
    origin = rng.choice([o for o in names["origin"] if (o["name"] == "words") == as_words])
    other = rng.choice(names["origin"]) if rng.random() < MIXED else origin
    female = rng.random() < 0.5
    sex = "female" if female else "male"
    first, last = rng.choice(own(origin[sex], half)), rng.choice(own(other["family"], half))
    if rng.random() < SINGLE:
        first = last = rng.choice(own(names["single"]["names"], half))
    elif kin and role in "rs" and rng.random() < 0.6 and not kin.single:
        last = kin.last
    return Person(
        first=first,
        middle=rng.choice("ABCDEFGHJKLMNPRSTW"),
        last=last,
        nick=rng.choice(own(names["nick"]["names"], half)),
        title=rng.choice(words["titles"]["clinician" if role in "deo" else sex]),
        female=female,
        age=rng.choice((rng.randrange(19, 89), rng.randrange(3, 99))),
        relation=rng.choice(words["relations"][sex]),
    )
