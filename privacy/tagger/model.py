"""A token classifier: the base encoder with LoRA on all layers (Hu et al. 2021), shapes of words, and a head.

Which labels it gives is an argument; what was trained is a safetensors file of a few megabytes beside the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from policies.errors import IntegrityError
from privacy.encoders import find_encoder, load_encoder
from privacy.low_rank import Adapted, add_low_rank
from privacy.tagger.design import Design, read_design
from privacy.tagger.words import ALPHABET, SHAPES, Subwords


class Speller(nn.Module):
    """Characters of words `[B, L, C]` to `[B, L, D]` by convolution and maximum (Ma and Hovy 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(ALPHABET, 24, padding_idx=0)
        self.convolution = nn.Conv1d(24, channels, 3, padding=1)

    def forward(self, spelling: Tensor) -> Tensor:
        letters = self.letters(spelling.flatten(0, 1)).transpose(1, 2)
        read: Tensor = self.convolution(letters).amax(-1).relu()
        return read.view(spelling.shape[0], spelling.shape[1], -1)


class TokenTagger(Adapted):
    """Token ids and mask `[B, L]`, shapes `[B, L, S]`, spelling `[B, L, C]` if it is read, to logits `[B, L, K]`."""

    def __init__(self, encoder: nn.Module, width: int, design: Design) -> None:
        super().__init__()
        self.encoder = encoder
        features = len(SHAPES) + design.marks + design.characters
        self.speller = Speller(design.characters) if design.characters else None
        self.shape = nn.Linear(features, width, bias=False)
        self.hidden = nn.Linear(width + features, design.hidden)
        self.head = nn.Linear(design.hidden, len(design.tags))
        nn.init.zeros_(self.shape.weight)  # training starts from the encoder as it is

    def forward(self, ids: Tensor, mask: Tensor, shapes: Tensor, spelling: Tensor | None = None) -> Tensor:
        features = shapes
        if self.speller is not None and spelling is not None:
            features = torch.cat((shapes, self.speller(spelling)), -1)
        embedded = self.encoder.get_input_embeddings()(ids) + self.shape(features)
        states = self.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        return self.head(nn.functional.gelu(self.hidden(torch.cat((states, features), -1))))


@dataclass(frozen=True)
class Model:
    """Subwords and a network that belong together."""

    design: Design
    subwords: Subwords
    network: TokenTagger


def build(design: Design, *, seed: int = 0) -> Model:
    """A tagger whose encoder is as it was and whose head knows nothing.

    Raises:
        IntegrityError: the encoder on this machine is another than the design names.
    """
    files = find_encoder(design.encoder)
    if files.sha256 != design.encoder_sha256:
        raise IntegrityError("the tagger was trained on another encoder", "Train it again with its recipe.")
    _, encoder = load_encoder(files)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        add_low_rank((module for name, module in list(encoder.named_modules()) if "pooler" not in name), design.rank)
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # made-up notes never run out: each is read once
        network = TokenTagger(encoder, encoder.config.hidden_size, design)
    return Model(design, Subwords(Path(files.path)), network.eval())


def save(model: Model, path: Path) -> None:
    """Write what was trained, with the design in the header."""
    model.network.save(model.design, path)


def load(path: Path) -> Model:
    """A trained tagger.

    Raises:
        IntegrityError: the file is no tagger of ours, or its encoder is not the one on this machine.
    """
    from safetensors.torch import load_file

    model = build(read_design(path))
    tensors = load_file(path)
    model.network.fill(tensors, path.name, "tagger")
    return model


def merged(model: Model) -> TokenTagger:
    """The network with LoRA added to the encoder's weights for good; the model given is changed."""
    model.network.merge()
    return model.network
