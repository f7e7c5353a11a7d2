"""The signed models of a workspace, which of them a hospital uses, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clinical.feedback import feedback_counts
from dashboard.view.logged import logged, when
from dashboard.view.training import score_title
from policies.errors import ConfideError
from policies.events import Event
from policies.guard import Site
from policies.models import SIGNATURE, SignedModel, open_model
from policies.serving import in_use
from policies.wording import to_the_minute
from policies.workspace import Workspace

_NONE = "–"


@dataclass(frozen=True)
class Shelf:
    """The models of a workspace.

    Attributes:
        models: those whose signature verifies now, the newest first.
        refused: why others are not believed, a sentence for each.
        used: name of the one that this hospital uses; empty where there is none.
        chosen: whether somebody chose it; it is the newest otherwise.
    """

    models: tuple[SignedModel, ...]
    refused: tuple[str, ...]
    used: str
    chosen: bool

    def named(self, name: str) -> SignedModel:
        return next(model for model in self.models if model.name == name)

    @property
    def before(self) -> SignedModel | None:
        """The model that is next older than the one in use: what a rollback goes back to."""
        names = [model.name for model in self.models]
        older = self.models[names.index(self.used) + 1 :] if self.used in names else ()
        return older[0] if older else None


def shelf(workspace: Workspace, site: Site) -> Shelf:
    """Every model, verified now.

    Raises:
        IntegrityError: the hospital's choice was edited, or the model that it names does not verify.
    """
    good, refused = list[SignedModel](), list[str]()
    folders = sorted(workspace.models.iterdir()) if workspace.models.is_dir() else []
    for folder in folders:
        if (folder / SIGNATURE).exists():
            try:
                good.append(open_model(folder, workspace.trusted))
            except ConfideError as error:
                refused.append(f"{error.message}.")
    good.sort(key=lambda model: (model.card.get("created", ""), model.name), reverse=True)
    chosen = site.home.model_in_use.exists()
    used = in_use(site, workspace) if chosen else next(iter(good), None)
    return Shelf(tuple(good), tuple(refused), used.name if used else "", chosen)


def model_rows(found: Shelf, site: Site) -> list[dict[str, Any]]:
    """A row for each model, the newest first."""
    return [
        {
            "In use": "yes" if model.name == found.used else "",
            "Model": model.name,
            "Study": str(model.card["study"]),
            "Made (UTC)": to_the_minute(str(model.card["created"])),
            "Labels": len(model.card["plan"]["labels"]),
            "Epsilon here": str(model.card["epsilon"].get(site.name, _NONE)),
            "Calibrated here": "yes" if site.home.calibration(model.name).exists() else "no",
            "Signature": f"verified, by {model.signer}",
        }
        for model in found.models
    ]


def comparison(one: SignedModel, other: SignedModel, site: Site) -> list[dict[str, str]]:
    """Both cards side by side, a row for each fact; the last column says where they differ."""
    facts = [_facts(model, beside, site) for model, beside in ((one, other), (other, one))]
    names = list(dict.fromkeys([*facts[0], *facts[1]]))
    rows = []
    for name in names:
        first, second = (of.get(name, _NONE) for of in facts)
        rows.append({"": name, one.name: first, other.name: second, "Differs": "" if first == second else "yes"})
    return rows


def change_words(found: Shelf, to: SignedModel, site: Site) -> list[str]:
    """What changes for clinicians with another model, in sentences."""
    before = found.named(found.used) if found.used in {model.name for model in found.models} else None
    lines = [f"Clinicians of {site.name} get suggestions of model {to.name} from the next note on."]
    if before:
        lines.append(f"Model {before.name} stays, signed as it is, and can be chosen again.")
        lines += _labels_words(before.card["plan"], to.card["plan"])
    if not site.home.calibration(to.name).exists():
        lines.append(
            f"Model {to.name} is not calibrated at {site.name}: shares are shown in the place of probabilities, until "
            f"somebody runs 'confide models calibrate {to.name} DEID'."
        )
    lines.append("Nothing is spent of the privacy budget. The change stands in the audit log under your name.")
    return lines


def choices(site: Site) -> list[dict[str, str]]:
    """Who chose which model and when, the newest first."""
    words = {Event.MODEL_CHOSEN: "chosen", Event.MODEL_ROLLED_BACK: "rolled back"}
    return [
        {
            "When": when(entry),
            "Who": entry.actor,
            "What": words[entry.event],
            "Model": entry.details["model"],
            "Before": entry.details["before"] or _NONE,
        }
        for entry in reversed(logged(site, *words))
    ]


def feedback_rows(site: Site) -> list[dict[str, Any]]:
    """How often clinicians accepted, corrected or rejected what each version said."""
    return [
        {"Version": version, "What": kind, "Times": times}
        for version, counts in feedback_counts(site).items()
        for kind, times in counts.items()
    ]


def _labels_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    new, gone = _missing(after["labels"], before["labels"]), _missing(before["labels"], after["labels"])
    found = []
    if gone:
        found.append(f"No longer suggested: {', '.join(gone)}.")
    if new:
        found.append(f"Suggested from now on: {', '.join(new)}.")
    return found or ["Both know the same labels."]


def _facts(model: SignedModel, beside: SignedModel, site: Site) -> dict[str, str]:
    """What a card says, by what people call it; of its labels, those that the other one does not know."""
    card, plan = model.card, model.card["plan"]
    hospitals = [f"{share['name']} {share['patients']}" for share in plan["sites"]]
    return {
        "Study": str(card["study"]),
        "Made (UTC)": to_the_minute(str(card["created"])),
        **_scores(card.get("scores", {})),
        "Epsilon of the run here": str(card["epsilon"].get(site.name, _NONE)),
        "Delta": str(card["delta"]),
        "Noise": f"{plan['sigma']} times the clipping norm {plan['clip']}",
        "Hospitals and declared patients": ", ".join(hospitals),
        "Labels": str(len(plan["labels"])),
        "Labels of this one alone": ", ".join(_missing(plan["labels"], beside.card["plan"]["labels"])) or _NONE,
        "Calibrated here": "yes" if site.home.calibration(model.name).exists() else "no",
        "Encoder": str(plan["encoder"]),
        "Layers trained by LoRA": str(plan["trained_layers"]),
        "Rounds planned": str(plan["rounds"]),
        "Aggregation": str(plan["aggregation"]),
        "Signed by": model.signer,
        "Confide": str(card["versions"].get("confide", _NONE)),
        "SHA-256 of weights": f"{card['weights_sha256'][:16]}…",
    }


def _scores(scores: Mapping[str, Any]) -> dict[str, str]:
    """Scores of a card, each with the data that they were computed on."""
    data = scores.get("data", "")
    return {
        f"{score_title(name)} ({way}; {data} notes)": str(value)
        for way, values in scores.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    }


def _missing(labels: Sequence[str], others: Sequence[str]) -> list[str]:
    """Labels that are not among others."""
    return [label for label in labels if label not in others]
