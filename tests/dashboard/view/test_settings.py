"""The policy file as it says."""

from __future__ import annotations

from dashboard.view import settings as view
from policies.guard import open_site


def test_the_sections_together_are_the_file(workspace):
    whole, *found = view.sections(workspace)
    assert whole.text == workspace.policy.read_text()
    assert whole.text.endswith("".join(section.text for section in found)) and whole.text.index(found[0].text) < 300
    names = [section.name for section in found]
    assert {"people", "training", "federation", "signin"} <= set(names) and len(set(names)) == len(names)
    assert "smallest_cohort" in next(section.text for section in found if section.name == "training")


def test_a_change_is_told_key_by_key(workspace, site):
    assert view.history(site) == []
    before = site.guard.policy.training.smallest_noise
    text = workspace.policy.read_text()
    workspace.policy.write_text(text.replace(f"smallest_noise = {before:g}", f"smallest_noise = {before + 1:g}"))
    changed = open_site(workspace, "north")
    (row,) = view.history(changed)
    assert (row["Key"], float(row["Before"]), float(row["After"])) == ("training.smallest_noise", before, before + 1)
    assert row["Policy"] == changed.guard.policy.digest[:16]


def test_what_nobody_is_likely_to_want_is_said(site):
    assert any("witnesses.hospitals is empty" in sentence for sentence in view.warnings(site.guard))
