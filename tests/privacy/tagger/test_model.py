"""What is trained is small, is saved and read back as it was, and can learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.errors import IntegrityError
from privacy.encoders import find_encoder, load_encoder
from privacy.tagger.design import Design, read_design, spans_of
from privacy.tagger.model import Model, build, load, merged, save
from privacy.tagger.recipe.compose import Marked
from privacy.tagger.recipe.training import Example, Settings, examples_of, logits_of, measure, targets_of, train
from privacy.tagger.runtime import open_runtime
from privacy.tagger.words import Common, batch_of, spelling_of, windows_of, words_of
from tests.clinical.encoders import save_encoder

COMMON = Common(frozenset(), frozenset())
NOTES = (
    Marked("ann lee seen by reed", ((0, 7, "NAME"), (16, 20, "NAME"))),
    Marked("no fever seen by nurse"),
    Marked("lives in bath", ((9, 13, "ADDRESS"),)),
    Marked("Bath today for Reed", ((15, 19, "NAME"),)),
    Marked("the reed is in the bath"),
)


TWO_HEADS = ("one:NAME", "two:NAME", "two:ADDRESS")


@pytest.fixture
def design(tmp_path: Path) -> Design:
    files = find_encoder(str(save_encoder(tmp_path / "bert")))
    return Design(("NAME", "ADDRESS"), files.name, files.sha256, rank=4, hidden=16)


def logits(model: Model) -> torch.Tensor:
    examples = [example for note in NOTES for example in examples_of(model, note, 40, COMMON, skip=False)]
    with torch.inference_mode():
        return logits_of(model, batch_of([e.window for e in examples], [e.shapes for e in examples], 0))


def test_an_untrained_tagger_is_the_encoder_as_it_was(design: Design) -> None:
    model = build(design)
    _, encoder = load_encoder(find_encoder(design.encoder))
    ids = torch.tensor([[2, 7, 9, 3]])
    with torch.inference_mode():
        expected = encoder(input_ids=ids).last_hidden_state
        torch.testing.assert_close(model.network.encoder(input_ids=ids).last_hidden_state, expected)


def test_it_learns_sentences_by_heart(design: Design) -> None:
    """Also those that differ only in a capital, which the words alone would not tell apart."""
    model = build(design)
    examples = [example for note in NOTES for example in examples_of(model, note, 40, COMMON, skip=False)]
    train(model, examples, Settings(epochs=150, rate=5e-3, hide_common=0.0), lambda *_: None)
    assert all(score.f1 == 1.0 for score in measure(model, examples).values())
    assert not any(
        parameter.grad is not None for parameter in model.network.parameters() if not parameter.requires_grad
    )


def test_what_is_saved_is_read_back(design: Design, tmp_path: Path) -> None:
    model = build(design, seed=4)
    with torch.no_grad():
        for parameter in model.network.trained().values():
            parameter.copy_(torch.randn_like(parameter).half())
    save(model, tmp_path / "tagger.safetensors")
    again = load(tmp_path / "tagger.safetensors")
    assert read_design(tmp_path / "tagger.safetensors") == design
    torch.testing.assert_close(logits(again), logits(model))
    before = logits(again)
    merged(again)
    torch.testing.assert_close(logits(again), before)


def test_another_encoder_or_another_file_is_refused(design: Design, tmp_path: Path) -> None:
    model = build(design)
    save(replace(model, design=replace(design, encoder_sha256="0" * 64)), tmp_path / "other.safetensors")
    with pytest.raises(IntegrityError, match="another encoder"):
        load(tmp_path / "other.safetensors")
    save(replace(model, design=replace(design, rank=8)), tmp_path / "rank.safetensors")
    with pytest.raises(IntegrityError, match="another tagger"):
        load(tmp_path / "rank.safetensors")
    (tmp_path / "none.safetensors").write_bytes(b"none")
    with pytest.raises(IntegrityError, match="holds no tagger"):
        load(tmp_path / "none.safetensors")


def test_heads_share_the_logits_and_a_design_without_heads_has_one(design: Design) -> None:
    assert design.heads == {"": ("NAME", "ADDRESS")}
    assert design.tags[design.columns()] == design.tags == ("O", "B-NAME", "I-NAME", "B-ADDRESS", "I-ADDRESS")
    two = replace(design, labels=TWO_HEADS)
    assert two.tags[two.columns("one")] == ("O", "B-one:NAME", "I-one:NAME")
    assert two.tags[two.columns("two")][0] == "O" and len(two.tags) == 8


def _marked_examples(model: Model) -> list[Example]:
    """One head sees names, the other takes capitals for addresses; spelling and marks alone tell these words apart."""
    found = []
    for text, marks, one, two in (("reed Bath", [1, 0], [1, 0], [0, 3]), ("reed bath", [0, 0], [0, 0], [0, 0])):
        words = words_of(text, COMMON)
        shapes = np.concatenate((words.shapes, np.array(marks, np.uint8)[:, None]), axis=1)
        [window] = windows_of(model.subwords, words, 40)
        for head, tags in (("one", one), ("two", two)):
            targets = targets_of(window, np.array(tags, np.int64))
            found.append(Example(window, shapes, targets, spelling_of(words), head))
    return found


def test_heads_marks_and_spelling_are_learned_saved_and_run_the_same_everywhere(design: Design, tmp_path: Path) -> None:
    model = build(replace(design, labels=TWO_HEADS, marks=1, characters=8))
    examples = _marked_examples(model)
    settings = Settings(epochs=120, rate=5e-3, hide_common=0.0, hide_marks=0.01, hide_words=0.01, dropout=0.01)
    train(model, examples, settings, lambda *_: None)
    assert {k: s.f1 for k, s in measure(model, examples).items()} == dict.fromkeys((*TWO_HEADS, "words"), 1.0)
    save(model, tmp_path / "two.safetensors")
    batch = batch_of([e.window for e in examples], [e.shapes for e in examples], 0, [spelling_of_(e) for e in examples])
    exact = open_runtime(tmp_path / "two.safetensors", None, 1, quantized=False).run(batch)
    small = open_runtime(tmp_path / "two.safetensors", tmp_path, 1, quantized=True).run(batch)
    first = examples[0].window.first
    assert (exact[:, first].argmax(-1) == small[:, first].argmax(-1)).all()
    changed = replace(batch, spelling=np.zeros_like(batch.spelling))
    assert not np.allclose(open_runtime(tmp_path / "two.safetensors", tmp_path, 1, quantized=True).run(changed), small)


def spelling_of_(example: Example) -> np.ndarray:
    assert example.spelling is not None
    return example.spelling


def test_after_training_the_encoder_is_exact_again(design: Design) -> None:
    model = build(design)
    before = {name: p.detach().clone() for name, p in model.network.named_parameters() if not p.requires_grad}
    examples = [e for note in NOTES for e in examples_of(model, note, 40, COMMON, skip=False)]
    train(model, examples, Settings(epochs=1), lambda *_: None)
    for name, parameter in model.network.named_parameters():
        if not parameter.requires_grad:
            torch.testing.assert_close(parameter, before[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-A I-A O", [(1, 3, "A")]),
        ("B-A B-A I-A", [(0, 1, "A"), (1, 3, "A")]),
        ("I-A I-B I-B", [(0, 1, "A"), (1, 3, "B")]),
        ("I-A O I-A", [(0, 1, "A"), (2, 3, "A")]),
    ],
)
def test_tags_become_spans(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split()) == expected


def test_the_words_of_a_text_are_those_of_the_network(design: Design) -> None:
    model = build(design)
    [example] = examples_of(model, NOTES[0], 40, COMMON, skip=False)
    assert (example.targets >= 0).sum() == len(words_of(NOTES[0].text, COMMON))
