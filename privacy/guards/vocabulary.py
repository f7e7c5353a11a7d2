"""Words that are names and something else besides: ordinary words, and the eponyms of medicine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from policies.files import table_of


@cache
def vocabulary() -> Mapping[str, frozenset[str]]:
    """The lists of tables/vocabulary.toml, in small letters: words, near_names, eponyms, eponym_nouns."""
    table = table_of("privacy", "tables/vocabulary")
    return {name: frozenset(value.split()) for name, value in table.items()}


@cache
def eponym_follows() -> re.Pattern[str]:
    """What stands behind a name, in small letters, that makes it the name of a disease, a sign or an instrument."""
    nouns = "|".join(sorted(vocabulary()["eponym_nouns"]))
    return re.compile(rf"['’]?s?[ -](?:[^\W\d_]+[ -])?(?:{nouns})s?\b")
