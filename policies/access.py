"""Access decisions by Cedar: denied unless a rule permits, and every decision names the rules that decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from policies import cedar
from policies.errors import PolicyError
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
    DRAW_REVIEW = "draw_review"
    REVIEW = "review"
    CERTIFY = "certify"
    RECORD_CONSENT = "record_consent"
    RECORD_DISCLOSURE = "record_disclosure"
    ERASE = "erase"
    REQUEST_REIDENTIFICATION = "request_reidentification"
    APPROVE_REIDENTIFICATION = "approve_reidentification"
    REIDENTIFY = "reidentify"
    APPROVE_PLAN = "approve_plan"
    TRAIN = "train"
    EVALUATE = "evaluate"
    SIGN_MODEL = "sign_model"
    CHOOSE_MODEL = "choose_model"
    EXTRACT = "extract"
    VIEW_NOTE = "view_note"
    BREAK_GLASS = "break_glass"
    REVIEW_BREAK_GLASS = "review_break_glass"
    VIEW_TRAINING = "view_training"
    VIEW_MODELS = "view_models"
    VIEW_BUDGET = "view_budget"
    VIEW_AUDIT = "view_audit"
    EXPORT_AUDIT = "export_audit"
    PRUNE_AUDIT = "prune_audit"
    MANAGE_KEYS = "manage_keys"
    MANAGE_ACCOUNTS = "manage_accounts"
    MANAGE_CARE_TEAMS = "manage_care_teams"
    VIEW_POLICY = "view_policy"
    CORRECT = "correct"


@dataclass(frozen=True)
class Conditions:
    """What a decision rests on beside person, action and purpose.

    Attributes:
        consent_denied: the purposes that the patient refused.
        break_glass: whether the person broke the glass for this patient.
        own_request: whether the person decides about what the same person asked for.
        care_team: whether the person is on this patient's care team; true where the question is about no one patient,
            such as whether a page opens, or one look at a text that belongs to nobody here.
    """

    consent_denied: frozenset[Purpose] = frozenset()
    break_glass: bool = False
    own_request: bool = False
    care_team: bool = True


ORDINARY = Conditions()


@dataclass(frozen=True)
class Access:
    """A policy set that the schema accepts."""

    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of its text; every decision names it."""
        return sha256_hex(self.text.encode())


@dataclass(frozen=True)
class Decision:
    """Yes or no, with the ids of the rules that said so (none: no rule permits) and the hash of the policy set."""

    permitted: bool
    rules: tuple[str, ...]
    policy_set: str


@cache
def checked_access(text: str, place: str) -> Access:
    """A policy set, if the schema accepts it.

    Raises:
        PolicyError: it does not; every problem is named with its line.
    """
    if found := cedar.problems(text):
        listed = "; ".join(f"line {problem.line}: {problem.message}" for problem in found)
        raise PolicyError(f"{place}: {listed}", "Correct these lines; 'confide policy check FILE' reads it again.")
    return Access(text)


@cache
def installed_access() -> Access:
    """The policy set that comes with Confide."""
    return checked_access(resources.files("policies").joinpath("access.cedar").read_text("utf-8"), "access.cedar")


def load_access(path: Path) -> Access:
    """A policy set from a file; raises PolicyError where it cannot be read or the schema does not accept it."""
    try:
        return checked_access(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror})", "Check the file's rights.") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: not UTF-8 text", "Save the policy set as UTF-8.") from None


def decide(
    person: str,
    roles: Iterable[Role],
    action: Action,
    purpose: Purpose,
    under: Conditions = ORDINARY,
    *,
    access: Access | None = None,
) -> Decision:
    """Ask Cedar whether a person may do something for a purpose; a rule that fails while it is asked permits nothing.

    Args:
        person: the name of the account.
        roles: the roles that the policy file gives to this account.
        access: a policy set; the installed one by default.
    """
    from cedarpy import is_authorized  # a compiled library that only decisions need

    chosen = access or installed_access()
    parents = [{"type": "Role", "id": str(role)} for role in roles]
    entities = [{"uid": {"type": "Person", "id": person}, "attrs": {}, "parents": parents}]
    request = {
        "principal": {"type": "Person", "id": person},
        "action": {"type": "Action", "id": str(action)},
        "resource": {"type": "Workspace", "id": "this"},
        "context": _context(purpose, under),
    }
    result = is_authorized(request, cedar.parsed(chosen.text), entities, cedar.parsed_schema())
    failed = bool(result.diagnostics.errors)
    rules = tuple(sorted(result.diagnostics.id_annotations_by_reason.values()))
    return Decision(bool(result.allowed) and not failed, () if failed else rules, chosen.digest)


def _context(purpose: Purpose, under: Conditions) -> Mapping[str, Any]:
    return {
        "purpose": str(purpose),
        "consent_denied": sorted(under.consent_denied),
        "break_glass": under.break_glass,
        "own_request": under.own_request,
        "care_team": under.care_team,
    }
