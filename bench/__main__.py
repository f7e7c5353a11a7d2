"""All side-by-side programs, one after the other: `python -m bench [--quick] [--json] [--export FOLDER]`."""

from bench import deidentification, training
from bench.report import start

if __name__ == "__main__":
    programs = (deidentification.run, training.run)
    start("Confide beside its peers: de-identification, then training.", *programs, export=True)
