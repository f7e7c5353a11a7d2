"""A peer of extraction, run by the Python of its own virtual environment: `PYTHON extraction_peer.py medspacy FILE`.

It imports nothing of Confide. FILE is JSON: `batches`, lists of notes, and `phrases`, pairs of a phrase and its kind.
It writes its peak memory in MiB when it is ready; then for each number of a batch that it reads one line of JSON:
seconds, mentions, how many of them it holds negated, and the peak.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from time import perf_counter


def medspacy_pipeline(phrases):  # type: ignore[no-untyped-def]
    """medspaCy's default pipeline; its target matcher comes without rules, so it is given the phrases."""
    import medspacy
    from medspacy.ner import TargetRule

    nlp = medspacy.load()
    nlp.get_pipe("medspacy_target_matcher").add([TargetRule(phrase, kind.upper()) for phrase, kind in phrases])
    return nlp, lambda entity: entity._.is_negated


def negspacy_pipeline(phrases):  # type: ignore[no-untyped-def]
    """negspaCy behind spaCy's own sentences and its phrase matcher, with its clinical cues."""
    import spacy
    from negspacy.negation import Negex  # noqa: F401  it registers
    from negspacy.termsets import termset

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns([{"label": kind.upper(), "pattern": phrase} for phrase, kind in phrases])
    nlp.add_pipe("negex", config={"neg_termset": termset("en_clinical").get_patterns()})
    return nlp, lambda entity: entity._.negex


PEERS = {"medspacy": medspacy_pipeline, "negspacy": negspacy_pipeline}


def main() -> None:
    """Answer until standard input ends."""
    warnings.simplefilter("ignore")
    os.environ["LOGURU_LEVEL"] = "ERROR"  # medspaCy's sentences are written to standard error word by word otherwise
    name, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    nlp, negated = PEERS[name](given["phrases"])
    nlp("No fever today.")
    say(peak=peak())
    for line in sys.stdin:
        started = perf_counter()
        entities = [entity for text in given["batches"][int(line)] for entity in nlp(text).ents]
        seconds = perf_counter() - started
        say(seconds=seconds, mentions=len(entities), negated=sum(map(negated, entities)), peak=peak())


def peak() -> float:
    """MiB that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(**facts: float) -> None:
    """One line of JSON."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
