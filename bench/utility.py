"""What privacy costs: scores against epsilon, over several splits by a keyed hash of the patient.

Ours is federated and private, at each epsilon; the peer is the same model trained in one place without privacy. By
default on made-up patients; with `--deid` on folders that 'confide deid' wrote, for measuring and not for tuning.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from bench.report import json_line
from dashboard.console import say, table
from policies.network import call_nobody

if TYPE_CHECKING:
    from clinical.classifier import PatientStates, Weights
    from clinical.encoder import Classifier
    from clinical.labels import LabelRule

EPSILONS = (1.0, 3.0, 8.0)
DELTA = 1e-5
HELD_BACK = 0.25
_T_95 = {5: 2.776, 10: 2.262}  # Student's t for a mean of so many, two-sided
_WIDTH, _HEIGHT, _MARGIN = 640, 360, 60

Cohorts = Mapping[str, Mapping[str, "PatientStates"]]


@dataclass(frozen=True)
class Point:
    """Scores of one way to train, one number for each split."""

    name: str
    macro_f1: list[float]
    precision_at_1: list[float]


def made_up(patients: int, layers: int) -> tuple[Cohorts, LabelRule, Classifier]:
    """Three hospitals of the demonstration's making."""
    from federated.cohort import label_rule
    from federated.drills import made_up_plan
    from federated.twin import Twin

    plan = made_up_plan(patients, 8.0, layers=layers)
    twin = Twin(plan)
    cohorts = {
        share.name: {str(n): own for n, own in enumerate(twin.patients(place, range(patients)))}
        for place, share in enumerate(plan.sites)
    }
    return cohorts, label_rule(plan), twin.classifier


def released(folders: Sequence[Path], labels: Path, source: str, layers: int) -> tuple[Cohorts, LabelRule, Classifier]:
    """Hospitals from de-identified folders."""
    from clinical.classifier import patient_states
    from clinical.dataset import read_dataset
    from clinical.labels import LabelSource, read_label_rule
    from federated.settings import StudySettings
    from federated.site_round import plan_classifier
    from federated.study import plan_with, shares

    rule = read_label_rule(labels, LabelSource(source))
    plan = plan_with(StudySettings("x", 8.0, trained_layers=layers), rule, DELTA, shares({"x": 10}))
    classifier = plan_classifier(plan)
    cohorts = {folder.name: patient_states(read_dataset(folder, rule), classifier) for folder in folders}
    return cohorts, rule, classifier


def curve(cohorts: Cohorts, rule: LabelRule, classifier: Classifier, splits: int) -> list[Point]:
    """Train and score at each epsilon and without privacy, on the same splits."""
    from clinical.classifier import trained_weights

    names = [*(f"epsilon {epsilon:g}" for epsilon in EPSILONS), "pooled, no privacy"]
    points = [Point(name, [], []) for name in names]
    start = trained_weights(classifier)
    for split in range(splits):
        scores = _scores(cohorts, rule, f"split {split}", classifier, start)
        for point, (f1, p1) in zip(points, scores, strict=True):
            point.macro_f1.append(f1)
            point.precision_at_1.append(p1)
        say(f"split {split + 1} of {splits}")
    return points


def _scores(
    cohorts: Cohorts, rule: LabelRule, key: str, classifier: Classifier, start: Weights
) -> list[tuple[float, float]]:
    from clinical.dataset import keyed_share
    from federated.compare import Comparison, plain_epochs, private_rounds
    from federated.settings import StudySettings
    from federated.study import plan_with, shares

    back = {
        site: {p: own for p, own in found.items() if keyed_share(p, key) < HELD_BACK} for site, found in cohorts.items()
    }
    train = {site: [own for p, own in found.items() if p not in back[site]] for site, found in cohorts.items()}
    sites = shares({site: max(len(own) // 10 * 10, 10) for site, own in train.items()})
    layers = classifier.design.trained_layers
    plans = [plan_with(StudySettings("utility", e, trained_layers=layers), rule, DELTA, sites) for e in EPSILONS]
    comparison = Comparison(plans[0], classifier, back)
    rows = [comparison.row("", private_rounds(plan, classifier, train, start), "", 0.0) for plan in plans]
    everyone = [own for found in train.values() for own in found]
    rows.append(comparison.row("", plain_epochs(classifier, everyone, start), "", 0.0))
    return [(row.macro_f1, row.precision_at_1) for row in rows]


def shown(values: Sequence[float]) -> str:
    """Mean with the half width of its 95 % interval over splits."""
    half = _T_95.get(len(values), 2.0) * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{mean(values):.3f} +- {half:.3f}"


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Pair by pair."""
    return [one / other for one, other in zip(values, others, strict=True)]


def drawn(points: Sequence[Point], what: str) -> str:
    """Both scores against epsilon as an SVG picture; without privacy a dashed line."""
    room = _HEIGHT - 2 * _MARGIN
    places = {n: _MARGIN + i * (_WIDTH - 2 * _MARGIN) / (len(points) - 2) for i, n in enumerate(range(len(points) - 1))}
    parts = []
    for colour, label, key in (("#1f6f8b", "macro-F1", "macro_f1"), ("#c8553d", "precision at 1", "precision_at_1")):
        heights = [_HEIGHT - _MARGIN - mean(getattr(point, key)) * room for point in points]
        line = " ".join(f"{places[n]:.0f},{heights[n]:.0f}" for n in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{heights[-1]:.0f}" y2="{heights[-1]:.0f}" '
            f'stroke="{colour}" stroke-dasharray="4 4"/>'
        )
        for n, x in places.items():
            text = f"{mean(getattr(points[n], key)):.2f}"
            parts.append(f'<circle cx="{x:.0f}" cy="{heights[n]:.0f}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{x + 8:.0f}" y="{heights[n] + 14:.0f}" fill="{colour}">{text}</text>')
        parts.append(
            f'<text x="{_MARGIN}" y="{heights[-1] - 6:.0f}" fill="{colour}">'
            f"{label}, no privacy: {mean(getattr(points[-1], key)):.2f}</text>"
        )
    parts += [
        f'<text x="{x:.0f}" y="{_HEIGHT - _MARGIN + 24}" text-anchor="middle">{points[n].name}</text>'
        for n, x in places.items()
    ]
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    title = f'<text x="{_WIDTH / 2:.0f}" y="24" text-anchor="middle" font-size="15">{what}</text>'
    back = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, back, title, *parts, "</svg>", ""])


def run(chosen: Namespace) -> None:
    """Measure, print a table, and draw if asked."""
    if chosen.deid:
        cohorts, rule, classifier = released(chosen.deid, chosen.labels, chosen.label_source, chosen.layers)
    else:
        cohorts, rule, classifier = made_up(chosen.patients, chosen.layers)
    points = curve(cohorts, rule, classifier, chosen.splits)
    best = points[-1]
    rows = [
        (
            point.name,
            shown(point.macro_f1),
            shown(point.precision_at_1),
            shown(ratios(point.macro_f1, best.macro_f1)),
            shown(ratios(point.precision_at_1, best.precision_at_1)),
        )
        for point in points
    ]
    sizes = ", ".join(f"{site} {len(own)}" for site, own in cohorts.items())
    title = f"{sizes} patients with a label, a quarter held back; {chosen.splits} splits, delta {DELTA:g}"
    table(title, ("", "macro-F1", "precision at 1", "of no privacy's F1", "of its precision"), rows)
    if chosen.svg:
        chosen.svg.write_text(drawn(points, f"{len(rule.labels)} labels; {sizes} patients"))
    if chosen.json:
        say(json_line("utility", False, **{point.name: [point.macro_f1, point.precision_at_1] for point in points}))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, prog="python -m bench.utility")
    parser.add_argument("--patients", type=int, default=500, help="made-up patients of each of three hospitals")
    parser.add_argument("--deid", type=Path, nargs="+", help="folders that 'confide deid' wrote, in place of these")
    parser.add_argument("--labels", type=Path, help="with --deid: the label file")
    parser.add_argument("--label-source", default="category")
    parser.add_argument("--layers", type=int, default=0, help="last layers trained by LoRA")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--svg", type=Path, help="draw the curve here")
    parser.add_argument("--json", action="store_true")
    call_nobody()
    run(parser.parse_args())
