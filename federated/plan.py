"""The plan: the one document of a study. What shapes training and is not one patient's own data comes from it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from federated.aggregation import Rule, optimizer_named, rule_named
from policies.errors import TrainingError
from policies.files import canonical_json, sha256_hex
from policies.policy import Aggregation, Federation, Training
from policies.releases import PATIENT_COUNT, GaussianRelease, PoissonSampled, Release

_DECIMAL = r"^\d+(\.\d+)?(e-\d+)?$"
_READ = 12  # labels, and codes, that are shown to whoever approves
LARGEST_SHARE = Decimal("0.75")  # of one site in a secure sum: with more, the sum would be that site's update
LARGEST_RATIO = 10  # between what a patient of one site counts in a secure sum, and one of another


def _printable(text: str) -> str:
    """A plan is shown to whoever approves it: no character of it may move a cursor or hide other words."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


def _first(parts: Sequence[str]) -> str:
    """What a person still reads of a list, and how many more there are."""
    more = len(parts) - _READ
    return ", ".join(parts[:_READ]) + (f" and {more} more" if more > 0 else "")


_Shown = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_printable)]


class SiteShare(BaseModel):
    """One hospital of a study.

    Attributes:
        patients: the *declared* number of training patients, a public denominator: what the site counted with noise
            (`federated.count`), or a number that is public anyway.
        weight: of its update in the aggregate; all weights of a plan sum to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Shown
    patients: int = Field(ge=1)
    weight: str = Field(pattern=_DECIMAL)


class Plan(BaseModel):
    """Frozen, hashed, shown to each site in plain words, approved or refused there.

    Numbers that enter the accounting (sampling_rate, clip, sigma, delta) are decimal strings, so that every site,
    certificate and log entry holds the same digits.

    Attributes:
        aggregation: how a round's updates become one.
        bad_sites: how many of them a robust aggregation must bear.
        server: "momentum", or "adam" with `momentum` for its first mean.
        min_sites: updates that a round needs; 0 for one of every site.
        round_seconds: how long the server waits for the sites in each exchange of a round.
        patience: rounds without a better score on public notes after which the training ends; 0 for never.
        validation_sha256: of these notes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: _Shown
    encoder: _Shown
    encoder_sha256: _Shown
    labels: tuple[_Shown, ...] = Field(min_length=2)
    label_titles: dict[_Shown, _Shown] = {}
    label_source: _Shown
    label_mapping: dict[_Shown, _Shown] = {}
    multi_label: bool = False
    trained_layers: int = Field(default=1, ge=0)
    lora_rank: int = Field(default=8, ge=1)
    lora_scale: float = Field(default=0.1, gt=0)
    warm_start: float = Field(default=0.0, ge=0)
    seed: int = Field(ge=0)
    window: int = Field(default=64, ge=8, le=512)
    windows_per_note: int = Field(default=1, ge=1)
    notes_per_step: int = Field(default=4, ge=1)
    rounds: int = Field(ge=1)
    sampling_rate: str = Field(pattern=_DECIMAL)
    clip: str = Field(pattern=_DECIMAL)
    sigma: str = Field(pattern=_DECIMAL)
    delta: str = Field(pattern=_DECIMAL)
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    server: str = "momentum"
    aggregation: Aggregation = Aggregation.MEAN
    bad_sites: int = Field(default=0, ge=0)
    min_sites: int = Field(default=0, ge=0)
    round_seconds: int = Field(default=600, ge=1)
    patience: int = Field(default=0, ge=0)
    validation_sha256: str = ""
    held_back: float = Field(ge=0, lt=1)
    split_key: str
    sites: tuple[SiteShare, ...] = Field(min_length=1)

    @property
    def is_secure(self) -> bool:
        """Whether updates leave a site under the masks of secure aggregation alone."""
        return self.aggregation is Aggregation.SECURE

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON; a run, a card, a ledger entry and a log entry name the plan by it."""
        return sha256_hex(canonical_json(self.model_dump(mode="json")))

    def __hash__(self) -> int:
        return hash(self.digest)

    def share(self, site: str) -> SiteShare:
        """Raises TrainingError where the site has no part in the study."""
        for share in self.sites:
            if share.name == site:
                return share
        raise TrainingError(f"the plan '{self.study}' names no site '{site}'")

    @property
    def rule(self) -> Rule:
        """How a round's updates become one."""
        return rule_named(self.aggregation, self.bad_sites)

    @property
    def protections(self) -> dict[str, str]:
        """What is in force when an update leaves a site, for its log."""
        bears = {"bad_sites": str(self.bad_sites)} if self.bad_sites else {}
        return {"aggregation": self.aggregation.value, **bears, "sigma": self.sigma, "clip": self.clip}

    @property
    def needed(self) -> int:
        """Updates that a round needs."""
        return self.min_sites or len(self.sites)

    def reach(self, site: str) -> float:
        """The most that one patient moves the update of its own site, in L2 norm: C / (q N)."""
        return float(self.clip) / (float(self.sampling_rate) * self.share(site).patients)

    def releases(self) -> tuple[Release, ...]:
        """All that one site releases over the whole plan: the count that it rests on, and a step in each round."""
        return (PATIENT_COUNT, PoissonSampled(self.sampling_rate, GaussianRelease(self.sigma, self.rounds)))

    def release_of_round(self) -> PoissonSampled:
        """What one site releases in one round: one step."""
        return PoissonSampled(self.sampling_rate, GaussianRelease(self.sigma))

    def in_words(self, site: str) -> str:
        """What a hospital agrees to, in plain words."""
        share = self.share(site)
        part = f"LoRA in the last {self.trained_layers} layers and the head" if self.trained_layers else "the head"
        return (
            f"Study '{self.study}' trains {part} of {self.encoder} on {len(self.labels)} labels from "
            f"'{self.label_source}', in {self.rounds} rounds at {', '.join(share.name for share in self.sites)}.\n"
            f"{self._labels_in_words()}"
            f"In each round every one of about {share.patients} training patients of {site} is drawn with probability "
            f"{self.sampling_rate} and gives one gradient (of all notes, {self.notes_per_step} at most), "
            f"clipped to norm {self.clip}.\n"
            f"Noise of {self.sigma} times that norm is added here, before anything leaves; delta is {self.delta}.\n"
            f"{self.rule.words} A round needs updates of {self.needed} sites.\n{self._end_in_words()}"
            f"Sites, declared patients and weights: {self._sites_in_words()}.\n"
            f"Plan {self.digest[:16]}."
        )

    def _labels_in_words(self) -> str:
        titles = self.label_titles
        labels = [f"{label} ({titles[label]})" if label in titles else label for label in self.labels]
        codes = [f"{code} as {label}" for code, label in self.label_mapping.items()]
        counted = f"Codes that count as one of them: {_first(codes)}.\n" if codes else ""
        return f"Labels: {_first(labels)}.\n{counted}"

    def _sites_in_words(self) -> str:
        return ", ".join(f"{share.name} {share.patients} ({share.weight})" for share in self.sites)

    def _end_in_words(self) -> str:
        if not self.patience:
            return ""
        return (
            f"It ends early after {self.patience} rounds without a better score on public notes "
            f"({self.validation_sha256[:16]}); patients are never scored for it.\n"
        )


def check_caps(plan: Plan, caps: Training, federation: Federation) -> None:
    """A site's own caps on a plan, whatever the server says.

    Raises:
        TrainingError: naming the first value outside its allowed range, or why a plan of so many sites cannot be
            aggregated as it says.
    """
    allowed_rules = (Aggregation.SECURE,) if federation.secure_aggregation_required else federation.aggregations
    checks: tuple[tuple[str, bool, str], ...] = (
        ("sigma", Decimal(plan.sigma) >= Decimal(repr(caps.smallest_noise)), f"at least {caps.smallest_noise:g}"),
        ("clip", 0 < Decimal(plan.clip) <= Decimal(repr(caps.largest_clip)), f"over 0, at most {caps.largest_clip:g}"),
        ("rounds", plan.rounds <= caps.most_rounds, f"at most {caps.most_rounds}"),
        ("delta", Decimal(plan.delta) == Decimal(repr(caps.delta)), f"{caps.delta:g}, the cohort's own"),
        ("delta", all(Decimal(plan.delta) * 10 * share.patients <= 1 for share in plan.sites), "1 / (10 patients)"),
        ("sampling_rate", 0 < Decimal(plan.sampling_rate) <= 1, "over 0, at most 1"),
        ("aggregation", plan.aggregation in allowed_rules, " or ".join(allowed_rules)),
        ("min_sites", plan.min_sites <= len(plan.sites), f"at most {len(plan.sites)}, the plan's sites"),
    )
    for key, allowed, limits in checks:
        if not allowed:
            value = getattr(plan, key)
            raise TrainingError(f"the plan's {key} is {value}; this site's policy allows {limits}")
    if len({share.name for share in plan.sites}) < len(plan.sites):
        raise TrainingError("the plan names a site twice, so its patients would be exposed twice")
    if abs(sum((Decimal(share.weight) for share in plan.sites), Decimal(-1))) > Decimal("1e-6"):
        raise TrainingError("the weights of the plan's sites do not sum to 1")
    if plan.needed < federation.fewest_sites:
        raise TrainingError(
            f"the plan's rounds need {plan.needed} of its sites; this site's policy asks for {federation.fewest_sites}",
            "Take more sites into the plan, or let 'fewest_sites' in the policy be changed.",
        )
    if plan.patience and not plan.validation_sha256:
        raise TrainingError("the plan ends early by a score, and does not say of which public notes")
    plan.rule.check(plan.needed)
    if plan.is_secure:
        _check_hidden(plan)
    optimizer_named(plan.server)


def _check_hidden(plan: Plan) -> None:
    """Raises TrainingError where a sum under masks would be little else than one site's own update.

    Declared patients divide an update as weights multiply it, so both are held together.
    """
    check_sum(plan, [share.name for share in plan.sites], plan.needed)
    weights = {share.name: Decimal(share.weight) for share in plan.sites}
    counts = {share.name: weights[share.name] / share.patients for share in plan.sites}
    if max(counts.values()) > LARGEST_RATIO * min(counts.values()):
        raise TrainingError(
            f"a patient of one site would count over {LARGEST_RATIO} times as much as one of another, so a secure sum "
            "would not hide the update of that site",
            "Weigh the sites by their patients.",
        )


def check_sum(plan: Plan, names: Collection[str], fewest: int) -> None:
    """Whether a secure sum of these sites of a plan hides each of them.

    Raises:
        TrainingError: they are fewer than `fewest`, or one of them has nearly all of their weight.
    """
    if len(names) < fewest:
        raise TrainingError(f"a secure sum of {len(names)} of the plan's sites, where {fewest} are needed")
    weights = {name: Decimal(plan.share(name).weight) for name in names}
    largest = max(weights, key=lambda name: weights[name])
    total = sum(weights.values())
    if weights[largest] > LARGEST_SHARE * total:
        raise TrainingError(
            f"'{largest}' has {weights[largest] / total:.2g} of the weight, so a secure sum would not hide its update",
            f"Let no site have more than {LARGEST_SHARE}, or take another aggregation.",
        )


def read_plan(path: Path) -> Plan:
    """Raises TrainingError where the file is missing or is no plan, naming the keys that are wrong."""
    try:
        return Plan.model_validate(json.loads(path.read_bytes()))
    except OSError:
        raise TrainingError(f"{path}: no plan here") from None
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise TrainingError(f"{path}: no plan of this version; wrong keys: {keys}") from None
    except ValueError:
        raise TrainingError(f"{path}: no plan, since it is no JSON") from None
