"""`python -m bench.layouts OUT [--notes N] [--seed S] [--half dev|test|fresh|sealed|both] [--corpora FOLDER]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.layouts import BOTH, HALVES
from bench.layouts.export import write_exports

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Exports in unseen layouts, with gold spans.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--notes", type=int, default=120, help="notes per hospital")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--half", choices=(*HALVES, "both"), default="both")
    parser.add_argument("--corpora", type=Path, help="folder of corpora whose text may be used")
    args = parser.parse_args()
    halves = BOTH if args.half == "both" else (args.half,)
    print(write_exports(args.out, args.notes, args.seed, halves, args.corpora), "notes")
