"""Tiny encoders of the three families, made and saved by the tests, and a classifier on top of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from clinical.encoder import Classifier, Design, build_classifier
from privacy.encoders import find_encoder
from tests.clinical.notes import LABELS

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;[]()-_'/"
POSITIONS = 64


def _config(family: str, vocabulary: int) -> PretrainedConfig:
    sizes = {"vocab_size": vocabulary, "pad_token_id": 0, "max_position_embeddings": POSITIONS}
    if family == "distilbert":
        return DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, **sizes)
    kind = BertConfig if family == "bert" else RobertaConfig
    return kind(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **sizes)


def save_encoder(folder: Path, family: str = "bert", words: tuple[str, ...] = ()) -> Path:
    """A random encoder of hidden size 32 with two layers, and a WordPiece tokenizer over letters and `words`."""
    pieces = [*SPECIAL, *LETTERS, *LETTERS.upper(), *(f"##{letter}" for letter in LETTERS + LETTERS.upper()), *words]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModel.from_config(_config(family, len(vocabulary)))
        for name, parameter in model.named_parameters():
            if "bias" not in name and "Norm" not in name:
                torch.nn.init.normal_(parameter, std=0.2)  # large enough for the layers to matter
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_design(**changes: Any) -> Design:
    """One trained layer with LoRA of rank 2, three labels, notes of up to three windows of 12 tokens."""
    values = {
        "titles": LABELS,
        "trained_layers": 1,
        "lora_rank": 2,
        "lora_scale": 1.0,
        "seed": 7,
        "window": 12,
        "windows_per_note": 3,
        "warm_start": 0.0,
        "multi_label": False,
    }
    return Design(**values | changes)


def tiny_classifier(folder: Path, **changes: Any) -> Classifier:
    """A model on an encoder that `save_encoder` made; `changes` are those of its design."""
    return build_classifier(find_encoder(str(folder)), tiny_design(**changes))


def move_b(classifier: Classifier) -> None:
    """Give LoRA's B matrices some size, as after a few rounds; at the start they are zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in classifier.tail.trained().items():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=generator)
