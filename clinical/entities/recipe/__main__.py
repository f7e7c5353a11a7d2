"""`python -m clinical.entities.recipe --corpora DIR --work DIR`: train the entity tagger, measure it, write all."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from clinical.entities.corpora import Document
from clinical.entities.marks import MARKS, disease_names
from clinical.entities.recipe.card import card
from clinical.entities.recipe.confidence import CONFIDENCES, least_confidences
from clinical.entities.recipe.examples import FOLDS, LABELS, Corpora, examples_of, read_all
from clinical.entities.tagger import EntityTagger
from clinical.evaluation.entities import EntityScores, Span, score_documents
from policies.files import write_whole
from privacy.encoders import find_encoder
from privacy.tagger.design import Design
from privacy.tagger.model import Model, build, load, save
from privacy.tagger.recipe.training import Settings, train
from privacy.tagger.runtime import open_runtime

PACKAGE = Path(__file__).parents[1]
# At a rate of 1e-3, as for identifiers, the first stage ended five points of F1 lower: these texts are few and differ.
FIRST = Settings(
    epochs=6,
    rate=3e-4,
    tokens=768,
    warm=0.02,
    steady=0.5,
    hide_common=0.0,
    hide_marks=0.1,
    hide_words=0.05,
    dropout=0.1,
)
FOLD = replace(FIRST, epochs=1)
LAST = replace(FIRST, epochs=2)


@dataclass(frozen=True)
class Stage:
    """One training: where its weights lie, what it goes on from, on what it is trained and how."""

    path: Path
    before: Path | None
    documents: Mapping[str, Sequence[Document]]
    settings: Settings


def run(stage: Stage) -> Path:
    """Train, unless it was done before, and return where the weights lie."""
    if not stage.path.is_file():
        model = load(stage.before) if stage.before else _untrained(stage.settings.seed)
        examples = [e for head, own in stage.documents.items() for e in examples_of(model, head, own)]
        train(model, examples, stage.settings, _told(stage.path.stem))
        save(model, stage.path)
    return stage.path


def _untrained(seed: int) -> Model:
    files = find_encoder()
    return build(Design(LABELS, files.name, files.sha256, hidden=192, marks=MARKS, characters=64), seed=seed)


def _told(name: str) -> Callable[[int, int, float], None]:
    started = time.monotonic()

    def told(step: int, steps: int, loss: float) -> None:
        print(f"{name}: step {step} of {steps}, loss {loss:.4f}, {time.monotonic() - started:.0f} s", flush=True)

    return told


def measure(weights: Path, corpus: str, documents: Sequence[Document], cache: Path, threads: int) -> EntityScores:
    """The scores of weights, in 8-bit integers as they are used."""
    tagger = EntityTagger(runtime=open_runtime(weights, cache, threads, quantized=True))
    return score_documents(corpus, documents, lambda text: tagger.find(text)[corpus])


def cross_validate(corpora: Corpora, before: Path, work: Path, threads: int) -> tuple[EntityScores, dict[str, float]]:
    """Scores on all case reports, each found by a model that did not see its fold, and from when on spans are right.

    The heads of abstracts are judged as they were before any case report was seen: a fold does not train them on.
    """
    abstracts = EntityTagger(runtime=open_runtime(before, work, threads, quantized=True))
    found: dict[str, dict[str, list[tuple[Span, float]]]] = {}
    for fold in range(FOLDS):
        stage = Stage(work / f"fold-{fold}.safetensors", before, {"maccrobat": corpora.without(fold)}, FOLD)
        tagger = EntityTagger(runtime=open_runtime(run(stage), work, threads, quantized=True))
        for document in corpora.within(fold):
            own = tagger.find_scored(document.text)["maccrobat"]
            found[document.text] = {**abstracts.find_scored(document.text), "maccrobat": own}
    scores = score_documents("maccrobat", corpora.reports, lambda text: [span for span, _ in found[text]["maccrobat"]])
    with_past = [replace(own, spans=(*own.spans, *corpora.past[own.name])) for own in corpora.reports]
    return scores, least_confidences(
        (document, [one for spans in found[document.text].values() for one in spans]) for document in with_past
    )


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(prog="python -m clinical.entities.recipe", description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the stages; those that are done stand")
    parser.add_argument("--out", type=Path, default=PACKAGE)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    with (arguments.corpora / "disease_ontology/doid-2016-09-01.obo").open(encoding="utf-8") as ontology:
        names = disease_names(ontology)
    write_whole(arguments.out / "diseases.txt", ("\n".join(names) + "\n").encode())
    corpora = read_all(arguments.corpora)
    first = run(Stage(work / "abstracts.safetensors", None, corpora.training, FIRST))
    unseen = {name: measure(first, name, own, work, arguments.threads) for name, own in corpora.held.items()}
    print({name: own.overall for name, own in unseen.items()}, flush=True)
    unseen["maccrobat"], least = cross_validate(corpora, first, work, arguments.threads)
    print(unseen["maccrobat"].overall, flush=True)
    everything = {name: [*own, *corpora.held[name]] for name, own in corpora.training.items()}
    last = run(Stage(work / "entities.safetensors", first, {**everything, "maccrobat": corpora.reports}, LAST))
    write_whole(arguments.out / "weights/entities.safetensors", last.read_bytes())
    rows = "".join(f'"{label}" = {sure:.3f}\n' for label, sure in sorted(least.items()))
    write_whole(arguments.out / "weights/confidence.toml", f"{CONFIDENCES}{rows}".encode())
    write_whole(arguments.out / "weights/entities.md", card(FIRST, FOLD, LAST, unseen).encode())


if __name__ == "__main__":
    main()
