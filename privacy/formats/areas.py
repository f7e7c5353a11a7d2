"""What may stay of an address under Safe Harbor: the state, and three digits of the ZIP code where many live."""

from __future__ import annotations

import re
from functools import cache

from policies.files import table_of

_ZIP = re.compile(r"(\d{3})\d{2}(?:-?\d{4})?")


def area(state: str, postal_code: str) -> dict[str, str]:
    """State and ZIP3, which is 000 where 20,000 people or fewer live (45 CFR 164.514(b)(2)(i)(B)).

    A state is one of the United States, its district and territories, or a military mail region, by name or by code.

    Returns: a FHIR Address with what may stay; empty where nothing may.
    """
    kept = {"state": state} if _plain(state) in _states() else {}
    if found := _ZIP.fullmatch(postal_code):
        kept["postalCode"] = "000" if found.group(1) in _small_zip3() else found.group(1)
    return kept


def _plain(state: str) -> str:
    return " ".join(state.replace(".", "").lower().split())


@cache
def _states() -> frozenset[str]:
    states = table_of("privacy", "tables/areas")["states"]
    return frozenset(map(_plain, (*states, *states.values())))


@cache
def _small_zip3() -> frozenset[str]:
    return frozenset(table_of("privacy", "tables/areas")["small_zip3"])
