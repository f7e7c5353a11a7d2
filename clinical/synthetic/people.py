"""Made-up patients and staff, with every kind of identifier that notes carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from clinical.synthetic.tables import Comorbidity, Condition, comorbidities, table

PRONOUNS = {"female": ("she", "her", "her"), "male": ("he", "his", "him")}


@dataclass(frozen=True)
class Person:
    """A patient: what the Patient resource holds, and what only notes say."""

    id: str
    female: bool
    first: str
    last: str
    born: date
    mrn: str
    ssn: str
    account: str
    plan_id: str
    phone: str
    email: str
    street: str
    city: str
    state: str
    zip: str
    relation: str
    relative: tuple[str, str]
    relative_phone: str
    device: str
    history: tuple[Comorbidity, ...]

    @property
    def gender(self) -> str:
        """FHIR's administrative gender."""
        return "female" if self.female else "male"

    def age(self, on: date) -> int:
        """Completed years of life on a day."""
        return on.year - self.born.year - ((on.month, on.day) < (self.born.month, self.born.day))


def digits(rng: Random, pattern: str) -> str:
    """Fill each `{d4}` of a pattern with that many digits."""
    return re.sub(r"\{d(\d+)\}", lambda m: f"{rng.randrange(10 ** (int(m[1]) - 1), 10 ** int(m[1]))}", pattern)


def phone(rng: Random) -> str:
    """A number of the block 555-0100 to 555-0199, which is kept for fiction, in one of the usual forms."""
    area, tail = rng.choice(table("people")["areas"]), f"01{rng.randrange(100):02d}"
    return rng.choice(("({a}) 555-{t}", "{a}-555-{t}", "{a}.555.{t}")).format(a=area, t=tail)


def name(rng: Random, female: bool) -> tuple[str, str]:
    """A given name and a family name, mostly of one origin."""
    origins = table("people")["origin"]
    origin = rng.choice(origins)
    family = origin if rng.random() < 0.9 else rng.choice(origins)
    return rng.choice(origin["female" if female else "male"]), rng.choice(family["family"])


def _relative(rng: Random, female: bool, last: str, age: int) -> tuple[str, tuple[str, str]]:
    """A relation that fits the patient's age and sex, with the relative's name."""
    people = table("people")
    relative_female = rng.random() < 0.55
    fitting = set(people["relations_female" if relative_female else "relations_male"])
    fitting -= {"wife"} if female else {"husband"}
    fitting -= {"mother", "father"} if age > 55 else set()
    fitting -= {"granddaughter", "grandson", "niece", "nephew"} if age < 60 else set()
    fitting -= {"daughter", "son"} if age < 38 else set()
    fitting -= {"wife", "husband"} if age < 25 else set()
    first, own_last = name(rng, relative_female)
    return rng.choice(sorted(fitting)), (first, last if rng.random() < 0.6 else own_last)


def _history(rng: Random, age: int, labels: set[str]) -> tuple[Comorbidity, ...]:
    """Up to four comorbidities, none of which is one of the patient's labels."""
    pool = [c for c in comorbidities() if c.from_age <= age and c.label not in labels]
    wanted = rng.choices((0, 1, 2, 3, 4), (3, 3, 3, 2, 1) if age < 50 else (1, 2, 4, 3, 2))[0]
    chosen: list[Comorbidity] = []
    while pool and len(chosen) < wanted:
        chosen.append(rng.choices(pool, [c.weight for c in pool])[0])
        pool.remove(chosen[-1])
    return tuple(chosen)


def person(
    rng: Random, hospital: Mapping[str, Any], seen_for: Sequence[Condition], age: int, first_visit: date
) -> Person:
    """A patient of a hospital, of an age at the first visit, who is seen for some conditions, the main one first."""
    people = table("people")
    female = rng.random() < seen_for[0].female
    first, last = name(rng, female)
    born = first_visit - timedelta(days=round((age + rng.uniform(0.01, 0.99)) * 365.25))
    city, state, zip_start = rng.choice(people["cities"])
    relation, relative = _relative(rng, female, last, age)
    ascii_name = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
    user = "".join(c for c in ascii_name.lower() if c.isalnum() or c == ".")
    return Person(
        id=f"{rng.getrandbits(64):016x}",
        female=female,
        first=first,
        last=last,
        born=born,
        mrn=digits(rng, hospital["mrn"]),
        ssn=f"9{rng.randrange(100):02d}-{rng.randrange(10, 50)}-{rng.randrange(1000, 10000)}",
        account=digits(rng, hospital["account"]),
        plan_id=digits(rng, rng.choice(("HP{d8}", "W{d9}", "MBR-{d7}"))),
        phone=phone(rng),
        email=f"{user}{rng.choice(('', rng.randrange(10, 99)))}@{rng.choice(people['mail_hosts'])}",
        street=f"{rng.randrange(2, 4800)} {rng.choice(people['streets'])}",
        city=city,
        state=state,
        zip=f"{zip_start}{rng.randrange(100):02d}",
        relation=relation,
        relative=relative,
        relative_phone=phone(rng),
        device=digits(rng, rng.choice(people["devices"])),
        history=_history(rng, age, {c.code for c in seen_for}),
    )
