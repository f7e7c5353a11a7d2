"""A text classifier: the base encoder with LoRA on all layers (Hu et al. 2021), the mean of its states, a linear head.

What was trained is a safetensors file of under a megabyte beside the encoder; labels and shape stand in its header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from clinical.sectioning.design import Beginnings, Design, read_design
from privacy.encoders import load_encoder
from privacy.low_rank import Adapted, add_low_rank


@dataclass(frozen=True)
class Model:
    """A vocabulary and a network that belong together."""

    design: Design
    beginnings: Beginnings
    network: SectionNetwork

    def logits(self, texts: Sequence[str]) -> Tensor:
        """Of the beginning of each text, `[N, K]`."""
        logits: Tensor = self.network(*map(torch.from_numpy, self.beginnings.of(texts).values()))
        return logits


class SectionNetwork(Adapted):
    """Token ids and mask `[B, L]` to logits `[B, K]`."""

    def __init__(self, encoder: nn.Module, width: int, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, labels)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        seen = mask.unsqueeze(-1).to(states.dtype)
        return self.head((states * seen).sum(1) / seen.sum(1).clamp(min=1))


def build(design: Design, *, seed: int = 0) -> Model:
    """A classifier whose encoder is as it was and whose head knows nothing.

    Raises:
        IntegrityError: the encoder on this machine is another than the design names.
    """
    files = design.encoder()
    _, encoder = load_encoder(files)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        add_low_rank((module for name, module in list(encoder.named_modules()) if "pooler" not in name), design.rank)
        network = SectionNetwork(encoder, encoder.config.hidden_size, len(design.labels))
    return Model(design, Beginnings(files, design.tokens), network.eval())


def save(model: Model, path: Path) -> None:
    """Write what was trained, with the design in the header."""
    model.network.save(model.design, path)


def load(path: Path) -> Model:
    """A trained classifier, LoRA added to the encoder's weights.

    Raises:
        IntegrityError: the file is no section classifier, or its encoder is not the one on this machine.
    """
    from safetensors.torch import load_file

    model = build(read_design(path))
    model.network.fill(load_file(path), path.name, "classifier")
    model.network.merge()
    return model
