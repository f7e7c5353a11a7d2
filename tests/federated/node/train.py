"""'confide train' with settings for the tests' tiny encoder, whose windows are short."""

from dataclasses import dataclass

from dashboard.cli import main
from dashboard.commands import train
from federated.settings import StudySettings


@dataclass(frozen=True)
class Tiny(StudySettings):
    window: int = 24
    held_back: float = 0.0


if __name__ == "__main__":
    train.StudySettings = Tiny  # type: ignore[misc]
    main()
