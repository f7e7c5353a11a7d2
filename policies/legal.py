"""What a legal basis allows a policy to do, and the clause behind each rule (45 CFR 164.514; GDPR article 4(5))."""

from __future__ import annotations

from typing import Any

from policies.errors import PolicyError
from policies.files import table_of
from policies.policy import Dates, Deidentification, LegalBasis, Organisations

CATEGORIES = (
    "NAME", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE",
    "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO", "ID", "ADDRESS", "HOSPITAL", "PROFESSION",
)  # fmt: skip
STRUCTURED_RULES = ("dates", "ages", "places", "pseudonyms")


def check_basis(rules: Deidentification) -> None:
    """Refuse a policy that asks for more than its legal basis allows.

    Raises:
        PolicyError: names every key whose value the basis does not allow, the clause, and what to choose instead.
    """
    basis = _basis(rules.legal_basis)
    refused = [
        f"'{key} = {_written(value)}' ({basis['because'][key]}): choose {' or '.join(map(_written, allowed))}"
        for key, allowed in basis["allowed"].items()
        if (value := getattr(rules, key)) not in allowed
    ]
    if refused:
        raise PolicyError(
            f"the legal basis {rules.legal_basis} does not allow " + "; nor ".join(refused),
            "Correct these keys of [deidentification] in the policy file, or let the compliance officer choose "
            "another 'legal_basis'.",
        )


def clauses(rules: Deidentification) -> dict[str, str]:
    """For the manifest: the clause for each category of identifier and each rule for structured fields."""
    table = _basis(rules.legal_basis)["clauses"]
    return {name: table.get(name) or table["otherwise"] for name in (*CATEGORIES, *STRUCTURED_RULES)}


def statement(basis: LegalBasis) -> str:
    """For the manifest: what the output is in law, in one sentence."""
    return str(_basis(basis)["statement"])


def kept_categories(rules: Deidentification) -> frozenset[str]:
    """The categories of identifiers that stay as they are, in fields and in free text alike."""
    kept = {"DATE": rules.dates is Dates.KEEP, "HOSPITAL": rules.organisations is Organisations.KEEP}
    return frozenset(category for category, stays in kept.items() if stays)


def _table() -> dict[str, Any]:
    return table_of("policies", "legal")


def _basis(basis: LegalBasis) -> dict[str, Any]:
    return _table()[basis.value]  # type: ignore[no-any-return]


def _written(value: Any) -> str:
    """A value as it stands in the policy file."""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
