"""What of a note can be judged, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clinical.feedback import Feedback, Target, reader_version
from policies.wording import to_the_minute

if TYPE_CHECKING:
    from clinical.coding import Code
    from clinical.diagnosis import Suggestion
    from clinical.extraction.mentions import Mention

_ASK = {
    Target.ENTITY: "What is named: {said}",
    Target.ASSERTION: "Whether it is so: {said}",
    Target.CODE: "The code: {said}",
    Target.SUGGESTION: "The suggestion: {said}",
}


@dataclass(frozen=True)
class Judged:
    """One thing that a clinician can accept, correct or reject."""

    target: Target
    said: str = field(repr=False)
    start: int
    end: int
    model: str

    @property
    def line(self) -> str:
        return _ASK[self.target].format(said=self.said)


def of_mention(mention: Mention, code: Code | None) -> list[Judged]:
    """A mention's entity, its assertion, and its likeliest code where it has one."""
    said = {
        Target.ENTITY: f"{mention.concept} ({mention.kind})",
        Target.ASSERTION: mention.assertion.status,
        **({Target.CODE: f"{code.system} {code.code}"} if code else {}),
    }
    return [Judged(target, words, mention.start, mention.end, reader_version()) for target, words in said.items()]


def of_suggestion(suggestion: Suggestion, model: str) -> Judged:
    """A suggestion, at its strongest sentence."""
    first = next(iter(suggestion.evidence), None)
    start, end = (first.start, first.end) if first else (0, 0)
    return Judged(Target.SUGGESTION, suggestion.label, start, end, model)


def feedback_rows(given: Sequence[Feedback]) -> list[Mapping[str, str]]:
    """What was said of a note, the newest first."""
    return [
        {
            "When (UTC)": to_the_minute(own.at),
            "Who": own.by,
            "About": f"{own.target}: {own.said}",
            "Verdict": own.verdict,
            "Rather": own.right,
            "Reason": own.reason,
        }
        for own in reversed(given)
    ]
