"""Every error that Confide raises on purpose, each with an exit code and what to do next.

    ConfideError                 1
    ├── PolicyError              3   no policy file, or one that cannot be read
    ├── AccessDenied             4   the access policy says no
    ├── BudgetError              5   a private release that the ledger refuses
    │   └── CohortTooSmall       5   fewer patients than the policy allows
    ├── InputError               6   a file, line or key that cannot be used
    ├── IntegrityError           7   a log, model or key that does not verify
    ├── StorageError             8   a full disk, a missing right, a busy port
    └── TrainingError            9   a guard failed, or a plan that cannot run

A message names the file, the line or the key, the value's allowed range and never the text of a record.
"""

from __future__ import annotations

from pathlib import Path


class ConfideError(Exception):
    """Something that a person can act upon.

    Args:
        message: one sentence saying what is wrong; never text of a record.
        hint: what to do next.
    """

    exit_code = 1
    hint = "Run the command again with --help to see what it needs."

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or type(self).hint

    def __reduce__(self):  # type: ignore[no-untyped-def]  # crosses process borders in Ray and in worker pools
        return type(self), (self.message, self.hint), self.__dict__


class PolicyError(ConfideError):
    """There is no policy, or it cannot be read; nothing runs."""

    exit_code = 3
    hint = "Run 'confide init' to write a policy file, read it, and edit it."


class AccessDenied(ConfideError):
    """The access policy does not permit this action."""

    exit_code = 4
    hint = "Ask the compliance officer named in the policy file."


class BudgetError(ConfideError):
    """The release would exceed what the policy allows; nothing was spent."""

    exit_code = 5
    hint = "Run 'confide budget show' to see what has been spent, on what, and what is left."


class CohortTooSmall(BudgetError):
    """Fewer patients than the policy's smallest cohort."""

    hint = "Add patients, or let the compliance officer change 'smallest_cohort' in the policy."


class InputError(ConfideError):
    """A file, a line or a key of the input cannot be used.

    Args:
        message: what is wrong.
        file: the file, where known.
        line: its line, counted from 1, where known.
        hint: what to do next.
        kind: a short name for counting, where a record is left out for it and the rest goes on.
    """

    exit_code = 6
    hint = "Correct the input and run the command again."

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        kind: str = "",
    ) -> None:
        place = f"{file}: " if file and line is None else f"{file}, line {line}: " if file else ""
        super().__init__(place + message, hint)
        self.kind = kind


class IntegrityError(ConfideError):
    """A log, a model or a key does not verify; nothing after the first bad entry is trusted."""

    exit_code = 7
    hint = "Keep the files as they are and tell the compliance officer."


class StorageError(ConfideError):
    """The machine refused: disk, rights or port."""

    exit_code = 8
    hint = "Free some space or choose another place, then run the command again."


class TrainingError(ConfideError):
    """A training plan cannot run, or a guard failed while it ran."""

    exit_code = 9
    hint = "Run 'confide train --help' to see what a plan needs."
