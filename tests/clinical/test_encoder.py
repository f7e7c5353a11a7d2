"""The encoder in two parts is the encoder; what is trained has one exact gradient for each patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from clinical.classifier import PatientStates, cut_for, loss_of, note_rows, padded, patient_states, trunk_states
from clinical.dataset import Dataset, LabelledNote
from clinical.encoder import Classifier, Design
from clinical.labels import LabelRule, LabelSource
from clinical.windows import cut
from policies.errors import InputError, TrainingError
from privacy.training.dpsgd import PatientGradients, Rows, check_gradients, private_gradient
from privacy.training.dpsgd import StepSettings as Settings
from privacy.training.randomness import SecureRandom
from tests.clinical.encoders import move_b, tiny_classifier, tiny_design
from tests.clinical.models import plan_of
from tests.clinical.notes import LABELS, SENTENCES

TEXTS = ("Cough and fever for days.", "Chest pain.", "", "Vomits since the morning. " * 4)
RULE = LabelRule(LabelSource.CATEGORY, LABELS)
LAYERS = pytest.mark.parametrize("trained_layers", [0, 1, 2])


def one_window(classifier: Classifier, length: int = 24) -> tuple[Tensor, Tensor]:
    """Token ids and mask of each text, `[4, L]`."""
    windows = [cut(classifier.tokenizer, text, length, 1) for text in TEXTS]
    return (
        torch.cat([torch.from_numpy(window.ids) for window in windows]).long(),
        torch.cat([torch.from_numpy(window.mask) for window in windows]).long(),
    )


def three_patients(classifier: Classifier) -> list[PatientStates]:
    """One with three notes of one to three windows, one with two, one with a note without text."""
    lines = {label: list(sentences) for label, sentences in SENTENCES.items()}
    texts = {
        "a": {"lung": lines["lung"], "heart": lines["heart"][:1], "gut": lines["gut"] * 3},
        "b": {"heart": lines["heart"][1:], "lung": lines["lung"][2:]},
        "c": {"gut": []},
    }
    notes = {
        patient: tuple(LabelledNote(label, "\n".join(text), frozenset({label, "gut"})) for label, text in own.items())
        for patient, own in texts.items()
    }
    return list(patient_states(Dataset(notes, RULE), classifier).values())


def alone(classifier: Classifier, patient: PatientStates) -> Tensor:
    """A patient's gradient without hooks, batches or padding: note by note, added up."""
    tail, loss = classifier.tail, loss_of(classifier.design)
    total = torch.zeros(())
    for note, target in enumerate(patient.targets):
        states, mask = (torch.from_numpy(part.copy()) for part in patient.of_note(note))
        total = total + loss(tail(states[None].float(), mask[None].long()), torch.from_numpy(target)[None]).sum()
    return torch.cat([part.flatten() for part in torch.autograd.grad(total, list(tail.trained().values()))]).double()


def all_rows(patients: list[PatientStates]) -> Rows:
    return note_rows(patients, 10, SecureRandom())(range(len(patients)))


@LAYERS
@pytest.mark.parametrize("multi_label", [False, True])
def test_gradients_by_hooks_are_those_of_one_patient_at_a_time(
    family: Path, trained_layers: int, multi_label: bool
) -> None:
    classifier = tiny_classifier(family, trained_layers=trained_layers, multi_label=multi_label)
    move_b(classifier)
    patients = three_patients(classifier)
    windows = [[len(patient.of_note(note)[0]) for note in range(len(patient.targets))] for patient in patients]
    assert windows == ([[2, 1, 3], [1, 1], [1]] if trained_layers else [[1] * 3, [1] * 2, [1]])
    rows = all_rows(patients)
    with PatientGradients(classifier.tail, loss_of(classifier.design)) as gradients:
        found, _ = gradients.of(rows, 3)
    torch.testing.assert_close(found, torch.stack([alone(classifier, p) for p in patients]), rtol=1e-3, atol=1e-5)
    check_gradients(classifier.tail, loss_of(classifier.design), rows)


@LAYERS
def test_half_the_precision_loses_no_patient_to_padding(bert: Path, trained_layers: int) -> None:
    """A window of padding alone, whose attention has nothing to look at, must not make its patient's gradient NaN."""
    classifier = tiny_classifier(bert, trained_layers=trained_layers)
    move_b(classifier)
    rows = all_rows(three_patients(classifier))
    found = {}
    for kind in (None, torch.bfloat16):
        with PatientGradients(classifier.tail, loss_of(classifier.design), kind) as gradients:
            found[kind], _ = gradients.of(rows, 3)
    assert (torch.cosine_similarity(found[None], found[torch.bfloat16]) > 0.99).all()
    torch.testing.assert_close(found[None].norm(dim=1), found[torch.bfloat16].norm(dim=1), rtol=0.05, atol=0.0)


@LAYERS
def test_windows_of_padding_are_nothing(family: Path, trained_layers: int) -> None:
    classifier = tiny_classifier(family, trained_layers=trained_layers)
    move_b(classifier)
    tail, rows = classifier.tail, all_rows(three_patients(classifier))
    states, mask = rows.inputs
    more = torch.full((len(states), 2, *states.shape[2:]), 9.0), torch.zeros(len(mask), 2, *mask.shape[2:]).long()
    wider = torch.cat([states, more[0]], 1), torch.cat([mask, more[1]], 1)
    torch.testing.assert_close(tail(*wider), tail(states, mask), rtol=1e-5, atol=1e-6)


@LAYERS
@pytest.mark.parametrize("training", [False, True])
def test_trunk_and_tail_are_the_whole_encoder(family: Path, trained_layers: int, training: bool) -> None:
    """Before B moves, LoRA adds nothing; in training mode too, which Opacus asks for, no dropout may."""
    from transformers import AutoModel

    classifier = tiny_classifier(family, trained_layers=trained_layers, window=24)
    tail = classifier.tail.train(training)
    ids, mask = one_window(classifier)
    whole = AutoModel.from_pretrained(family).eval()
    with torch.no_grad():
        states = whole(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[:, :, None].float()
        mean = (states * weights).sum(1) / weights.sum(1)
        torch.testing.assert_close(
            tail.mean(classifier.trunk(ids, mask)[:, None], mask[:, None]), mean, rtol=1e-4, atol=1e-4
        )
        tail.centre.copy_(mean.mean(0))
        centred = torch.nn.functional.normalize(mean - mean.mean(0), dim=-1)
        torch.testing.assert_close(
            tail.features(classifier.trunk(ids, mask)[:, None], mask[:, None]), centred, rtol=1e-3, atol=1e-4
        )


@LAYERS
def test_a_note_in_windows_is_the_mean_over_all_their_tokens(family: Path, trained_layers: int) -> None:
    """A short last window counts by its tokens, not as much as a full one."""
    from transformers import AutoModel

    classifier = tiny_classifier(family, trained_layers=trained_layers)
    windows = cut_for(classifier, TEXTS[3] + TEXTS[1])
    ids, mask = torch.from_numpy(windows.ids).long(), torch.from_numpy(windows.mask).long()
    assert len(ids) == 3
    assert 0 < mask[2].sum() < mask[1].sum()
    with torch.no_grad():
        states = AutoModel.from_pretrained(family).eval()(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = states[mask.bool()].mean(0)
        found = classifier.tail.mean(*padded(trunk_states(classifier, [windows])))[0]
    torch.testing.assert_close(found, mean, rtol=5e-3, atol=5e-3)  # the cache is in half precision


@LAYERS
def test_padding_tokens_are_nothing(family: Path, trained_layers: int) -> None:
    classifier = tiny_classifier(family, trained_layers=trained_layers)
    results = []
    for length in (16, 40):
        window = cut(classifier.tokenizer, "Cough and fever.", length, 1)
        results.append(classifier.tail(*padded(trunk_states(classifier, [window]))))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-4)


@LAYERS
def test_lora_b_and_the_head_are_trained_and_nothing_else(family: Path, trained_layers: int) -> None:
    classifier = tiny_classifier(family, trained_layers=trained_layers)
    names = list(classifier.tail.trained())
    assert sum("lora_B" in name for name in names) == 2 * trained_layers  # query and value
    assert {name for name in names if "lora_B" not in name} == {"head.weight", "head.bias"}
    assert not any(parameter.requires_grad for parameter in classifier.trunk.parameters())
    lora_a = [parameter for name, parameter in classifier.tail.named_parameters() if "lora_A" in name]
    assert len(lora_a) == 2 * trained_layers
    assert all(parameter.any() for parameter in lora_a)


def test_one_seed_gives_one_start_and_another_another_a(bert: Path) -> None:
    torch.manual_seed(1)
    first = dict(tiny_classifier(bert, seed=7).tail.named_parameters())
    torch.manual_seed(2)
    same, other = (dict(tiny_classifier(bert, seed=seed).tail.named_parameters()) for seed in (7, 8))
    for name, parameter in first.items():
        assert torch.equal(parameter, same[name]), name
        if "lora_A" in name or name == "head.weight":
            assert not torch.equal(parameter, other[name]), name


def test_the_scale_is_that_by_which_loras_product_is_multiplied(bert: Path) -> None:
    """A tenth of the scale and ten times the B are the same model."""
    results = []
    for scale, size in ((1.0, 1.0), (0.1, 10.0)):
        classifier = tiny_classifier(bert, lora_scale=scale, lora_rank=4)
        move_b(classifier)
        with torch.no_grad():
            for name, parameter in classifier.tail.trained().items():
                if "lora_B" in name:
                    parameter.mul_(size)
        results.append(classifier.tail(*all_rows(three_patients(classifier)).inputs))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dead", ["lora_A", "head.weight"])
def test_a_b_that_cannot_learn_is_found(bert: Path, dead: str) -> None:
    """With A or the head at zero no gradient reaches B: noise alone would move it while the loss falls."""
    classifier = tiny_classifier(bert)
    with torch.no_grad():
        for name, parameter in classifier.tail.named_parameters():
            if dead in name:
                parameter.zero_()
    with pytest.raises(TrainingError, match=r"lora_B.* has no gradient"):
        check_gradients(classifier.tail, loss_of(classifier.design), all_rows(three_patients(classifier)))


def test_a_b_that_the_forward_pass_left_behind_is_found(bert: Path) -> None:
    """As where the optimizer holds other parameters than the model computes with (Opacus issue 820)."""
    classifier = tiny_classifier(bert)
    for name, module in classifier.tail.named_modules():
        if name.endswith("lora_B.default"):
            module.register_forward_hook(lambda _module, _inputs, output: output.detach())
    with pytest.raises(TrainingError, match=r"lora_B.* has no gradient"):
        check_gradients(classifier.tail, loss_of(classifier.design), all_rows(three_patients(classifier)))


@LAYERS
def test_patients_who_leak_into_each_other_are_found(bert: Path, trained_layers: int) -> None:
    """At the scale and the small head of a plan, whose gradients for B are small."""
    classifier = tiny_classifier(bert, trained_layers=trained_layers, lora_scale=0.1)
    rows = all_rows(three_patients(classifier))
    check_gradients(classifier.tail, loss_of(classifier.design), rows)
    real = classifier.tail.mean
    classifier.tail.mean = lambda states, mask: real(states, mask) - 0.1 * real(states, mask).mean(0)  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="not that of the patient alone"):
        check_gradients(classifier.tail, loss_of(classifier.design), rows)


@LAYERS
def test_a_patient_of_many_notes_and_windows_moves_the_sum_by_at_most_one_clip(bert: Path, trained_layers: int) -> None:
    """Also the patient whose numbers are huge; and the sum is that of gradients shortened one by one."""
    classifier = tiny_classifier(bert, trained_layers=trained_layers)
    move_b(classifier)
    patients, how = three_patients(classifier), Settings(sigma=0.0, clip=0.01, rate=1.0, patients=1)

    def total(sample: range) -> Tensor:
        rows = note_rows(patients, 10, SecureRandom())
        found = private_gradient(classifier.tail, loss_of(classifier.design), rows, sample, how)
        return torch.cat([part.flatten() for part in found.gradient.values()]).double()

    for left_out in range(3):
        assert alone(classifier, patients[left_out]).norm() > 0.01
        assert total(range(left_out, left_out + 1)).norm() == pytest.approx(0.01, rel=1e-5)
    shortened = [0.01 * torch.nn.functional.normalize(alone(classifier, patient), dim=0) for patient in patients]
    torch.testing.assert_close(total(range(3)), torch.stack(shortened).sum(0), rtol=1e-3, atol=1e-5)


def test_a_design_is_read_from_a_plan_with_the_titles_of_its_labels(bert: Path) -> None:
    design = Design.of(plan_of(bert, multi_label=True, warm_start=2.5))
    assert design.titles == ("Pneumonia", *LABELS[1:])
    assert (design.multi_label, design.warm_start, design.window) == (True, 2.5, plan_of(bert)["window"])
    assert tiny_design(seed=8) != tiny_design(seed=7)


@pytest.mark.parametrize("layers", [-1, 3])
def test_more_layers_than_there_are_cannot_be_trained(bert: Path, layers: int) -> None:
    with pytest.raises(InputError, match=f"{layers} trained layers where the encoder has 2"):
        tiny_classifier(bert, trained_layers=layers)


def test_an_encoder_of_another_family_is_refused(bert: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2Model

    GPT2Model(GPT2Config(vocab_size=300, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="'gpt2' is no BERT"):
        tiny_classifier(tmp_path)


def test_a_note_without_a_token_in_sight_is_no_exception(bert: Path) -> None:
    """Its mean is zero, and not a division by zero."""
    tail = tiny_classifier(bert).tail
    states, mask = torch.ones(1, 2, 12, 32), torch.zeros(1, 2, 12).long()
    assert np.isfinite(tail(states, mask).detach().numpy()).all()
