"""Other Python libraries that score pairs, used as in their documentation.

Each gets a model folder, a device, a dtype and a length, and turns pairs into scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Pairs = Sequence[tuple[str, str]]


class Peer(Protocol):
    """Scores pairs with a loaded model. `batch_size` 0 means the default."""

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""


@dataclass(frozen=True, slots=True)
class PeerModel:
    """The model for a peer: a folder, "cpu" or "cuda", "fp32", "fp16" or "bf16", and the maximal tokens per pair."""

    folder: str
    device: str
    dtype: str
    max_length: int

    @property
    def torch_dtype(self) -> Any:
        """The dtype as torch names it."""
        return import_module("rerank_cli.engines.torch_device").TORCH_DTYPES[self.dtype]


class SentenceTransformers:
    """sentence-transformers' CrossEncoder."""

    def __init__(self, model: PeerModel) -> None:
        from sentence_transformers import CrossEncoder

        self._model = CrossEncoder(
            model.folder,
            max_length=model.max_length,
            device=model.device,
            model_kwargs={"dtype": model.torch_dtype},
            local_files_only=True,
        )

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""
        scores = self._model.predict(list(pairs), batch_size=batch_size or 32, show_progress_bar=False)
        return [float(score) for score in scores]


class MultiVectors:
    """sentence-transformers' MultiVectorEncoder, which is given each distinct text once."""

    def __init__(self, model: PeerModel) -> None:
        from sentence_transformers import MultiVectorEncoder

        self._model = MultiVectorEncoder(
            model.folder, device=model.device, model_kwargs={"dtype": model.torch_dtype}, local_files_only=True
        )

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""
        queries, texts = (list(dict.fromkeys(each)) for each in zip(*pairs, strict=True))
        options = {"batch_size": batch_size or 32, "show_progress_bar": False}
        of_query = dict(zip(queries, self._model.encode_query(queries, **options), strict=True))
        of_text = dict(zip(texts, self._model.encode_document(texts, **options), strict=True))
        scores = self._model.similarity_pairwise(
            [of_query[query] for query, _ in pairs], [of_text[text] for _, text in pairs]
        )
        return [float(score) for score in scores]


def sentence_transformers(model: PeerModel) -> Peer:
    """The class of sentence-transformers for a model, by the modules in its folder."""
    modules = Path(model.folder) / "modules.json"
    late = modules.is_file() and "MultiVectorMask" in modules.read_text(encoding="utf-8")
    return MultiVectors(model) if late else SentenceTransformers(model)


class FlagEmbedding:
    """FlagEmbedding's FlagReranker."""

    def __init__(self, model: PeerModel) -> None:
        from FlagEmbedding import FlagReranker

        if model.dtype == "bf16":
            raise ValueError("FlagReranker computes in fp32 or fp16")
        self._model = FlagReranker(
            model.folder, use_fp16=model.dtype == "fp16", devices=[model.device], max_length=model.max_length
        )
        self._model.model.to(model.torch_dtype)  # without use_fp16 it keeps the dtype of the file
        self._max_length = model.max_length

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""
        scores = self._model.compute_score(
            [list(pair) for pair in pairs], batch_size=batch_size or 128, max_length=self._max_length
        )
        return [float(score) for score in scores]


class Rerankers:
    """AnswerDotAI's rerankers, one query at a time as its interface has it."""

    def __init__(self, model: PeerModel) -> None:
        from rerankers import Reranker

        self._model = Reranker(
            model.folder,
            model_type="cross-encoder",
            device=model.device,
            dtype=model.torch_dtype,
            tokenizer_kwargs={"model_max_length": model.max_length},
            verbose=0,
        )

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""
        documents: dict[str, list[int]] = {}
        for index, (query, _) in enumerate(pairs):
            documents.setdefault(query, []).append(index)
        scores = [0.0] * len(pairs)
        for query, indices in documents.items():
            more = {"batch_size": batch_size} if batch_size else {}
            texts = [pairs[index][1] for index in indices]
            for result in self._model.rank(query, texts, doc_ids=indices, **more).results:
                scores[int(result.doc_id)] = float(result.score)
        return scores


class TutorialLoop:
    """The loop of tutorials: tokenize a list of pairs with padding, call the model, take the logits; in input order."""

    def __init__(self, model: PeerModel) -> None:
        import transformers

        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(model.folder, dtype=model.torch_dtype)
        self._model = loaded.to(model.device).eval()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model.folder)
        self._of = model

    def __call__(self, pairs: Pairs, batch_size: int) -> list[float]:
        """One score a pair, in order."""
        import torch

        scores: list[float] = []
        size = batch_size or 1
        for start in range(0, len(pairs), size):
            queries, texts = zip(*pairs[start : start + size], strict=True)
            inputs = self._tokenizer(
                list(queries),
                list(texts),
                padding=True,
                truncation=True,
                max_length=self._of.max_length,
                return_tensors="pt",
            ).to(self._of.device)
            with torch.no_grad():
                scores += self._model(**inputs).logits.float().view(-1).tolist()
        return scores


class PeerRow(NamedTuple):
    """The class of a peer, the package that it needs, and the batch sizes to try (0: the default)."""

    make: Callable[[PeerModel], Peer]
    package: str
    batch_sizes: tuple[int, ...]


PEERS = {
    "sentence-transformers": PeerRow(sentence_transformers, "sentence_transformers", (4, 8, 16, 32, 64, 128)),
    "FlagEmbedding": PeerRow(FlagEmbedding, "FlagEmbedding", (4, 8, 32, 0)),
    "rerankers": PeerRow(Rerankers, "rerankers", (0,)),
    "tutorial loop": PeerRow(TutorialLoop, "transformers", (1, 32)),
}


def installed_peers() -> dict[str, bool]:
    """The peers, and whether each is installed."""
    return {name: find_spec(peer.package) is not None for name, peer in PEERS.items()}
