"""What the loader must refuse: each case a tiny folder with one thing wrong, named in the error."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, PreTrainedTokenizerFast

from rerank_cli.config import ModelConfig
from rerank_cli.errors import ConfigError, DeviceError, ModelError
from rerank_cli.scorers.self_test import PAIRS, score_together
from rerank_cli.scorers.torch_cross_encoder import TorchCrossEncoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "panda", "what", "is", "hi", "?"]


def write_tokenizer(folder: Path, words: list[str]) -> None:
    """A word-level tokenizer with BERT's template."""
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)


def tiny_config(**changes: int) -> BertConfig:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **{"num_labels": 1, **sizes, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole, random, tiny reranker."""
    torch.manual_seed(1)
    BertForSequenceClassification(tiny_config()).save_pretrained(tmp_path)
    write_tokenizer(tmp_path, WORDS)
    return tmp_path


def open_and_load(folder: Path, **options: str) -> TorchCrossEncoder:
    scorer = TorchCrossEncoder(ModelConfig(model=str(folder), device="cpu", **options))
    scorer.load()
    return scorer


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_whole_model_loads_and_lowers_its_length(folder: Path) -> None:
    scorer = open_and_load(folder)
    assert scorer.identity.max_length == 64
    assert len(score_together(scorer, scorer.prepare(PAIRS))) == 2


def test_two_labels_are_refused(folder: Path) -> None:
    BertForSequenceClassification(tiny_config(num_labels=2)).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"config.json: 2 labels"):
        open_and_load(folder)


def test_architecture_without_a_head_is_refused(folder: Path) -> None:
    BertForMaskedLM(tiny_config()).save_pretrained(folder)
    with pytest.raises(ModelError, match="BertForMaskedLM has no classification head"):
        open_and_load(folder)


def test_missing_head_weights_are_refused_instead_of_random(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "classifier" not in k}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"model\.safetensors lack classifier\.bias, classifier\.weight of .* scores would be random"):
        open_and_load(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be loaded"):
        open_and_load(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"only pickled weights \(pytorch_model\.bin\)"):
        open_and_load(folder)


def test_missing_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json: missing"):
        open_and_load(folder)


def test_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json: cannot be loaded"):
        open_and_load(folder)


def test_tokenizer_larger_than_the_embeddings_is_refused(folder: Path) -> None:
    write_tokenizer(folder, [*WORDS, "one", "more"])
    with pytest.raises(ModelError, match=f"{len(WORDS) + 2} tokens, the model embeds {len(WORDS)}"):
        open_and_load(folder)


def test_unknown_architecture_is_refused_and_its_code_never_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    edit_config(folder, model_type="evil", auto_map={"AutoModelForSequenceClassification": "evil.Evil"})
    with pytest.raises(ModelError, match="has no 'evil'"):
        open_and_load(folder)


def test_auto_map_beside_a_built_in_architecture_is_ignored(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    edit_config(folder, auto_map={"AutoModelForSequenceClassification": "evil.Evil", "AutoConfig": "evil.Evil"})
    assert open_and_load(folder).identity.max_length == 64


def test_config_that_is_not_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: not a JSON object"):
        open_and_load(folder)


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json: No such file"):
        open_and_load(tmp_path)


def test_missing_folder_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        open_and_load(tmp_path / "nothing")


def test_weights_that_give_nan_fail_the_self_test(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DeviceError, match="not finite in fp32"):
        open_and_load(folder)


def test_sharded_weights_load_and_a_missing_shard_is_refused(folder: Path) -> None:
    whole = open_and_load(folder)
    expected = score_together(whole, whole.prepare(PAIRS))
    (folder / "model.safetensors").unlink()
    torch.manual_seed(1)
    BertForSequenceClassification(tiny_config()).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    sharded = open_and_load(folder)
    assert score_together(sharded, sharded.prepare(PAIRS)) == expected
    next(iter(folder.glob("model-*.safetensors"))).unlink()
    with pytest.raises(ModelError, match=r"model-\d+-of-\d+\.safetensors: No such file"):
        open_and_load(folder)


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"dtype": "fp64"}])
def test_dtype_of_other_engines_is_a_usage_error(folder: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="--dtype"):
        open_and_load(folder, **options)


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_body_keeps_a_float32_head(dtype: str) -> None:
    exact = TorchCrossEncoder(ModelConfig(model="mini", device="cpu", dtype="fp32"))
    half = TorchCrossEncoder(ModelConfig(model="mini", device="cpu", dtype=dtype))
    for scorer in (exact, half):
        scorer.load()
    assert half._model.classifier.weight.dtype is torch.float32
    ours, theirs = (score_together(scorer, scorer.prepare(PAIRS)) for scorer in (half, exact))
    assert ours == pytest.approx(theirs, abs=0.1)
    assert any(value != torch.tensor(value).to(half._dtype).item() for value in ours)


def test_model_folder_can_be_read_only_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("copy") / "with space é"
    shutil.copytree(folder, target)
    assert open_and_load(target).identity.model == str(target)
