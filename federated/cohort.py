"""Whom a plan trains on at a hospital, and whether they are enough."""

from __future__ import annotations

from pathlib import Path

from clinical.dataset import Dataset, read_dataset, split
from clinical.labels import LabelRule, LabelSource
from federated.plan import Plan
from policies.access import Purpose
from policies.errors import CohortTooSmall
from policies.guard import Site
from privacy.consent_book import refused


def label_rule(plan: Plan) -> LabelRule:
    return LabelRule(LabelSource(plan.label_source), plan.labels, plan.label_mapping, plan.label_titles)


def training_part(site: Site, plan: Plan, data: Path) -> Dataset:
    """The patients that a plan trains on: neither held back for the site's own evaluation nor refusing research."""
    dataset = split(read_dataset(data, label_rule(plan)), plan.split_key, plan.held_back)[0]
    refusing = refused(site, Purpose.RESEARCH, dataset.patients)
    return dataset.only([patient for patient in dataset.patients if patient not in refusing])


def check_cohort(site: Site, dataset: Dataset) -> None:
    """Raises CohortTooSmall where a site has fewer patients than its policy allows, or none."""
    smallest = site.guard.policy.training.smallest_cohort
    if not dataset.patients:
        raise CohortTooSmall(
            f"site '{site.name}' has no note with a label of the set, so nothing is trained",
            "Check --label-source, and whether the label file names the codes of this export.",
        )
    if len(dataset.patients) < smallest:
        raise CohortTooSmall(
            f"site '{site.name}' has {len(dataset.patients)} training patients with a label, after some were "
            f"held back; its policy asks for {smallest}, so nothing is trained"
        )
