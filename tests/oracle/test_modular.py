"""Cross-encoders whose head is in modules of sentence-transformers, against its own computation and files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from support.loopback import hub_of
from support.running import Finished, forked, killed_and_resumed, rerank
from support.tiny import WORDS, edit_json, write_reranker, write_tokenizer
from transformers import AutoConfig, AutoModel

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.core.scorer import Scorer
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.find import find_model
from rerank_cli.reranking.in_memory import score_texts

WIDTH = 32
PAIRS = [
    ("what is panda ?", ["a panda", "hi", "p a n d a is what ? hi hi hi", ""]),
    ("hi", ["what is hi ? a b c d e f g", "is"]),
]
POOLINGS = ("cls", "mean", "lasttoken")


def write_modular(folder: Path, pooling: str = "cls", model_type: str = "bert", scale: float = 32.0) -> Path:
    """A random model of ettin's modules. The layers are scaled, so that logits differ by more than rounding."""
    source = folder.with_name(f"{folder.name}-source")
    source.mkdir()
    write_tokenizer(source, WORDS)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = AutoConfig.for_model(
        model_type, vocab_size=len(WORDS), max_position_embeddings=64, pad_token_id=0, initializer_range=0.3, **sizes
    )
    torch.manual_seed(3)
    AutoModel.from_config(config).save_pretrained(source)
    modules = [
        Transformer(str(source)),
        Pooling(WIDTH, pooling_mode=pooling),
        Dense(WIDTH, WIDTH, bias=False, activation_function=torch.nn.GELU()),
        LayerNorm(WIDTH),
        Dense(WIDTH, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]
    with torch.no_grad():
        for module in modules[2:]:
            for weight in module.parameters():
                weight.normal_(0, scale / WIDTH)
    CrossEncoder(modules=modules).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Models by pooling and architecture, made once."""
    found: dict[tuple[str, str], Path] = {}

    def folder(pooling: str = "cls", model_type: str = "bert") -> Path:
        key = (pooling, model_type)
        if key not in found:
            found[key] = write_modular(tmp_path_factory.mktemp("modular") / "model", *key)
        return found[key]

    return folder


@pytest.fixture
def model(made: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy, to break something in it."""
    return Path(shutil.copytree(made(), tmp_path / "model"))


def opened(folder: Path, engine: str = "torch", **options: Any) -> Scorer:
    scorer = open_scorer(
        ModelConfig(model=str(folder), engine=engine, **{"device": "cpu", "dtype": "fp32", "max_length": 64, **options})
    )
    scorer.load()
    return scorer


def logits_of(scorer: Scorer) -> list[float]:
    return [logit for answers in score_texts(scorer, PAIRS) for logit in answers]


def expected(folder: Path) -> Any:
    oracle = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True)
    return oracle.predict([(query, text) for query, texts in PAIRS for text in texts])


@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_are_those_of_sentence_transformers(made: Callable[..., Path], pooling: str, model_type: str) -> None:
    folder = made(pooling, model_type)
    theirs = expected(folder)
    assert float(theirs.std()) > 0.1
    assert logits_of(opened(folder)) == pytest.approx(theirs.tolist(), abs=1e-5 * float(theirs.std()))


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize(
    "pooling", [POOLINGS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in POOLINGS[1:])]
)
def test_graphs_give_the_same_logits(made: Callable[..., Path], pooling: str, engine: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    folder = made(pooling)
    theirs = expected(folder)
    assert logits_of(opened(folder, engine)) == pytest.approx(theirs.tolist(), abs=1e-4 * float(theirs.std()))


def test_auto_takes_openvino_for_a_body_that_it_is_tested_with(made: Callable[..., Path]) -> None:
    pytest.importorskip("openvino")
    assert open_scorer(ModelConfig(model=str(made()), device="cpu")).identity.engine == "openvino"
    assert open_scorer(ModelConfig(model=str(made("cls", "modernbert")), device="cpu")).identity.engine == "openvino"


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_logit_does_not_depend_on_its_batch(made: Callable[..., Path], pooling: str) -> None:
    scorer = opened(made(pooling))
    together = logits_of(scorer)
    alone = [score_texts(scorer, [(query, [text])])[0][0] for query, texts in PAIRS for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_the_head_stays_in_float32(made: Callable[..., Path], dtype: str) -> None:
    scorer: Any = opened(made(), dtype=dtype)
    assert {weight.dtype for weight in scorer.loaded.model.head.parameters()} == {torch.float32}
    assert logits_of(scorer) == pytest.approx(expected(made()).tolist(), abs={"fp16": 0.1, "bf16": 0.4}[dtype])


def test_an_exported_folder_gives_the_same_logits(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    edit_json(model / "sentence_bert_config.json", max_seq_length=20)
    target = tmp_path / "exported"
    done = forked("export", "--model", model, "-o", target)
    assert done.code == 0, done.said
    scorer = opened(target, "auto", dtype="auto")
    assert scorer.identity.max_length == 20
    assert logits_of(scorer) == pytest.approx(logits_of(opened(model)), abs=1e-4)
    again = forked("export", "--model", model, "-o", target, "--overwrite")
    assert again.code == 0, again.said


def test_the_head_is_part_of_the_identity(model: Path) -> None:
    def hashes() -> tuple[str, str]:
        found = find_model(ModelConfig(model=str(model)))
        return found.weights_sha256, found.config_sha256

    weights, config = hashes()
    path = model / "4_Dense/model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(path).items()}, path)
    other, same = hashes()
    assert (other != weights, same == config) == (True, True)
    edit_json(model / "1_Pooling/config.json", pooling_mode="mean")
    assert hashes() == (other, hashes()[1])
    assert hashes()[1] != config


def test_an_exported_folder_is_described_as_a_cross_encoder(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    assert forked("export", "--model", model, "-o", tmp_path / "exported").code == 0
    (found,) = forked("models", tmp_path / "exported", "--json").records
    assert (found["kind"], found["engine"]) == ("cross-encoder", "openvino")
    assert "query" in found["template"]


def test_it_is_not_trained(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"query": "hi", "positive": ["is"], "negative": ["a panda"]}\n' * 4)
    done = forked("train", source, "--model", model, "-o", tmp_path / "out", "--device", "cpu")
    assert done.code == 2, done.said
    assert "head in modules" in done.said


def test_the_longest_pair_is_that_of_the_files(model: Path) -> None:
    edit_json(model / "sentence_bert_config.json", max_seq_length=20)
    assert opened(model).identity.max_length == 20


def resized(name: str, *shape: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name / "model.safetensors"
        tensors = load_file(path)
        first = next(iter(tensors))
        save_file({**tensors, first: torch.ones(shape)}, path)

    return change


def settings(place: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / place / "config.json", **changes)


def zero(path: Path) -> None:
    save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}, path)


def with_normalize(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.insert(3, {"type": "a.Normalize", "path": "9_Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))


def two_heads(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=["BertForSequenceClassification"], num_labels=1)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no weights of a layer": (lambda folder: (folder / "2_Dense/model.safetensors").unlink(), "2_Dense"),
    "damaged weights of a layer": (lambda folder: (folder / "4_Dense/model.safetensors").write_bytes(b"x"), "4_Dense"),
    "no settings of a layer": (lambda folder: (folder / "3_LayerNorm/config.json").unlink(), "3_LayerNorm"),
    "another width": (resized("2_Dense", 16, 32), "2_Dense"),
    "another width of the norm": (settings("3_LayerNorm", dimension=16), "3_LayerNorm"),
    "a bias that is not there": (settings("2_Dense", bias=True), "2_Dense"),
    "weights of zeros": (lambda folder: zero(folder / "2_Dense/model.safetensors"), "2_Dense"),
    "an unknown activation": (settings("2_Dense", activation_function="torch.nn.modules.activation.Magic"), "Magic"),
    "an activation of other code": (settings("2_Dense", activation_function="os.system"), "os.system"),
    "no activation": (settings("2_Dense", activation_function=None), "activation"),
    "a score after a sigmoid": (settings("4_Dense", activation_function="torch.nn.Sigmoid"), "Sigmoid"),
    "two scores": (settings("4_Dense", out_features=2), "2 labels"),
    "a width that is none": (settings("2_Dense", out_features="many"), "out_features"),
    "a width beyond any model": (settings("2_Dense", out_features=2**50), "out_features"),
    "a norm beyond any model": (settings("3_LayerNorm", dimension=2**80), "dimension"),
    "a residual": (settings("2_Dense", use_residual=True), "use_residual"),
    "an unknown setting": (settings("2_Dense", magic=1), "magic"),
    "an unknown setting of the norm": (settings("3_LayerNorm", eps=1.0), "eps"),
    "a prompt": (
        lambda folder: edit_json(folder / "config_sentence_transformers.json", default_prompt_name="a"),
        "default_prompt_name",
    ),
    "no special tokens": (
        lambda folder: edit_json(
            folder / "sentence_bert_config.json", processing_kwargs={"text": {"add_special_tokens": False}}
        ),
        "processing_kwargs",
    ),
    "pickled weights of a layer": (
        lambda folder: (folder / "2_Dense/model.safetensors").rename(folder / "2_Dense/pytorch_model.bin"),
        "pickled",
    ),
    "a norm of zeros": (lambda folder: zero(folder / "3_LayerNorm/model.safetensors"), "3_LayerNorm"),
    "another input": (settings("2_Dense", module_input_name="token_embeddings"), "token_embeddings"),
    "another pooling": (settings("1_Pooling", pooling_mode="max"), "pooling"),
    "a Normalize": (with_normalize, "Normalize"),
    "a head in config.json, too": (two_heads, "modules.json"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_head_that_does_not_fit_its_files_is_refused(model: Path, fault: str) -> None:
    change, named = BROKEN[fault]
    change(model)
    with pytest.raises(ModelError) as refused:
        opened(model)
    assert named in str(refused.value)


def test_no_sequence_classifier_is_made_of_it(model: Path) -> None:
    """transformers would give such a folder a random head, and would not fail."""
    (model / "modules.json").unlink()
    with pytest.raises(ModelError):
        opened(model)


def score(model: Path, source: Path, target: Path, *options: str) -> Finished:
    return forked("score", source, "-o", target, "--model", model, "--engine", "torch", "--device", "cpu", *options)


def test_a_run_from_end_to_end(made: Callable[..., Path], tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"query": query, "candidates": texts}) + "\n" for query, texts in PAIRS))
    done = score(made(), source, target)
    assert done.code == 0, done.said
    found = [
        {each["text"]: each["logit"] for each in json.loads(line)["candidates"]}
        for line in target.read_text().splitlines()
    ]
    theirs = iter(expected(made()).tolist())
    for (_, texts), logits in zip(PAIRS, found, strict=True):
        assert [logits[text] for text in texts] == pytest.approx([next(theirs) for _ in texts], abs=1e-5)


def test_a_plain_reranker_has_no_such_head(tmp_path: Path) -> None:
    assert find_model(ModelConfig(model=str(write_reranker(tmp_path / "plain")))).head is None


def test_a_model_of_the_hub_is_fetched_with_the_weights_of_its_head(made: Callable[..., Path], tmp_path: Path) -> None:
    """A cache of an earlier version has none of them."""
    variables = {"HF_HOME": str(tmp_path / "home")}
    command = ["score", "-", "-o", "-", "--model", "someone/modular", "--engine", "torch", "--device", "cpu"]
    record = b'{"query": "hi", "candidates": ["is"]}\n'
    with hub_of(made()) as hub:
        done = rerank(*command, stdin=record, **variables, HF_ENDPOINT=hub.url)
        assert done.code == 0, done.said
        first = json.loads(done.stdout)["candidates"][0]["logit"]
        (weights,) = (tmp_path / "home").rglob("snapshots/*/2_Dense/model.safetensors")
        weights.unlink()
        hub.asked.clear()
        done = rerank(*command, stdin=record, **variables, HF_ENDPOINT=hub.url)
        assert "2_Dense/model.safetensors" in [each.part for each in hub.asked]
    assert json.loads(done.stdout)["candidates"][0]["logit"] == first
    assert rerank(*command, "--offline", stdin=record, **variables).stdout == done.stdout


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    made: Callable[..., Path], tmp_path: Path, engine: str
) -> None:
    pytest.importorskip(engine)
    lines = [json.dumps({"query": query, "candidates": [{"text": text} for text in texts]}) for query, texts in PAIRS]
    (tmp_path / "in.jsonl").write_text("\n".join(lines * 24) + "\n")
    options = ("--model", made(), "--engine", engine, "--device", "cpu", "-q")
    command = ("score", tmp_path / "in.jsonl", *options, "--batch-tokens", "64", "--window-tokens", "128", "-o")
    assert rerank(*command, tmp_path / "whole.jsonl").code == 0
    killed = tmp_path / "killed.jsonl"
    assert killed_and_resumed(killed, *command, killed) == (tmp_path / "whole.jsonl").read_bytes()
