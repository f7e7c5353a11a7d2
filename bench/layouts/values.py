"""Identifiers other than names, in the forms of a half."""

from __future__ import annotations

import re
from datetime import date
from random import Random
from string import ascii_uppercase

from bench.layouts import Half, listed, own, table
from bench.layouts.marking import mark
from bench.layouts.people import Person, plain


def day(rng: Random, value: date, half: Half, form: str = "") -> str:
    """A date in a form, or in one of those of the half; marked."""
    form = form or rng.choice(own(listed("values", half)["date_forms"]["free"], half))
    endings = {1: "st", 2: "nd", 3: "rd"}
    th = "th" if 10 < value.day < 14 else endings.get(value.day % 10, "th")
    text = value.strftime(listed("values", half)["dates"][form]).format(m=value.month, d=value.day, th=th)
    return mark("DATE", text.upper() if form == "up" else text)


def filled(rng: Random, form: str) -> str:
    """A form with its digits and letters drawn."""
    draws = {"#": "0123456789", "N": "23456789", "&": ascii_uppercase}
    return re.sub(r"[#&]|N(?![A-Z])", lambda m: rng.choice(draws[m[0]]), form)


def coded(rng: Random, half: Half, category: str, key: str | None = None, **fields: str) -> str:
    """An identifier of a category in one of the half's forms; marked."""
    form = filled(rng, rng.choice(own(listed("values", half)["forms"][key or category], half)))
    return mark(category, form.format(**fields))


def email(rng: Random, half: Half, person: Person, site: str) -> str:
    """An address made from a person's name."""
    first, last = plain(person.first), plain(person.last)
    return coded(rng, half, "EMAIL", first=first, last=last, f=first[0], d=str(rng.randrange(10, 99)), site=site)


class Address:
    """A home or office; its forms are those of the table of values."""

    def __init__(self, rng: Random, half: Half) -> None:
        places = listed("values", half)["places"]
        self.street = (
            f"{rng.randrange(3, 9900)} {rng.choice(own(places['streets'], half))}{rng.choice(places['units'])}"
        )
        self.city, self.state, start = rng.choice(own(places["cities"], half))
        self.zip = f"{start}{rng.randrange(100):02d}"

    def written(self, form: str = "") -> str:
        """The address in a form; each of its lines is marked."""
        text: str = table("values")["addresses"][form or "line"].format(**vars(self))
        return "\n".join(mark("ADDRESS", line) for line in text.splitlines())
