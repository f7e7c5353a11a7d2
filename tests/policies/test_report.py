"""Documents are filled in from the policy in force, and say what people must write."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from policies.access import installed_access
from policies.policy import Policy, default_policy_text, load_policy
from policies.report import Document, Facts, fill_in

FACTS = Facts("north", date(2026, 7, 1), "1.234", {"update.released": 3}, 2)


def policy_of(folder: Path, *changes: tuple[str, str]) -> Policy:
    text = default_policy_text("alice")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "policy.toml").write_text(text)
    return load_policy(folder / "policy.toml")


@pytest.mark.parametrize("document", Document)
def test_numbers_are_those_of_the_policy_and_nothing_is_left_open_but_for_people(
    tmp_path: Path, document: Document
) -> None:
    policy = policy_of(tmp_path, ("epsilon = 8.0", "epsilon = 6.25"), ("most_rounds = 60", "most_rounds = 37"))
    text = fill_in(document, policy, installed_access(), FACTS)
    for value in ("6.25", "1e-05", "37", "1.234", "2026-07-01", policy.digest[:16], "Clinician (alice) may", "[WRITE"):
        assert value in text
    assert "$" not in text


def test_an_impact_assessment_has_the_parts_of_the_article_and_says_what_is_unsafe(tmp_path: Path) -> None:
    safe, unsafe = (
        fill_in(Document.DPIA, policy_of(tmp_path, *changes), installed_access(), FACTS)
        for changes in ([], [("# UNSAFE_noise_seed", "UNSAFE_noise_seed")])
    )
    assert [line[:6] for line in safe.splitlines() if line.startswith("## ")] == [
        "## (a)",
        "## (b)",
        "## (c)",
        "## (d)",
    ]
    assert "2 breakings of the glass" in safe and "update.released 3" in safe
    assert "UNSAFE_noise_seed is set" in unsafe and "UNSAFE" not in safe


def test_an_annex_says_where_the_policy_rests_on_another_basis(tmp_path: Path) -> None:
    other = fill_in(Document.DATA_USE, policy_of(tmp_path), installed_access(), FACTS)
    limited = ('"expert_determination"', '"limited_data_set"')
    fitting = fill_in(Document.DATA_USE, policy_of(tmp_path, limited), installed_access(), replace(FACTS, site="river"))
    assert "[DECIDE: the policy's legal basis is `expert_determination`" in other
    assert "[DECIDE" not in fitting and "limited data set of river" in fitting
