"""So that `python -m dashboard` is `confide`, wherever the console script lies."""

from __future__ import annotations

from dashboard.cli import main

main()
