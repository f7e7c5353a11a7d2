"""Fill a layout with one patient's identifiers, people around them, and clinical text between."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from random import Random
from typing import Any

from bench.layouts import Half, listed, own, table
from bench.layouts.marking import Spans, change, mark, pad, paged, scanned, unmarked, wrapped
from bench.layouts.people import Person, age, person
from bench.layouts.values import Address, coded, day, email

_SLOT = re.compile(r"\{([a-z]+[0-9]?|city_zip)(?:\.([a-z0-9_]+))?(?::(\d+))?\}")
_CHOICE = re.compile(r"<<(.*?)>>", re.DOTALL)
ROLES = "prsdeoncxy"  # patient, relatives, doctors, nurse, clerk or counsellor, friends


@dataclass(frozen=True)
class Patient:
    """A patient of a hospital, with the marked values that every note of theirs repeats; `old` is over 89."""

    id: str
    half: Half
    site: str
    self: Person
    born: date
    home: Address
    values: dict[str, str]
    old: bool


class Note:
    """One note being written: every slot keeps its value throughout."""

    def __init__(self, rng: Random, patient: Patient, layout: dict[str, Any], visit: date, body: list[str]) -> None:
        self.rng, self.patient, self.layout, self.visit = rng, patient, layout, visit
        self.half, self.body, self.at = patient.half, body, rng.randrange(len(body))
        self.known: dict[str, Any] = {"p": patient.self, "addr": patient.home} | patient.values

    def written(self) -> tuple[str, Spans]:
        """The text and its spans."""
        layout = self.layout
        text = self.fill(_CHOICE.sub(lambda m: self.rng.choice(m[1].split("||")), layout["text"])).strip()
        if case := layout.get("case"):
            text = change(text, case)
        if width := layout.get("wrap"):
            text = wrapped(text, width)
        if layout.get("noise"):
            text = scanned(self.rng, text)
        if prefix := layout.get("prefix"):
            text = "\n".join(prefix + line for line in text.splitlines())
        return unmarked(paged(text, self.fill(layout["page"])) if "page" in layout else text)

    def fill(self, template: str) -> str:
        """A template with its slots filled."""
        return _SLOT.sub(lambda m: self._slot(m[1], m[2] or "", int(m[3] or 0)), template)

    def _slot(self, key: str, form: str, width: int) -> str:
        if key in ("body", "lines", "clin", "conf"):
            return self._prose(key, width)
        value = self._value(key, form)
        return pad(value, width) if width else value

    def _value(self, key: str, form: str) -> str:
        if key not in self.known:
            self.known[key] = self._drawn(key.rstrip("0123456789"))
        value = self.known[key]
        if isinstance(value, Person):
            if key == "p" and form == "age":
                return self._patient_age()
            return value.named(form or "full")
        if isinstance(value, date):
            return day(self.rng, value, self.half, form)
        if isinstance(value, Address):
            return value.written(form)
        return change(value, form) if form else str(value)

    def _patient_age(self) -> str:
        return age((self.visit - self.patient.born).days * 100 // 36525)

    def _drawn(self, kind: str) -> Any:
        rng, half, values = self.rng, self.half, listed("values", self.half)
        if kind in ROLES:
            return person(rng, half, kind, self.patient.self)
        if category := values["slots"].get(kind):
            return coded(rng, half, category)
        if places := values["place_slots"].get(kind):
            return mark("HOSPITAL", rng.choice(own(values["places"][places], half)))
        return self._single(kind)

    def _single(self, kind: str) -> Any:
        rng, half, site = self.rng, self.half, self.patient.site
        place = self.patient.home if kind == "street" else Address(rng, half)
        if keyed := listed("values", half)["keyed_slots"].get(kind):
            return coded(rng, half, *keyed)
        makers: dict[str, Callable[[], Any]] = {
            "date": lambda: self.visit,
            "ago": lambda: self.visit - timedelta(days=rng.randrange(2, 400)),
            "next": lambda: self.visit + timedelta(days=rng.randrange(2, 90)),
            "dob": lambda: self.patient.born,
            "mrn": lambda: coded(rng, half, "MRN", f"MRN_{site.upper()}"),
            "url": lambda: coded(rng, half, "URL", site=site),
            "email": lambda: email(rng, half, person(rng, half, "x"), site),
            "addr": lambda: place,
            "street": lambda: mark("ADDRESS", place.street),
            "city": lambda: mark("ADDRESS", place.city),
            "city_zip": lambda: mark("ADDRESS", f"{place.city} {place.zip}"),
        }
        return makers[kind]()

    @cached_property
    def _unsaid(self) -> dict[str, list[str]]:
        lines = table(f"mentions_{self.half}")
        return {kind: self.rng.sample(lines[kind], len(lines[kind])) for kind in ("mentions", "confusables")}

    def _said(self, kind: str) -> str:
        left = self._unsaid[kind]
        return self.fill(left.pop()) if left else ""

    def _sentence(self) -> str:
        self.at = (self.at + 1) % len(self.body)
        return self.body[self.at]

    def _prose(self, key: str, sentences: int) -> str:
        if key == "conf":
            return " ".join(self._said("confusables") for _ in range(sentences))
        parts = [self._sentence() for _ in range(sentences if key == "clin" else round(sentences * 1.5))]
        if key != "clin":
            added = [self._said("mentions") for _ in range(round(sentences * 0.7) or 1)]
            added += [self._said("confusables") for _ in range(round(sentences * 0.4) or 1)]
            for item in added:
                parts.insert(self.rng.randrange(len(parts) + 1), item)
        return ("\n" if key == "lines" else " ").join(p for p in parts if p)
