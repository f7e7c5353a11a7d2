"""The encoder in two parts is the encoder; what is trained has one exact gradient for each row."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from clinical.classifier import soft_cross_entropy
from clinical.encoder import Classifier
from clinical.windows import cut
from policies.errors import InputError, TrainingError
from privacy.training.dpsgd import check_gradients
from tests.clinical.encoders import tiny_classifier

TEXTS = ("Cough and fever for days.", "Chest pain.", "", "Vomits since the morning. " * 4)


def inputs(classifier: Classifier) -> tuple[Tensor, Tensor]:
    windows = [cut(classifier.tokenizer, text, 24, 1) for text in TEXTS]
    return (
        torch.cat([torch.from_numpy(window.ids) for window in windows]).long(),
        torch.cat([torch.from_numpy(window.mask) for window in windows]).long(),
    )


@pytest.mark.parametrize("trained_layers", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_trunk_and_tail_are_the_whole_encoder(family: Path, trained_layers: int, training: bool) -> None:
    """Before B moves, LoRA adds nothing; in training mode too, which Opacus asks for, no dropout may."""
    from transformers import AutoModel

    classifier = tiny_classifier(family, trained_layers=trained_layers)
    ids, mask = inputs(classifier)
    whole = AutoModel.from_pretrained(family).eval()
    with torch.no_grad():
        states = whole(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[:, :, None].float()
        mean = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
        features = classifier.tail.train(training).features(classifier.trunk(ids, mask), mask)
    torch.testing.assert_close(features, mean, rtol=1e-4, atol=1e-5)


def test_padding_is_nothing(family: Path) -> None:
    classifier = tiny_classifier(family)
    results = []
    for length in (16, 40):
        window = cut(classifier.tokenizer, "Cough and fever.", length, 1)
        ids, mask = torch.from_numpy(window.ids).long(), torch.from_numpy(window.mask).long()
        results.append(classifier.tail(classifier.trunk(ids, mask).clone(), mask))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)


def test_lora_b_and_the_head_are_trained_and_nothing_else(family: Path) -> None:
    classifier = tiny_classifier(family, trained_layers=2)
    names = list(classifier.tail.trained())
    assert sum("lora_B" in name for name in names) == 4  # query and value of two layers
    assert {name for name in names if "lora_B" not in name} == {"head.weight", "head.bias"}
    assert not any(parameter.requires_grad for parameter in classifier.trunk.parameters())
    assert any("lora_A" in name and parameter.any() for name, parameter in classifier.tail.named_parameters())


def test_one_seed_gives_one_start_and_another_another_a(bert: Path) -> None:
    torch.manual_seed(1)
    first = dict(tiny_classifier(bert, seed=7).tail.named_parameters())
    torch.manual_seed(2)
    same, other = (dict(tiny_classifier(bert, seed=seed).tail.named_parameters()) for seed in (7, 8))
    for name, parameter in first.items():
        assert torch.equal(parameter, same[name]), name
        if "lora_A" in name or name == "head.weight":
            assert not torch.equal(parameter, other[name]), name


def public_rows(classifier: Classifier) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask = inputs(classifier)
    return classifier.trunk(ids, mask).clone(), mask, torch.eye(len(TEXTS), 3) + 0.1


@pytest.mark.parametrize("trained_layers", [1, 2])
def test_gradients_by_opacus_are_those_of_batches_of_one(family: Path, trained_layers: int) -> None:
    classifier = tiny_classifier(family, trained_layers=trained_layers)
    with torch.no_grad():
        for name, parameter in classifier.tail.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)  # also after B has moved
    check_gradients(classifier.tail, soft_cross_entropy, public_rows(classifier))


@pytest.mark.parametrize("dead", ["lora_A", "head.weight"])
def test_a_b_that_cannot_learn_is_found(bert: Path, dead: str) -> None:
    """With A or the head at zero no gradient reaches B: noise alone would move it while the loss falls."""
    classifier = tiny_classifier(bert)
    with torch.no_grad():
        for name, parameter in classifier.tail.named_parameters():
            if dead in name:
                parameter.zero_()
    with pytest.raises(TrainingError, match=r"lora_B.* has no gradient"):
        check_gradients(classifier.tail, soft_cross_entropy, public_rows(classifier))


@pytest.mark.parametrize("layers", [0, 3])
def test_more_layers_than_there_are_cannot_be_trained(bert: Path, layers: int) -> None:
    with pytest.raises(InputError, match=f"{layers} trained layers where the encoder has 2"):
        tiny_classifier(bert, trained_layers=layers)


def test_an_encoder_of_another_family_is_refused(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2Model

    GPT2Model(GPT2Config(vocab_size=300, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="'gpt2' is no BERT"):
        tiny_classifier(tmp_path)
