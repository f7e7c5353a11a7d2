"""What searches and reads a record: vectors of texts by the base encoder, and the reader on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clinical.record.reader import Reader, load
from clinical.record.retrieval import Floats
from privacy.encoders import find_encoder, load_encoder

_BATCH, _TOKENS = 32, 128


@dataclass(frozen=True)
class Encoding:
    """A reader, and the base encoder as it was made, for vectors."""

    reader: Reader
    tokenizer: Any
    model: Any

    def embed(self, texts: Sequence[str]) -> Floats:
        """The mean of the states of each text's tokens, `[N, D]` of unit length."""
        found = np.zeros((len(texts), self.model.config.hidden_size), np.float32)
        most = min(_TOKENS, self.reader.design.tokens)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = self.tokenizer(
                [texts[row] for row in rows], truncation=True, max_length=most, padding=True, return_tensors="pt"
            )
            with torch.inference_mode():
                states = self.model(batch["input_ids"], batch["attention_mask"]).last_hidden_state
                seen = batch["attention_mask"].unsqueeze(-1).float()
                mean = (states * seen).sum(1) / seen.sum(1).clamp(min=1)
                found[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        return found


def open_encoding(weights: Path) -> Encoding:
    """Load the reader and its encoder.

    Raises:
        IntegrityError: the weights are no reader, or do not fit the encoder of this machine.
    """
    reader = load(weights)
    tokenizer, model = load_encoder(find_encoder(reader.design.encoder))
    return Encoding(reader, tokenizer, model)
