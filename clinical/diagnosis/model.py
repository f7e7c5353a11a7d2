"""A signed model, ready to read notes: what it makes of each token, and of any selection of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clinical.diagnosis.located import Located, findings
from clinical.labels import LabelRule, LabelSource
from clinical.windows import MARGIN, Windows, arranged
from policies.errors import IntegrityError
from policies.models import SignedModel
from privacy.encoders import find_encoder

if TYPE_CHECKING:
    from clinical.encoder import Classifier

Floats = NDArray[np.float64]
_LEAST_SHARE = 1e-12  # so that log-odds are finite


@dataclass(frozen=True)
class Pooled:
    """Sums of token states: all that the head sees of a selection of tokens, for it reads their mean.

    Attributes:
        sums: `[G, D]`.
        counts: `[G]`.
    """

    sums: Floats
    counts: Floats

    def __add__(self, other: Pooled) -> Pooled:
        return Pooled(self.sums + other.sums, self.counts + other.counts)

    def __sub__(self, other: Pooled) -> Pooled:
        return Pooled(self.sums - other.sums, self.counts - other.counts)


@dataclass(frozen=True)
class Reading:
    """What the encoder says of a note: patient data, since hidden states invert to text.

    Attributes:
        windows: what was read.
        states: of each token after the last layer, `[W, L, D]`.
        places: where in the note each token begins, `[W, L]`; -1 for padding and the marks around a window.
    """

    windows: Windows
    states: NDArray[np.float32]
    places: NDArray[np.int64]

    def pooled(self, groups: NDArray[np.int64], count: int) -> Pooled:
        """Each group's tokens; `groups` says which one a token belongs to, `[W, L]`, -1 for none."""
        own = groups[chosen := groups >= 0]
        member = csr_array((np.ones(len(own)), (own, np.arange(len(own)))), shape=(count, len(own)))
        return Pooled(member @ self.states[chosen], np.bincount(own, minlength=count).astype(float))

    @property
    def whole(self) -> Pooled:
        return self.pooled(np.where(self.windows.mask, 0, -1), 1)


class ConditionModel:
    """A verified model, ready to read notes.

    Args:
        signed: from `policies.models.open_model`, so its signature was checked.

    Raises:
        IntegrityError: the encoder on this machine, or the weights, are not those of the card.
    """

    def __init__(self, signed: SignedModel) -> None:
        from safetensors.numpy import load_file

        from clinical.classifier import set_model_weights  # these bring torch, which facts alone do without
        from clinical.encoder import Design, build_classifier

        plan: Mapping[str, Any] = signed.card["plan"]
        files = find_encoder(plan["encoder"])
        if files.sha256 != plan["encoder_sha256"]:
            raise IntegrityError(f"model {signed.name} wants another '{plan['encoder']}' than this machine has")
        self.name = signed.name
        self.labels: tuple[str, ...] = tuple(plan["labels"])
        self.rule = LabelRule(
            LabelSource(plan["label_source"]), self.labels, plan["label_mapping"], plan["label_titles"]
        )
        self.split_key, self.held_back = str(plan["split_key"]), float(plan["held_back"])
        self.classifier: Classifier = build_classifier(files, Design.of(plan))
        try:
            set_model_weights(self.classifier, load_file(signed.weights))
        except ValueError:
            raise IntegrityError(f"model {signed.name}: its weights do not fit its plan") from None
        tail = self.classifier.tail
        self._centre, self._head, self._bias = (
            tensor.detach().cpu().double().numpy() for tensor in (tail.centre, tail.head.weight, tail.head.bias)
        )

    def title(self, label: str) -> str:
        return self.rule.titles.get(label, label)

    def read(self, note: Located) -> Reading:
        """Run the encoder over a note once, over as many windows of it as the model reads."""
        design, tokenizer = self.classifier.design, self.classifier.tokenizer
        most = (design.window - MARGIN) * design.windows_per_note
        cut = tokenizer(
            note.text, add_special_tokens=False, truncation=True, max_length=most, return_offsets_mapping=True
        )
        windows = arranged(tokenizer, cut["input_ids"], design.window)
        order = np.cumsum(windows.mask, 1)
        inner = windows.mask.astype(bool) & (order > 1) & (order < order[:, -1:])
        places = np.full(inner.shape, -1, np.int64)
        places[inner] = note.places[np.array([start for start, _ in cut["offset_mapping"]], np.int64)]
        return Reading(windows, self.states(windows), places)

    @cached_property
    def findings(self) -> Pooled:
        """What might be asked for (`located.findings`), each as a sentence in a window of its own."""
        tokenizer, length = self.classifier.tokenizer, self.classifier.design.window
        found = [
            arranged(tokenizer, tokenizer.encode(f"{text}.", add_special_tokens=False)[: length - MARGIN], length)
            for text in findings()
        ]
        windows = Windows(*(np.concatenate([getattr(own, part) for own in found]) for part in ("ids", "mask")))
        states = self.states(windows)
        return Pooled((states * windows.mask[:, :, None]).sum(1, dtype=np.float64), windows.mask.sum(1, dtype=float))

    def states(self, windows: Windows) -> NDArray[np.float32]:
        """Of every token of every window after the last layer, `[W, L, D]`; the mask may leave out tokens within.

        The trunk runs in bfloat16 where the processor has it: half the time, and log-odds that are off by 0.008 in the
        mean and 0.04 at most (60 notes, 15 labels), the first suggestion never another.
        """
        import torch

        from clinical.classifier import WINDOWS_AT_ONCE, stacked

        ids, mask = stacked([windows])
        longest = int(mask.any(0).nonzero().max()) + 1
        found = torch.zeros(*ids.shape, self.classifier.tail.head.in_features)
        with torch.inference_mode():
            for rows in torch.arange(len(ids)).split(WINDOWS_AT_ONCE):
                seen = mask[rows, :longest]
                with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
                    states = self.classifier.trunk(ids[rows, :longest], seen)
                found[rows, :longest] = self.classifier.tail.tokens(states.float()[:, None], seen[:, None]).cpu()
        return found.numpy()

    def features(self, pooled: Pooled) -> Floats:
        """What the head sees of each selection: `[G, D]`, of unit length."""
        centred = pooled.sums / np.maximum(pooled.counts, 1.0)[:, None] - self._centre
        return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _LEAST_SHARE)

    def log_odds(self, pooled: Pooled) -> Floats:
        """Of each label against all others, for each selection: `[G, K]`."""
        logits = self.features(pooled) @ self._head.T + self._bias
        if self.classifier.design.multi_label:
            return np.asarray(logits)
        share = np.exp(logits - logits.max(-1, keepdims=True))
        share = np.clip(share / share.sum(-1, keepdims=True), _LEAST_SHARE, 1 - _LEAST_SHARE)
        return np.asarray(np.log(share) - np.log1p(-share))


@cache
def _has_bfloat16() -> bool:
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]
