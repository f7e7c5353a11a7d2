"""A hospital's decisions in one TOML file: an unknown key is an error, and without the file nothing runs."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from policies.errors import IntegrityError, PolicyError
from policies.files import sha256_hex
from policies.notes import Verifier

_HEADER = re.compile(r"\s*\[\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*(?:["']([^"']*)["']|([\w-]+))\s*=""")


class Role(StrEnum):
    CLINICIAN = "clinician"
    HOSPITAL_IT = "hospital_it"
    COMPLIANCE_OFFICER = "compliance_officer"
    DATA_STEWARD = "data_steward"
    RESEARCHER = "researcher"


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


class Aggregation(StrEnum):
    """How the updates of several hospitals are put together (`federated.aggregation`)."""

    MEAN = "mean"
    SECURE = "secure"
    TRIMMED_MEAN = "trimmed_mean"
    MEDIAN = "median"
    MULTI_KRUM = "multi_krum"


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


class Federation(_Section):
    """With whom and how this site lets its updates be put together.

    Attributes:
        aggregations: those that a plan may name.
        fewest_sites: with an update in every round.
        most_lost_updates: times that one round may be paid for and its update lost, before the site stops.
        secure_aggregation_required: whatever stands in `aggregations`, the server must not see this site's update.
    """

    aggregations: tuple[Aggregation, ...] = Field(default=tuple(Aggregation), min_length=1)
    fewest_sites: int = Field(default=2, ge=1)
    secure_aggregation_required: bool = False
    most_lost_updates: int = Field(default=8, ge=1)


class Consents(_Section):
    """Whose data may be used for research: of all who did not refuse, or only of those who said yes."""

    research: Literal["opt_out", "opt_in"] = "opt_out"


class Witnesses(_Section):
    """Other hospitals that sign this one's tree head, and whose logs this one watches (C2SP tlog-witness).

    Attributes:
        needed: signatures below which `confide audit verify --witnesses` fails.
        hospitals: verifier keys, as 'confide keys export-public' prints them.
    """

    needed: int = Field(default=0, ge=0)
    hospitals: tuple[str, ...] = ()

    @field_validator("hospitals")
    @classmethod
    def _are_keys(cls, hospitals: tuple[str, ...]) -> tuple[str, ...]:
        for number, vkey in enumerate(hospitals, 1):
            try:
                Verifier.from_vkey(vkey)
            except IntegrityError as error:
                raise ValueError(
                    f"number {number} is no key as 'keys export-public' prints it: {error.message}"
                ) from None
        return hospitals


class Extraction(_Section):
    """Which suggestions a clinician is shown.

    Attributes:
        smallest_words: what a note must have left without identifiers and what it denies.
        conformal_level: share of notes whose conditions all lie in the set that is shown.
        outside_quantile: share of the validated notes that lie no further out than a note may.
    """

    smallest_probability: float = Field(ge=0, le=1)
    most_suggestions: int = Field(ge=1)
    smallest_words: int = Field(default=30, ge=0)
    conformal_level: float = Field(default=0.9, ge=0.5, lt=1)
    outside_quantile: float = Field(default=0.99, ge=0.5, lt=1)


class HookClient(_Section):
    """A record system that may call `confide serve` (CDS Hooks 2.0, Trusting CDS Clients).

    Attributes:
        issuer: the `iss` of its tokens.
        jwks: its public keys as a JWK Set (RFC 7517), for RS384 or ES384; they are fetched from nowhere.
        jku: addresses of that set which its tokens may name.
    """

    issuer: str = Field(min_length=1)
    jwks: str = Field(min_length=1)
    jku: tuple[str, ...] = ()

    @field_validator("jwks")
    @classmethod
    def _has_keys(cls, jwks: str) -> str:
        from policies.clients import public_keys  # a library that only this section needs

        public_keys(jwks)
        return jwks


class Hooks(_Section):
    """Which record systems get decision support; none at all by default.

    Attributes:
        url: the base under which they reach the service; what they sign names it.
        origins: web origins whose pages may call it (CORS).
        clients: by account; what an account may do, its roles under [people] say.
    """

    url: str = ""
    origins: tuple[str, ...] = ()
    clients: dict[str, HookClient] = {}

    @field_validator("clients")
    @classmethod
    def _one_issuer_each(cls, clients: dict[str, HookClient]) -> dict[str, HookClient]:
        if len({client.issuer for client in clients.values()}) < len(clients):
            raise ValueError("two clients have one issuer")
        return clients


class OpenId(_Section):
    """What the hospital's own directory says of people who sign in with OpenID Connect.

    Attributes:
        title: what the button is called.
        name_claim: names the account.
        groups_claim: lists the groups.
        roles: that a group gives.
        people: whether a name of the directory has the roles of that name under [people] as well; only where people
            cannot choose that name themselves.
    """

    title: str = "the hospital's account"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    people: bool = False
    roles: dict[str, frozenset[Role]] = {}


class SignIn(_Section):
    """How people sign in to the dashboard, and for how long.

    Attributes:
        tries: wrong passwords in a row, after which an account is locked for a while.
        shortest_password: characters; NIST SP 800-63B-4 asks for 15 where nothing else is asked for.
    """

    idle_minutes: int = Field(default=15, ge=1, le=24 * 60)
    session_hours: int = Field(default=10, ge=1, le=24)
    tries: int = Field(default=5, ge=1, le=100)
    locked_minutes: int = Field(default=15, ge=1)
    shortest_password: int = Field(default=15, ge=8, le=128)
    openid: OpenId = OpenId()


class Audit(_Section):
    keep_years: int = Field(ge=1)


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
    audit: Audit
    federation: Federation = Federation()
    consent: Consents = Consents()
    witnesses: Witnesses = Witnesses()
    hooks: Hooks = Hooks()
    signin: SignIn = SignIn()
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
        listed = "; ".join(_explain(problem, data.decode()) for problem in error.errors())
        raise PolicyError(f"{path}: {listed}", "Correct these keys.") from None
    policy._digest = sha256_hex(data)
    return policy


def _explain(problem: Any, text: str) -> str:
    key = ".".join(map(str, problem["loc"]))
    line = _line_of(problem["loc"], text)
    if problem["type"] == "extra_forbidden":
        return f"line {line}: unknown key '{key}'"
    if problem["type"] == "missing":
        return f"line {line}: missing key '{key}'"
    message = problem["msg"].removeprefix("Value error, ")
    return f"line {line}: key '{key}': {message[0].lower()}{message[1:]}"


def _line_of(key: Sequence[str | int], text: str) -> int:
    """Where a key stands, or the section that lacks it, or the first line."""
    wanted, found, section = ".".join(map(str, key)) + ".", 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = f"{header[1]}."
            if wanted.startswith(section):
                found = number
        elif (name := _KEY.match(line)) and wanted.startswith(f"{section}{name[1] or name[2]}."):
            return number
    return found


def odd_values(policy: Policy) -> list[str]:
    """What the file may hold and nobody is likely to want; a delta over 1e-5 is not among it, since it is refused."""
    training, witnesses, years = policy.training, policy.witnesses, policy.audit.keep_years
    roleless = sorted(policy.hooks.clients.keys() - policy.people.keys())
    cohort, keys = training.smallest_cohort, len(witnesses.hospitals)
    odd = [
        (training.epsilon > 10, f"training.epsilon is {training.epsilon:g}: over 10 it promises a patient little"),
        (cohort < 10, f"training.smallest_cohort is {cohort}: among fewer than 10 patients each one stands out"),
        (training.UNSAFE_noise_seed is not None, "training.UNSAFE_noise_seed is set: noise to repeat protects nobody"),
        (years < 6, f"audit.keep_years is {years}: 45 CFR 164.316(b)(2)(i) asks for six"),
        (not keys, "witnesses.hospitals is empty: nobody outside would notice a log that was rewritten"),
        (0 < keys < witnesses.needed, f"witnesses.needed is {witnesses.needed}, of which only {keys} can sign"),
        (bool(roleless), f"hooks.clients {', '.join(roleless)}: no role under [people], so every call is refused"),
    ]
    return [sentence for holds, sentence in odd if holds]


def default_policy_text(user: str) -> str:
    """The commented policy that 'confide init' writes, with one person holding all roles."""
    text = resources.files("policies").joinpath("default.toml").read_text("utf-8")
    return text.replace("{user}", json.dumps(user, ensure_ascii=False))  # a JSON string is a TOML basic string
