"""Made-up notes: templates and sentences of open corpora, filled with made-up identifiers whose place is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from policies.files import table_of
from privacy.tagger.recipe.people import (
    Names,
    choose,
    doctor,
    full,
    invented,
    listed,
    person,
    titled,
    vocabulary,
)

LABELS = ("NAME", "ADDRESS", "HOSPITAL", "PROFESSION")
_SLOT = re.compile(r"\{(\w+?)(\d?)\}")
_PRONOUNS = {True: ("she", "her", "her"), False: ("he", "his", "him")}


@dataclass(frozen=True)
class Marked:
    """A text and its spans, (start, end, label)."""

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()

    def __add__(self, other: Marked) -> Marked:
        moved = tuple((start + len(self.text), end + len(self.text), label) for start, end, label in other.spans)
        return Marked(self.text + other.text, self.spans + moved)


def joined(parts: Sequence[Marked], between: str) -> Marked:
    """Parts with a separator between them."""
    whole = Marked("")
    for number, part in enumerate(parts):
        whole = whole + (Marked(between) if number else Marked("")) + part
    return whole


def layouts() -> dict[str, list[str]]:
    """The templates by kind."""
    return table_of("privacy.tagger.recipe", "layouts")


class Cast:
    """The people, places and things of one note: fills the slots of templates."""

    def __init__(self, rng: Random, pool: Names) -> None:
        self.rng, self.pool = rng, pool
        self.patient = person(rng, pool)
        self.staff = [person(rng, pool) for _ in range(5)]
        self.family = [person(rng, pool, self.patient.last if rng.random() < 0.5 else None) for _ in range(3)]
        self.hospital = self._hospital()
        self.he, self.his, self.him = _PRONOUNS[self.patient.female]

    def fill(self, template: str) -> Marked:
        """A template with its slots filled."""
        whole, place = Marked(""), 0
        for slot in _SLOT.finditer(template):
            whole = whole + Marked(template[place : slot.start()]) + self.slot(slot.group(1), slot.group(2))
            place = slot.end()
        return whole + Marked(template[place:])

    def slot(self, name: str, number: str = "") -> Marked:
        """What stands in a slot, marked if it is an identifier."""
        for label, method in (("NAME", self._name), ("ADDRESS", self._place), ("HOSPITAL", self._organisation)):
            value = method(name, int(number or 1) - 1)
            if value is not None:
                return Marked(value, ((0, len(value), label),))
        if name.lower() == "job":
            job = choose(self.rng, listed("jobs", "jobs"))
            job = job[0].upper() + job[1:] if name == "Job" else job
            return Marked(job, ((0, len(job), "PROFESSION"),))
        return Marked(self._plain(name))

    def _name(self, name: str, number: int) -> str | None:
        rng, patient = self.rng, self.patient
        staff, relative = self.staff[number % 2], self.family[number % 3]
        other = self.staff[2 + number % 3]
        forms: dict[str, Callable[[], str]] = {
            "patient": lambda: rng.choices(
                (titled(rng, patient), full(rng, patient), patient.last, patient.first), (46, 24, 12, 18)
            )[0],
            "full": lambda: full(rng, patient),
            "fullm": lambda: f"{patient.first} {patient.middle}. {patient.last}",
            "first": lambda: patient.first,
            "last": lambda: patient.last if number == 0 else self.staff[3 + number % 2].last,
            "title": lambda: titled(rng, patient),
            "lastfirst": lambda: f"{patient.last}, {patient.first}",
            "lastfirstm": lambda: f"{patient.last}, {patient.first} {patient.middle}{choose(rng, ('', '.'))}",
            "initials": lambda: choose(rng, ("{0}.{1}.", "{0}{1}", "{0}.{2}.{1}.", "{0}. {1}.")).format(
                patient.first[0].upper(), patient.last[0].upper(), patient.middle
            ),
            "nick": lambda: patient.nick,
            "doctor": lambda: doctor(rng, staff),
            "doctorplain": lambda: full(rng, staff),
            "doctorlast": lambda: staff.last,
            "doctorfirst": lambda: staff.first,
            "doctorinit": lambda: (
                f"{staff.first[0]}{choose(rng, ('.', '. ', ' '))}{staff.last}"
                if rng.random() < 0.7
                else f"{staff.first[0]}. {staff.middle}. {staff.last}"
            ),
            "other": lambda: full(rng, other),
            "otherfirst": lambda: other.first,
            "otherlast": lambda: other.last,
            "otherlastfirst": lambda: f"{other.last}, {other.first}",
            "othershort": lambda: f"{other.first} {other.last[0]}{choose(rng, ('.', ''))}",
            "otherinit": lambda: f"{other.first[0]}. {other.last}",
            "middle": lambda: patient.middle,
            "middleletter": lambda: other.middle,
            "doctorinitlast": lambda: f"{staff.first[0]}. {staff.last}",
            "otherinitials": lambda: choose(rng, (str.upper, str.upper, str.lower))(other.first[0] + other.last[0]),
            "hl7name": lambda: f"{patient.last}^{patient.first}{choose(rng, ('', '^' + patient.middle))}",
            "hl7other": lambda: f"{other.last}^{other.first}{choose(rng, ('', '^' + other.middle))}",
            "doctorlastfirst": lambda: f"{staff.last}, {staff.first}",
            "rellastfirst": lambda: f"{relative.last}, {relative.first}",
            "relative": lambda: relative.first if rng.random() < 0.9 else relative.nick,
            "relfull": lambda: full(rng, relative),
        }
        form = forms.get(name)
        return form() if form else None

    def _place(self, name: str, _: int) -> str | None:
        rng = self.rng
        forms: dict[str, Callable[[], str]] = {
            "city": self._city,
            "country": lambda: choose(rng, listed("places", "countries")),
            "county": lambda: f"{choose(rng, (invented(rng), person(rng, self.pool).last, self._city()))} County",
            "streetname": self._street_name,
            "street": self._street,
            "citystate": lambda: f"{self._city()}, {self._state()}",
            "citystatezip": lambda: f"{self._city()}{choose(rng, (', ', ' ', ', '))}{self._state()} {self._postal()}",
            "hl7address": lambda: f"{self._street()}^^{self._city()}^{self._state()}^{self._postal()}",
            "address": lambda: (
                self._street()
                + choose(rng, (", ", ", ", " "))
                + self._city()
                + (f", {self._state()} {self._postal()}" if rng.random() < 0.8 else "")
            ),
        }
        form = forms.get(name)
        return form() if form else None

    def _state(self) -> str:
        short = vocabulary()["places"]["states"].split()
        return choose(self.rng, short if self.rng.random() < 0.85 else listed("places", "state_names"))

    def _postal(self) -> str:
        more = f"-{self.rng.randrange(9999):04d}" if self.rng.random() < 0.1 else ""
        return f"{self.rng.randrange(1000, 99999):05d}{more}"

    def _city(self) -> str:
        rng, draw = self.rng, self.rng.random()
        if draw < 0.5:
            return choose(rng, listed("places", "cities"))
        places = vocabulary()["places"]
        stem = (
            choose(rng, places["town_first"].split()) if rng.random() < 0.5 else person(rng, self.pool).last.split()[-1]
        )
        if draw < 0.8:
            return stem + choose(rng, places["town_parts"].split())
        return f"{choose(rng, listed('places', 'town_before'))} {choose(rng, (stem, invented(rng)))}"

    def _street_name(self) -> str:
        rng = self.rng
        own = choose(rng, (choose(rng, listed("places", "street_names")), person(rng, self.pool).last, invented(rng)))
        ahead = choose(rng, ("N. ", "South ", "W ", "East ", "NW ")) if rng.random() < 0.12 else ""
        return f"{ahead}{own} {choose(rng, listed('places', 'street_kinds'))}"

    def _street(self) -> str:
        rng = self.rng
        door = choose(rng, (" Apt {}", ", Apt. {}B", " #{}", " Unit {}", ", Suite {}", ", Floor {}"))
        behind = door.format(rng.randrange(1, 40))
        if rng.random() < 0.04:
            return f"{choose(rng, ('P.O. Box', 'PO Box', 'RR 2 Box'))} {rng.randrange(10, 9999)}"
        return f"{rng.randrange(1, 9999)} {self._street_name()}{behind if rng.random() < 0.2 else ''}"

    def _hospital(self) -> str:
        rng = self.rng
        draw = rng.random()
        own = (
            self._city()
            if draw < 0.4
            else choose(rng, listed("organisations", "hospital_names"))
            if draw < 0.75
            else choose(rng, (person(rng, self.pool).last, invented(rng)))
        )
        between = choose(rng, ("", "", "", "", " County", " Regional", " Valley", " Memorial"))
        kind = choose(rng, listed("organisations", "hospital_kinds"))
        if rng.random() < 0.1:
            return f"{choose(rng, listed('organisations', 'hospital_before'))} {choose(rng, (self._city(), own))}"
        if rng.random() < 0.03:
            return "".join(rng.choice("BCDGHJLMNPRSTUVW") for _ in range(rng.choice((3, 4)))) + choose(
                rng, ("", "H", "MC")
            )
        return f"{own}{between} {kind}"

    def _organisation(self, name: str, number: int) -> str | None:
        rng, own = self.rng, vocabulary()["organisations"]
        someone = person(rng, self.pool).last

        def kind(which: str) -> str:
            return choose(rng, own[which].split(", "))

        forms: dict[str, Callable[[], str]] = {
            "hospital": lambda: self.hospital if number == 0 and rng.random() < 0.5 else self._hospital(),
            "unit": lambda: kind("units"),
            "home": lambda: f"{choose(rng, (kind('home_names'), self._city(), someone))} {kind('home_kinds')}",
            "employer": lambda: (
                kind("companies")
                if rng.random() < 0.3
                else f"{choose(rng, (kind('company_words'), someone, self._city()))} {kind('company_kinds')}"
            ),
            "school": lambda: f"{choose(rng, (self._city(), someone, kind('hospital_names')))} {kind('school_kinds')}",
            "church": lambda: f"{choose(rng, (self._city(), kind('hospital_names')))} {kind('church_kinds')}",
            "pharmacy": lambda: choose(
                rng, ("CVS", "Walgreens", f"{someone} Drug", f"{self._city()} Pharmacy #{rng.randrange(9999)}")
            ),
        }
        form = forms.get(name)
        return form() if form else None

    def _plain(self, name: str) -> str:
        """What is no identifier of ours: numbers, dates, pronouns, and entries of the clinical lists."""
        rng = self.rng
        pronouns = {"he": self.he, "his": self.his, "him": self.him}
        forms: dict[str, Callable[[], str]] = {
            "age": lambda: str(rng.randrange(1, 96)),
            "n": lambda: str(rng.randrange(2, 60)),
            "year": lambda: str(rng.randrange(1950, 2024)),
            "sexletter": lambda: "F" if self.patient.female else "M",
            "date": self._date,
            "time": lambda: f"{rng.randrange(24):02d}:{rng.randrange(60):02d}",
            "phone": lambda: f"{rng.randrange(200, 999)}-{rng.randrange(200, 999)}-{rng.randrange(9999):04d}",
            "mrn": lambda: str(rng.randrange(10**5, 10**9)),
            "statename": lambda: choose(rng, listed("places", "state_names")),
            "brand": lambda: invented(rng) if rng.random() < 0.6 else choose(rng, listed("clinical", "drugs")),
            "epo": lambda: invented(rng) if rng.random() < 0.3 else person(rng, self.pool).last,
            "term": lambda: choose(rng, self.pool.terms or ("fascia", "sclerae")),
        }
        if name in forms:
            return forms[name]()
        key = name.lower()
        value = forms[key]() if key in forms else pronouns.get(key) or choose(rng, listed("clinical", self._list(key)))
        if name.isupper():
            return value.upper()
        return value[0].upper() + value[1:] if name[0].isupper() else value

    def _list(self, key: str) -> str:
        if key == "sexword":
            return "women" if self.patient.female else "men"
        return {"specialty": "specialties", "ethnicity": "ethnicities", "words": "words"}.get(key, f"{key}s")

    def _date(self) -> str:
        rng = self.rng
        month, day, year = rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(1930, 2025)
        named = choose(rng, listed("clinical", "months"))
        forms = (
            f"{month}/{day}/{year}",
            f"{month:02d}/{day:02d}/{year % 100:02d}",
            f"{year}-{month:02d}-{day:02d}",
            f"{named} {day}, {year}",
            f"{day} {named[:3]} {year}",
            f"{month}/{day}",
        )
        return choose(rng, forms)
