"""Each legal basis against each value of each key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from policies.errors import PolicyError
from policies.legal import CATEGORIES, STRUCTURED_RULES, check_basis, clauses, kept_categories, statement
from policies.policy import (
    Dates,
    Deidentification,
    LegalBasis,
    Organisations,
    Places,
    PseudonymKind,
    TextMode,
    default_policy_text,
)

# The strictest policy, which every basis allows; each case changes one key of it.
STRICT = {
    "mode": "tag", "pseudonyms": "random", "dates": "year", "keep_weekdays": False, "organisations": "replace",
    "places": "state", "tagger": True, "largest_note_bytes": 1,
}  # fmt: skip
VALUES = {
    "mode": tuple(TextMode), "pseudonyms": tuple(PseudonymKind), "dates": tuple(Dates), "keep_weekdays": (True, False),
    "organisations": tuple(Organisations), "places": tuple(Places),
    "tagger": (True, False),
}  # fmt: skip
# Written here by hand from the clauses, and not read from the table that is tested
REFUSED = {
    ("safe_harbor", "mode", "surrogate"): "164.514(c)(1)",
    ("safe_harbor", "mode", "encrypt"): "164.514(c)(1)",
    ("safe_harbor", "pseudonyms", "keyed"): "(c)(1)",
    ("safe_harbor", "dates", "shift"): "164.514(b)(2)(i)(C)",
    ("safe_harbor", "dates", "keep"): "164.514(b)(2)(i)(C)",
    ("safe_harbor", "organisations", "keep"): "164.514(b)(2)(i)(A)",
    ("safe_harbor", "places", "city"): "164.514(b)(2)(i)(B)",
    ("safe_harbor", "tagger", False): "164.514(b)(2)(i)(A)",
    ("limited_data_set", "mode", "encrypt"): "164.514(e)(2)",
    ("limited_data_set", "organisations", "keep"): "164.514(e)(2)(i)",
}
CASES = [(basis, key, value) for basis in LegalBasis for key, values in VALUES.items() for value in values]


def rules(basis: str, **changed: Any) -> Deidentification:
    return Deidentification.model_validate(STRICT | {"legal_basis": basis} | changed)


@pytest.mark.parametrize(("basis", "key", "value"), CASES)
def test_each_value_under_each_basis(basis: str, key: str, value: Any) -> None:
    clause = REFUSED.get((basis, key, value))
    if clause is None:
        check_basis(rules(basis, **{key: value}))
        return
    with pytest.raises(PolicyError) as caught:
        check_basis(rules(basis, **{key: value}))
    assert clause in caught.value.message
    written = str(value).lower() if isinstance(value, bool) else f'"{value}"'
    assert f"'{key} = {written}'" in caught.value.message
    chosen = caught.value.message.rsplit("choose ", 1)[1].replace('"', "").split(" or ")
    for better in chosen:
        check_basis(rules(basis, **{key: better == "true" if isinstance(value, bool) else better}))


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        check_basis(rules("safe_harbor", dates="shift", pseudonyms="keyed", places="city"))
    assert all(f"'{key} = " in caught.value.message for key in ("dates", "pseudonyms", "places"))
    assert "'mode" not in caught.value.message


def test_the_default_policy_stands_on_its_basis() -> None:
    policy = tomllib.loads(default_policy_text("alice"))
    check_basis(Deidentification.model_validate(policy["deidentification"]))


@pytest.mark.parametrize("basis", LegalBasis)
def test_each_category_and_each_rule_has_a_clause(basis: LegalBasis) -> None:
    named = clauses(rules(basis))
    assert set(named) == {*CATEGORIES, *STRUCTURED_RULES}
    law = "GDPR" if basis is LegalBasis.GDPR_PSEUDONYMISATION else "45 CFR 164.5"
    assert all(law in clause for clause in named.values())


def test_clauses_of_the_lists() -> None:
    harbor, limited = clauses(rules("safe_harbor")), clauses(rules("limited_data_set"))
    assert len({clause[-3:] for name, clause in harbor.items() if name in CATEGORIES}) == 18  # (A) to (R)
    assert (harbor["NAME"][-3:], harbor["FAX"][-3:], harbor["DEVICE"][-3:]) == ("(A)", "(E)", "(M)")
    assert (limited["MRN"], limited["PHOTO"]) == ("45 CFR 164.514(e)(2)(vii)", "45 CFR 164.514(e)(2)(xvi)")
    assert "no direct identifier" in limited["DATE"]
    assert "personal data" in statement(LegalBasis.GDPR_PSEUDONYMISATION)
    assert "data use agreement" in statement(LegalBasis.LIMITED_DATA_SET)


def test_what_stays_in_text_follows_the_fields() -> None:
    assert kept_categories(rules("safe_harbor")) == frozenset()
    assert kept_categories(rules("limited_data_set", dates="shift")) == frozenset()
    assert kept_categories(rules("limited_data_set", dates="keep")) == {"DATE"}
    assert kept_categories(rules("gdpr_pseudonymisation", organisations="keep", dates="keep")) == {"HOSPITAL", "DATE"}
