"""All side-by-side programs, one after the other: `python -m bench [--quick] [--json] [--export FOLDER]`."""

from __future__ import annotations

from bench import deidentification, training
from bench.report import options, show_machine


def main() -> None:
    """Run them all."""
    chosen = options("Confide beside its peers: de-identification, then training.", export=True)
    show_machine()
    for program in (deidentification, training):
        program.run(chosen)


if __name__ == "__main__":
    main()
