"""Access decisions by Cedar: denied unless a policy permits, and every decision names the policy that decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from policies.files import sha256_hex
from policies.policy import Role


class Purpose(StrEnum):
    """Purpose of use, by its HL7 v3 code (code system v3-ActReason, PurposeOfUse)."""

    TREATMENT = "TREAT"
    OPERATIONS = "HOPERAT"
    RESEARCH = "HRESCH"
    PATIENT_REQUEST = "PATRQT"
    PATIENT_SAFETY = "PATSFTY"
    LEGAL = "HLEGAL"


class Action(StrEnum):
    """What a person can ask of Confide."""

    DEIDENTIFY = "deidentify"
    REQUEST_REIDENTIFICATION = "request_reidentification"
    APPROVE_REIDENTIFICATION = "approve_reidentification"
    REIDENTIFY = "reidentify"
    ERASE = "erase"
    REVIEW = "review"
    CERTIFY = "certify"
    TRAIN = "train"
    EVALUATE = "evaluate"
    SIGN_MODEL = "sign_model"
    EXTRACT = "extract"
    VIEW_NOTE = "view_note"
    VIEW_TRAINING = "view_training"
    VIEW_MODELS = "view_models"
    VIEW_BUDGET = "view_budget"
    VIEW_AUDIT = "view_audit"
    EXPORT_AUDIT = "export_audit"


@dataclass(frozen=True)
class Decision:
    """Yes or no, with the ids of the policies that said yes and the hash of the whole policy set."""

    permitted: bool
    policies: tuple[str, ...]
    policy_set: str


@cache
def access_policies() -> str:
    return resources.files("policies").joinpath("access.cedar").read_text("utf-8")


def decide(
    person: str, roles: Iterable[Role], action: Action, purpose: Purpose, policies: str | None = None
) -> Decision:
    """Ask Cedar whether a person may do something for a purpose.

    Args:
        person: the name of the account.
        roles: the roles that the policy file gives to this account.
        policies: a Cedar policy set; the installed one by default. One that does not parse permits nothing.
    """
    from cedarpy import is_authorized  # a compiled library that only decisions need

    source = access_policies() if policies is None else policies
    parents = [{"type": "Role", "id": str(role)} for role in roles]
    entities = [{"uid": {"type": "Person", "id": person}, "attrs": {}, "parents": parents}]
    request = {
        "principal": {"type": "Person", "id": person},
        "action": {"type": "Action", "id": str(action)},
        "resource": {"type": "Workspace", "id": "this"},
        "context": {"purpose": str(purpose)},
    }
    result = is_authorized(request, source, entities)
    reasons = tuple(sorted(result.diagnostics.id_annotations_by_reason.values()))
    permitted = bool(result.allowed) and not result.diagnostics.errors
    return Decision(permitted, reasons if permitted else (), sha256_hex(source.encode()))
