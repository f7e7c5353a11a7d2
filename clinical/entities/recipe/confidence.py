"""From which confidence on the spans of a label are worth showing, by case reports that a model did not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from clinical.entities.corpora import Document
from clinical.entities.tagger import Span
from policies.files import table_of

SHARE = 0.85  # of the spans that are shown, those that meet a marked one of their kind
FEWEST = 20  # spans, below which a share says nothing
PAST = "Past"
NEVER = 2.0  # no confidence reaches it

CONFIDENCES = f"""# Made by `make entity-model`. By label, the confidence from which on {SHARE:.0%} of its spans
# meet a marked span of their kind in case reports that the model did not see. {NEVER} is never: too few spans do.
"""


def least_confidences(found: Iterable[tuple[Document, Sequence[tuple[Span, float]]]]) -> dict[str, float]:
    """By label the least confidence from which on enough of its spans meet a marked one of their kind.

    Problems and findings are one kind, for people disagree about which is which, and what is marked as a patient's past
    ("maccrobat:Past") holds both.
    """
    kinds = _kinds()
    of_marked = {**{label.partition(":")[2]: kind for label, kind in kinds.items()}, PAST: "finding"}
    met: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for document, spans in found:
        marked = [(start, end, of_marked.get(label)) for start, end, label in document.spans]
        for (start, end, label), sure in spans:
            if label in kinds:
                own = any(a < end and start < b and kind == kinds[label] for a, b, kind in marked)
                met[label].append((sure, own))
    return {label: _least(met[label]) for label in kinds}


def _kinds() -> dict[str, str]:
    table = table_of("clinical.entities", "labels")
    kinds = {**table["mentions"], **table["attributes"]}
    return {label: "finding" if kind == "problem" else kind for label, kind in kinds.items()}


def _least(met: Sequence[tuple[float, bool]]) -> float:
    least, right = NEVER, 0
    order = sorted(met, reverse=True)
    for count, ((sure, own), (following, _)) in enumerate(pairwise([*order, (-1.0, False)]), 1):
        right += own
        if sure != following and count >= FEWEST and right >= SHARE * count:
            least = sure
    return least
