"""Lists of names and values: a plan's protections, a model's card."""

from __future__ import annotations

from html import escape

from dashboard.drawing.text import plain
from federated.plan import Plan
from policies.models import SignedModel
from policies.policy import Training
from policies.wording import to_the_minute

_UNIT_OF_PRIVACY = "the patient of one hospital, with all of their notes"


def protections_html(plan: Plan, caps: Training) -> str:
    """What protects patients in a plan, with what the site's policy asks for."""
    return pairs(
        ("Unit of privacy", _UNIT_OF_PRIVACY),
        ("Noise", f"{plan.sigma} times the clipping norm; the policy asks for at least {caps.smallest_noise:g}"),
        ("Clipping norm", f"{plan.clip}; the policy allows at most {caps.largest_clip:g}"),
        ("Sampling", f"each patient on their own, with probability {plan.sampling_rate} a round (Poisson)"),
        ("Delta", f"{plan.delta}, for the life of the cohort"),
        ("Epsilon", f"at most {caps.epsilon:g} over all runs; a release beyond it is refused before it starts"),
        ("Cohort", f"at least {caps.smallest_cohort} patients; fewer are refused"),
    )


def card_html(model: SignedModel, site: str) -> str:
    """The card of a model whose signature was verified, as one hospital reads it."""
    card = model.card
    return pairs(
        ("Model", model.name),
        ("Signature", f"verified, by '{model.signer}'"),
        ("Made (UTC)", to_the_minute(str(card["created"]))),
        ("Encoder", str(card["plan"]["encoder"])),
        ("Labels", str(len(card["plan"]["labels"]))),
        ("Epsilon of this run", f"{card['epsilon'].get(site, 'none')} at this hospital, at delta {card['delta']}"),
        ("Trained in", f"{card['training_seconds']} s"),
        ("SHA-256 of weights", f"{card['weights_sha256'][:16]}…"),
        ("Intended use", str(card["intended_use"])),
    )


def model_line(model: SignedModel) -> str:
    """What suggestions are for, and which model made them, as Markdown."""
    from clinical.diagnosis import intended_use  # brings torch

    return plain(f"{intended_use()} Model {model.name} of study '{model.card['study']}'.")


def pairs(*named: tuple[str, str]) -> str:
    """Names and values, escaped, one under the other."""
    rows = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in named)
    return f'<dl class="pairs">{"".join(rows)}</dl>'
