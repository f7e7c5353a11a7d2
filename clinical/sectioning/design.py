"""What the section classifier was trained with, and how it reads a text; neither needs PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.errors import IntegrityError
from privacy.encoders import DEFAULT_ENCODER, EncoderFiles, find_encoder


@dataclass(frozen=True)
class Design:
    """What the classifier was trained with: its labels, the encoder's hash, the rank of LoRA, tokens that are read."""

    labels: tuple[str, ...]
    encoder_sha256: str
    rank: int
    tokens: int

    def encoder(self) -> EncoderFiles:
        """The encoder that it was trained on.

        Raises:
            IntegrityError: the encoder on this machine is another.
        """
        files = find_encoder(DEFAULT_ENCODER)
        if files.sha256 != self.encoder_sha256:
            raise IntegrityError("the section classifier was trained on another encoder", "Install Confide again.")
        return files


def read_design(path: Path) -> Design:
    """The design in the header of a file of weights.

    Raises:
        IntegrityError: the file is no section classifier.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            header = json.loads((file.metadata() or {})["design"])
        return Design(tuple(header["labels"]), header["encoder_sha256"], int(header["rank"]), int(header["tokens"]))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        raise IntegrityError(f"{path.name} is no section classifier", "Install Confide again.") from None


class Beginnings:
    """The first tokens of texts.

    Args:
        encoder: whose vocabulary it is.
        tokens: that are read of each text.
    """

    def __init__(self, encoder: EncoderFiles, tokens: int) -> None:
        from tokenizers import Tokenizer

        self._tokens = tokens
        self._tokenizer = Tokenizer.from_file(str(Path(encoder.path) / "tokenizer.json"))
        self._tokenizer.enable_truncation(tokens)
        self._tokenizer.enable_padding()

    def of(self, texts: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Token ids and the mask of what is no padding, each `[N, L]`."""
        coded = self._tokenizer.encode_batch([text[: 20 * self._tokens] for text in texts])
        return {
            "ids": np.array([own.ids for own in coded], np.int64),
            "mask": np.array([own.attention_mask for own in coded], np.int64),
        }
