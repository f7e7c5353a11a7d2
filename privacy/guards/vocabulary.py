"""Words that are names and something else besides: ordinary words, and the eponyms of medicine."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def vocabulary() -> Mapping[str, frozenset[str]]:
    """The lists of tables/vocabulary.toml, in small letters: words, near_names, eponyms, eponym_nouns."""
    table = tomllib.loads(files("privacy").joinpath("tables/vocabulary.toml").read_text("utf-8"))
    return {name: frozenset(value.split()) for name, value in table.items()}


@cache
def eponym_follows() -> re.Pattern[str]:
    """What stands behind a name, in small letters, that makes it the name of a disease, a sign or an instrument."""
    nouns = "|".join(sorted(vocabulary()["eponym_nouns"]))
    return re.compile(rf"['’]?s?[ -](?:[^\W\d_]+[ -])?(?:{nouns})s?\b")
