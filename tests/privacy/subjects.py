"""A patient on the way out, made simple: known values become [X], dates become years."""

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass
class KnownSubject:
    """Hides the known values in text, in any case, also broken over lines."""

    known: tuple[str, ...]
    made_up: bool = False
    replaces_organisations: bool = True
    pseudonym: str = "f" * 32
    texts: list[str] = field(default_factory=list)
    findings: Counter[str] = field(default_factory=Counter)

    def code(self, kind, value):
        return sha256(f"{kind} {value}".encode()).hexdigest()[:32]

    def identifier(self, value):
        return self.code("identifier", re.sub(r"\W", "", value).upper())

    def text(self, value, tagged=True):
        self.texts.append(value)
        return self._pattern.sub(lambda found: "[X]" + "\n" * found.group().count("\n"), value)

    def find(self, value, tagged=True):
        return tuple(self._pattern.finditer(value))

    def date(self, value):
        return value[:4]

    instant = date

    def birth_date(self, value):
        return str(max(1935, int(value[:4])))

    def age(self, years):
        return min(years, 90)

    def area(self, state, city, postal_code):
        return {k: v for k, v in (("state", state[:2]), ("postalCode", postal_code[:3])) if v}

    def name(self, family, given):
        return ("Madeup", ["Max"]) if self.made_up else None

    def telecom(self, system, value):
        return {"email": "a@example.com"}.get(system, "555-0100") if self.made_up else None

    @property
    def _pattern(self):
        spelled = (r"\s+".join(map(re.escape, value.split())) for value in self.known if value.split())
        return re.compile("|".join(sorted(spelled, key=len, reverse=True)) or r"(?!)", re.IGNORECASE)
