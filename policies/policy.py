"""A hospital's decisions in one TOML file: an unknown key is an error, and without the file nothing runs."""

from __future__ import annotations

import json
import tomllib
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from policies.errors import PolicyError
from policies.files import sha256_hex


class Role(StrEnum):
    CLINICIAN = "clinician"
    HOSPITAL_IT = "hospital_it"
    COMPLIANCE_OFFICER = "compliance_officer"


class LegalBasis(StrEnum):
    """What the release of de-identified data rests on (45 CFR 164.514; GDPR article 4(5))."""

    SAFE_HARBOR = "safe_harbor"
    LIMITED_DATA_SET = "limited_data_set"
    EXPERT_DETERMINATION = "expert_determination"
    GDPR_PSEUDONYMISATION = "gdpr_pseudonymisation"


class TextMode(StrEnum):
    """What stands in the place of an identifier in text."""

    TAG = "tag"
    REDACT = "redact"
    SURROGATE = "surrogate"
    ENCRYPT = "encrypt"


class PseudonymKind(StrEnum):
    """Where codes come from: a keyed function of the identifier, or nothing but chance."""

    KEYED = "keyed"
    RANDOM = "random"


class Dates(StrEnum):
    """What stays of a date."""

    YEAR = "year"
    SHIFT = "shift"
    KEEP = "keep"


class Organisations(StrEnum):
    """Hospitals, units and employers."""

    REPLACE = "replace"
    KEEP = "keep"


class Places(StrEnum):
    """What stays of an address in a structured field."""

    STATE = "state"
    CITY = "city"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Contact(_Section):
    compliance_officer: str = Field(min_length=1)


class Deidentification(_Section):
    legal_basis: LegalBasis
    mode: TextMode
    pseudonyms: PseudonymKind
    dates: Dates
    keep_weekdays: bool
    organisations: Organisations
    places: Places
    tagger: bool
    largest_note_bytes: int = Field(gt=0)


class Reidentification(_Section):
    """Under which terms a pseudonym may be opened; two persons are needed whatever stands here."""

    expires_hours: int = Field(ge=1, le=24 * 30)


class Training(_Section):
    """Caps that a site enforces whatever a plan or a server says."""

    smallest_cohort: int = Field(ge=2)
    epsilon: float = Field(ge=0, allow_inf_nan=False)
    delta: float = Field(gt=0, le=1e-5)
    smallest_noise: float = Field(gt=0, allow_inf_nan=False)
    largest_clip: float = Field(gt=0, allow_inf_nan=False)
    most_rounds: int = Field(ge=1)
    threads: int = Field(ge=1)
    largest_cache_bytes: int = Field(ge=1)
    UNSAFE_noise_seed: int | None = None


class Extraction(_Section):
    smallest_probability: float = Field(ge=0, le=1)
    most_suggestions: int = Field(ge=1)


class Policy(_Section):
    """One hospital's policy.

    `digest` is the SHA-256 of the file's bytes; every decision, manifest and log entry names it.
    """

    version: int = Field(ge=1, le=1)
    contact: Contact
    people: dict[str, frozenset[Role]]
    deidentification: Deidentification
    reidentification: Reidentification
    training: Training
    extraction: Extraction
    _digest: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        return self._digest


def load_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: there is no file, it is no TOML, or a key is missing, unknown or out of range; every such key
            is named with its place in the file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise PolicyError(f"{path}: no policy file, so nothing runs") from None
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror})", "Check the file's rights.") from None
    try:
        policy = Policy.model_validate(tomllib.loads(data.decode()))
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: not UTF-8 text", "Save the policy file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path}: {error}", "Correct that line; TOML wants key = value.") from None
    except ValidationError as error:
        raise PolicyError(f"{path}: " + "; ".join(map(_explain, error.errors())), "Correct these keys.") from None
    policy._digest = sha256_hex(data)
    return policy


def _explain(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    if problem["type"] == "missing":
        return f"missing key '{key}'"
    return f"key '{key}': {problem['msg'][0].lower()}{problem['msg'][1:]}"


def default_policy_text(user: str) -> str:
    """The commented policy that 'confide init' writes, with one person holding all three roles."""
    text = resources.files("policies").joinpath("default.toml").read_text("utf-8")
    return text.replace("{user}", json.dumps(user, ensure_ascii=False))  # a JSON string is a TOML basic string
