"""Where training starts: alike at every site, from public text alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clinical import start
from clinical.classifier import predict_texts
from clinical.encoder import Classifier
from clinical.start import start_classifier
from clinical.synthetic import made_up_texts
from clinical.windows import cut
from privacy.encoders import find_encoder
from tests.clinical.encoders import tiny_classifier, tiny_design
from tests.clinical.notes import SENTENCES

LAYERS = pytest.mark.parametrize("trained_layers", [0, 1, 2])
TITLES = tuple(" ".join(lines) for lines in SENTENCES.values())


def started(folder: Path, **changes: object) -> Classifier:
    return start_classifier(find_encoder(str(folder)), tiny_design(**changes))


def means(classifier: Classifier, folder: Path, texts: tuple[str, ...]) -> torch.Tensor:
    """Mean over all tokens of each text's first window by the whole encoder, `[N, D]`."""
    from transformers import AutoModel

    encoder, found = AutoModel.from_pretrained(folder).eval(), []
    for text in texts:
        windows = cut(classifier.tokenizer, text, classifier.design.window, 1)
        ids, mask = torch.from_numpy(windows.ids).long(), torch.from_numpy(windows.mask).long()
        with torch.no_grad():
            found.append(encoder(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()].mean(0))
    return torch.stack(found)


@pytest.mark.parametrize("warm_start", [0.0, 4.0])
@LAYERS
def test_one_plan_gives_the_same_model_at_every_site(bert: Path, trained_layers: int, warm_start: float) -> None:
    torch.manual_seed(1)
    one = started(bert, trained_layers=trained_layers, warm_start=warm_start).tail.state_dict()
    torch.manual_seed(2)
    other = started(bert, trained_layers=trained_layers, warm_start=warm_start).tail.state_dict()
    assert one.keys() == other.keys()
    assert "centre" in one
    for name, values in one.items():
        assert torch.equal(values, other[name]), name


@LAYERS
def test_the_centre_is_the_mean_of_made_up_texts_and_of_nothing_else(family: Path, trained_layers: int) -> None:
    """Not of labels, titles or seed either; and nothing that is trained."""
    classifier = started(family, trained_layers=trained_layers)
    expected = means(classifier, family, tuple(made_up_texts(start._PUBLIC_TEXTS))).mean(0)
    torch.testing.assert_close(classifier.tail.centre, expected, rtol=1e-2, atol=5e-3)
    other = started(family, trained_layers=trained_layers, titles=("a", "b"), seed=9, warm_start=3.0)
    torch.testing.assert_close(other.tail.centre, classifier.tail.centre, rtol=1e-5, atol=1e-6)
    assert "centre" not in classifier.tail.trained()


def test_without_a_warm_start_the_head_is_small_and_random(bert: Path) -> None:
    head = started(bert, titles=tuple(map(str, range(50)))).tail.head
    assert float(head.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert torch.equal(head.weight, tiny_classifier(bert, titles=tuple(map(str, range(50)))).tail.head.weight)
    assert not head.bias.any()


@LAYERS
def test_a_warm_start_points_to_the_titles(family: Path, trained_layers: int) -> None:
    """Each row is so long and in the direction of its title; what reads like a title is taken for its label."""
    classifier = started(family, trained_layers=trained_layers, warm_start=4.0, titles=TITLES, window=40)
    weight, centre = classifier.tail.head.weight.detach(), classifier.tail.centre
    torch.testing.assert_close(weight.norm(dim=1), torch.full((3,), 4.0))
    direction = torch.nn.functional.normalize(means(classifier, family, TITLES) - centre, dim=-1)
    assert (torch.cosine_similarity(weight, direction) > 0.999).all()
    assert predict_texts(classifier, TITLES).argmax(1).tolist() == [0, 1, 2]


def test_more_labels_than_are_read_at_once_have_a_row_each(bert: Path) -> None:
    """Two labels of one title have the same row, wherever they stand."""
    titles = (*(f"{word} {number}" for number in range(40) for word in ("Cough", "Stool")), "Cough 0")
    weight = started(bert, titles=titles, warm_start=1.0).tail.head.weight.detach()
    torch.testing.assert_close(weight[80], weight[0], rtol=1e-4, atol=1e-5)
    assert len(torch.unique(weight.round(decimals=3), dim=0)) == 80
