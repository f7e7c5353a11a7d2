"""Where training starts: what all notes share, and a first guess of the head, from public text alone.

Neither is a patient's: the centre is that of made-up notes of our own, the guess comes from the plan's label titles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clinical.classifier import padded, trunk_states
from clinical.encoder import Classifier, Design, build_classifier
from clinical.synthetic import made_up_texts
from clinical.windows import cut
from privacy.encoders import EncoderFiles

_PUBLIC_TEXTS = 32


def start_classifier(files: EncoderFiles, design: Design) -> Classifier:
    """A model as every site and the server begin with: the same for the same plan and encoder.

    Raises:
        InputError: the encoder is of no known family, or has too few layers.
    """
    classifier = build_classifier(files, design)
    tail = classifier.tail
    with torch.no_grad():
        tail.centre.copy_(_means(classifier, made_up_texts(_PUBLIC_TEXTS)).mean(0))
        if design.warm_start:
            direction = torch.nn.functional.normalize(_means(classifier, list(design.titles)) - tail.centre, dim=-1)
            tail.head.weight.copy_(design.warm_start * direction)
    return classifier


def _means(classifier: Classifier, texts: list[str]) -> Tensor:
    """Mean of the token states of each text's first window, `[N, D]`."""
    notes = trunk_states(classifier, [cut(classifier.tokenizer, text, classifier.design.window, 1) for text in texts])
    return classifier.tail.mean(*padded(notes))
