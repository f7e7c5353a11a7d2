"""Where in a passage the answer of a question stands: the base encoder with LoRA (Hu et al. 2021) and a span head.

Question and passage are read together; the first token stands for "not here" (Devlin et al. 2019, section 4.3). Beside
the encoder's states the head sees what retrieval knows of each token: whether its word is in the question, how near its
sentence is, and where sentences begin and end. What was trained is a safetensors file beside the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinical.record.passages import WORD, stem
from clinical.record.retrieval import Index, Search
from policies.errors import IntegrityError
from privacy.encoders import EncoderFiles, find_encoder, load_encoder
from privacy.low_rank import Adapted, add_low_rank

FEATURES = 5
_ASKED = 48  # tokens of a question that are read


@dataclass(frozen=True)
class Design:
    """What the reader was trained with.

    Attributes:
        encoder, encoder_sha256: the encoder and its hash.
        frozen: lowest layers without LoRA.
        rank: of LoRA.
        hidden: width of the head.
        tokens: of question and passage together that are read.
        threshold: log-odds of an answer below which it is "not stated".
    """

    encoder: str
    encoder_sha256: str
    frozen: int = 2
    rank: int = 16
    hidden: int = 128
    tokens: int = 320
    threshold: float = 0.0


class SpanNetwork(Adapted):
    """Token ids, kinds and mask `[B, L]` and features `[B, L, F]` to logits of start and end `[B, L, 2]`."""

    def __init__(self, encoder: nn.Module, width: int, design: Design) -> None:
        super().__init__()
        self.encoder, self.frozen = encoder, design.frozen
        self.marks = nn.Linear(FEATURES, width, bias=False)
        self.hidden = nn.Linear(width + FEATURES, design.hidden)
        self.head = nn.Linear(design.hidden, 2)
        nn.init.zeros_(self.marks.weight)  # training starts from the encoder as it is

    def forward(self, ids: Tensor, kinds: Tensor, mask: Tensor, features: Tensor) -> Tensor:
        additive = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        layers = list(self.encoder.encoder.layer)
        with torch.no_grad():
            states = self.encoder.embeddings(input_ids=ids, token_type_ids=kinds)
            for layer in layers[: self.frozen]:
                states = _hidden(layer(states, additive))
        states = states + self.marks(features)
        for layer in layers[self.frozen :]:
            states = _hidden(layer(states, additive))
        return self.head(nn.functional.gelu(self.hidden(torch.cat((states, features), -1))))


@dataclass(frozen=True)
class Pair:
    """A question and a passage as tokens.

    Attributes:
        ids, kinds: `[L]`; kinds are 0 for the question and 1 for the passage.
        offsets: `[L, 2]`, where each token of the passage stands in its note; -1 for all other tokens.
        sentences: `[L]`, the number of each token's sentence in its record; -1 for tokens of no sentence.
        features: `[L, F]`.
    """

    ids: NDArray[np.int64]
    kinds: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sentences: NDArray[np.int64]
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Reader:
    """A tokenizer and a network that belong together."""

    design: Design
    tokenizer: Any
    network: SpanNetwork

    def pair(self, question: str, index: Index, search: Search, number: int) -> Pair:
        """A question with the passage of this number, which a search of the question has ranked."""
        passage = index.passages[number]
        text = index.text_of(passage)
        asked = self.tokenizer(question, add_special_tokens=False, truncation=True, max_length=_ASKED)["input_ids"]
        told = self.tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=True,
            max_length=self.design.tokens - len(asked) - 3,
        )
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        before = len(asked) + 2
        ids = np.array([cls, *asked, sep, *told["input_ids"], sep], np.int64)
        offsets = np.full((len(ids), 2), -1, np.int64)
        offsets[before:-1] = np.array(told["offset_mapping"], np.int64).reshape(-1, 2) + passage.start
        kinds = (np.arange(len(ids)) >= before).astype(np.int64)
        sentences = _sentences(index, number, offsets)
        return Pair(ids, kinds, offsets, sentences, _features(index, search, offsets, sentences))

    def logits(self, pairs: Sequence[Pair]) -> Tensor:
        """Of start and end `[B, L, 2]`; what is neither passage nor first token has minus infinity."""
        longest = max(len(pair.ids) for pair in pairs)
        ids = torch.zeros(len(pairs), longest, dtype=torch.long)
        kinds, mask, told = torch.zeros_like(ids), torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
        features = torch.zeros(len(pairs), longest, FEATURES)
        for row, pair in enumerate(pairs):
            size = len(pair.ids)
            ids[row, :size], kinds[row, :size], mask[row, :size] = _tensor(pair.ids), _tensor(pair.kinds), 1
            features[row, :size], told[row, :size] = _tensor(pair.features), _tensor(pair.offsets[:, 0] >= 0)
        told[:, 0] = True
        logits: Tensor = self.network(ids, kinds, mask, features).float()
        return logits.masked_fill(~told[..., None], float("-inf"))


def _sentences(index: Index, number: int, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sentence of each token of a passage, `[L]`."""
    found = np.full(len(offsets), -1, np.int64)
    passage = index.passages[number]
    for own in range(passage.first, passage.last):
        sentence = index.sentences[own]
        found[(offsets[:, 0] >= sentence.start) & (offsets[:, 0] < sentence.end)] = own
    return found


def _features(
    index: Index, search: Search, offsets: NDArray[np.int64], sentences: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What retrieval knows of each token of a passage, `[L, F]`; zeros for the question's."""
    found = np.zeros((len(offsets), FEATURES), np.float32)
    heaviest = max(search.weights.values(), default=1.0)
    for own in np.unique(sentences[sentences >= 0]).tolist():
        inside = np.flatnonzero(sentences == own)
        found[inside, 1], found[inside, 2] = search.coverage[own], search.nearness[own]
        found[inside[0], 3], found[inside[-1], 4] = 1.0, 1.0
        sentence = index.sentences[own]
        for word in WORD.finditer(index.notes[sentence.note].text, sentence.start, sentence.end):
            if weight := search.weights.get(stem(word[0])):
                found[(offsets[:, 0] >= word.start()) & (offsets[:, 0] < word.end()), 0] = weight / heaviest
    return found


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values)


def _hidden(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def build(design: Design, files: EncoderFiles | None = None, *, seed: int = 0) -> Reader:
    """A reader whose encoder is as it was and whose head knows nothing.

    Raises:
        IntegrityError: the encoder on this machine is another than the design names.
    """
    files = files or find_encoder(design.encoder)
    if files.sha256 != design.encoder_sha256:
        raise IntegrityError("the reader was trained on another encoder", "Train it again with 'make reader-model'.")
    tokenizer, encoder = load_encoder(files)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in list(encoder.encoder.layer)[design.frozen :]:
            add_low_rank(layer.modules(), design.rank)
        network = SpanNetwork(encoder, encoder.config.hidden_size, design)
    return Reader(design, tokenizer, network.eval())


def save(reader: Reader, path: Path) -> None:
    """Write what was trained, with the design in the header."""
    reader.network.save(reader.design, path)


def load(path: Path, files: EncoderFiles | None = None) -> Reader:
    """A trained reader, LoRA added to the encoder's weights.

    Raises:
        IntegrityError: the file is no reader, or its encoder is not the one on this machine.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as file:
            design = Design(**json.loads((file.metadata() or {})["design"]))
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        raise IntegrityError(f"{path.name} is no reader of records", "Install Confide again.") from None
    reader = build(design, files)
    reader.network.fill(tensors, path.name, "reader")
    reader.network.merge()
    return reader
