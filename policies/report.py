"""Documents that a policy fills in: an impact assessment (GDPR 35(7)) and a data use agreement's annex (164.514(e)(4)).

What the policy, the ledger and the log know is filled in; what people must say is marked, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from string import Template

from policies.access import Access
from policies.decisions import explain_policy, people_warnings, warnings
from policies.legal import statement
from policies.policy import LegalBasis, Policy, odd_values


class Document(StrEnum):
    """What can be filled in."""

    DPIA = "dpia"
    DATA_USE = "data-use"


@dataclass(frozen=True)
class Facts:
    """What stands beside the policy.

    Attributes:
        spent: epsilon per patient, as the ledger says it.
        events: how often each kind of event stands in the log.
        open_reviews: breakings of the glass that nobody reviewed.
    """

    site: str
    today: date
    spent: str
    events: Mapping[str, int]
    open_reviews: int


def fill_in(document: Document, policy: Policy, access: Access, facts: Facts) -> str:
    """The document as Markdown, with [WRITE: ...] where people must write."""
    template = resources.files("policies").joinpath("templates", f"{document}.md").read_text("utf-8")
    return Template(template).substitute(_from_policy(policy, access), **_from_facts(facts))


def _from_policy(policy: Policy, access: Access) -> dict[str, str]:
    rules, training = policy.deidentification, policy.training
    warned = [*warnings(access), *people_warnings(policy, access), *odd_values(policy)]
    return {
        "policy": policy.digest[:16],
        "policy_set": access.digest[:16],
        "contact": policy.contact.compliance_officer,
        "who": "\n".join(
            f"- {line}" if line[0] != " " else f"  - {line.strip()}" for line in explain_policy(policy, access)
        ),
        "warnings": "; ".join(warned) or "nothing",
        "basis": statement(rules.legal_basis),
        "basis_warning": _basis_warning(rules.legal_basis),
        "legal_basis": rules.legal_basis,
        "mode": rules.mode,
        "pseudonyms": rules.pseudonyms,
        "dates": rules.dates,
        "organisations": rules.organisations,
        "places": rules.places,
        "tagger": "on" if rules.tagger else "off",
        "keep_years": str(policy.audit.keep_years),
        "research": policy.consent.research,
        "expires_hours": str(policy.reidentification.expires_hours),
        "smallest_probability": str(policy.extraction.smallest_probability),
        "unsafe": "no" if training.UNSAFE_noise_seed is None else "YES: UNSAFE_noise_seed is set",
        **{key: str(getattr(training, key)) for key in _CAPS},
    }


_CAPS = ("smallest_cohort", "epsilon", "delta", "smallest_noise", "largest_clip", "most_rounds")


def _from_facts(facts: Facts) -> dict[str, str]:
    return {
        "site": facts.site,
        "date": facts.today.isoformat(),
        "spent": facts.spent,
        "activity": ", ".join(f"{event} {times}" for event, times in sorted(facts.events.items())) or "nothing",
        "open_reviews": str(facts.open_reviews),
    }


def _basis_warning(basis: LegalBasis) -> str:
    if basis is LegalBasis.LIMITED_DATA_SET:
        return "The policy's legal basis is that of a limited data set."
    return f"**[DECIDE: the policy's legal basis is `{basis}`, and this annex is for `limited_data_set`]**"
