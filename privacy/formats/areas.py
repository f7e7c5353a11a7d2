"""What may stay of an address under Safe Harbor: the state, and three digits of the ZIP code where many live."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

_STATE = re.compile(r"[A-Za-z .]{2,30}")
_ZIP = re.compile(r"(\d{3})\d{2}(?:-?\d{4})?")


def area(state: str, postal_code: str) -> dict[str, str]:
    """State and ZIP3, which is 000 where 20,000 people or fewer live (45 CFR 164.514(b)(2)(i)(B)).

    Returns: a FHIR Address with what may stay; empty where nothing may.
    """
    kept = {"state": state} if _STATE.fullmatch(state) else {}
    if found := _ZIP.fullmatch(postal_code):
        kept["postalCode"] = "000" if found.group(1) in _small_zip3() else found.group(1)
    return kept


@cache
def _small_zip3() -> frozenset[str]:
    return frozenset(tomllib.loads(files("privacy").joinpath("tables/areas.toml").read_text("utf-8"))["small_zip3"])
