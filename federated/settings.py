"""The settings of a study and their defaults, apart from what needs torch, so that a command can name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from privacy.encoders import DEFAULT_ENCODER


@dataclass(frozen=True)
class StudySettings:
    """What whoever starts a study decides; the defaults were fixed on synthetic data.

    Attributes:
        epsilon: target of the whole plan at each site.
        learning_rate: of the server; none for its default, which with momentum falls with the noise.
        server, aggregation, bad_sites, min_sites, round_seconds, patience: as in the plan.
        validation: folder of the public notes by whose score a plan with patience ends early.
    """

    study: str
    epsilon: float
    rounds: int = 30
    sampling_rate: str = "0.9"
    clip: str = "0.5"
    learning_rate: float | None = None
    momentum: float = 0.9
    server: str = "momentum"
    aggregation: str = "mean"
    bad_sites: int = 0
    min_sites: int = 0
    round_seconds: int = 600
    patience: int = 0
    validation: Path | None = None
    multi_label: bool = False
    trained_layers: int = 0
    lora_rank: int = 8
    lora_scale: float = 0.1
    warm_start: float = 5.0
    window: int = 128
    windows_per_note: int = 8
    notes_per_step: int = 8
    held_back: float = 0.25
    seed: int = 7
    split_key: str = "confide"  # the same for all studies, so that who is held back stays held back
    encoder: str = DEFAULT_ENCODER
