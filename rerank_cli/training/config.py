"""The configuration of a training."""

from dataclasses import dataclass, field
from pathlib import Path

from rerank_cli.core.config import ModelConfig, Origins, ReadConfig

LEARNING_RATE = 2e-5
LORA_LEARNING_RATE = 2e-4  # ten times as high for adapters (Schulman et al., "LoRA Without Regret", 2025)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a candidate with its judgement and a teacher's logit."""

    relevance: str = "relevance"
    teacher: str = "logit"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The options of `rerank train`. `batch_size` and `negatives` count pairs."""

    read: ReadConfig
    model: ModelConfig
    output: Path
    held_out: ReadConfig | None = None
    qrels: str | None = None  # judgements of the held-out records, if they have none
    fields: Fields = field(default_factory=Fields)
    loss: str = "bce"
    negatives: int = 7
    batch_size: int = 32
    epochs: float = 1.0
    max_steps: int | None = None
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    lora: int | None = None  # rank of the adapters
    freeze_embeddings: bool = False
    dtype: str = "fp32"
    seed: int = 42
    checkpoints: int = 10
    early_stopping: int | None = None
    resume: bool = False
    overwrite: bool = False
    origins: Origins = field(default_factory=Origins)

    @property
    def rate(self) -> float:
        """The learning rate; the default depends on `lora`."""
        usual = LEARNING_RATE if self.lora is None else LORA_LEARNING_RATE
        return usual if self.learning_rate is None else self.learning_rate

    @property
    def files(self) -> list[str]:
        """All files that the training reads, its base included."""
        held_out = self.held_out.files if self.held_out else ()
        qrels = [self.qrels] if self.qrels else []
        return [*self.read.files, *held_out, *qrels, self.model.model]
