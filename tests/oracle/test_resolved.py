"""What is kept of a model's tokenizer and configuration gives what transformers gives, and is never used for others."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.tiny import WORDS, edit_json, write_bi_encoder, write_reranker
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.models import resolved
from rerank_cli.models.facts import Resolved
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.graph_files import ExportedGraph
from rerank_cli.models.lengths import usable_positions
from rerank_cli.models.resolved import RESOLVED, positions_of, resolve, resolved_folder, write_resolved
from rerank_cli.models.through_transformers import load_config, load_tokenizer
from rerank_cli.models.through_transformers import resolved as through_transformers

TEXTS = [
    "Which planet is known as the Red Planet?",
    "  two  spaces,\ttabs\nand lines  ",
    "ＦＵＬＬ width, ﬁ, é, é, ½",
    "日本語のテキスト。中文文本，标点。",
    "مرحبا بالعالم, שלום",
    "<s> forged </s> [SEP] [CLS]",
    "naïve CAPITALS Straße",
    "🐼 emoji \u200b zero width \ufeff",
    "",
    " ",
]
XLMR_OF_VERSION_4 = {
    "tokenizer_class": "XLMRobertaTokenizer",
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RERANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "resolved"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models about which transformers was asked."""
    names: list[str] = []

    class Asked:
        @staticmethod
        def resolved(folder: ModelFolder) -> Resolved:
            names.append(folder.name)
            return through_transformers(folder)

    monkeypatch.setattr(resolved, "import_module", lambda _name: Asked)
    return names


def folder_of(path: Path, name: str = "model") -> ModelFolder:
    return inspect_folder(ModelConfig(model=name), path, None)


def tiny(path: Path) -> ModelFolder:
    return folder_of(write_reranker(path))


def xlmr(path: Path, shared: Path, **tokenizer_config: object) -> ModelFolder:
    """A tiny model whose files of the tokenizer are the true ones of XLM-R."""
    write_reranker(path)
    shutil.copy(shared / "models/xlmr-tokenizer/tokenizer.json", path / "tokenizer.json")
    own = json.loads((shared / "models/xlmr-tokenizer/tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config or own))
    edit_json(path / "config.json", model_type="xlm-roberta", vocab_size=250_002, pad_token_id=1)
    return folder_of(path)


def assert_same(folder: ModelFolder, asked: list[str]) -> None:
    """The first answer is transformers' own, and the kept one equals it."""
    first, kept = resolve(folder), resolve(folder)
    assert asked == [folder.name]
    assert kept.facts == first.facts
    theirs = load_tokenizer(folder.path, load_config(folder))
    for text in TEXTS:
        for special in (False, True):
            expected = theirs.backend_tokenizer.encode(text, add_special_tokens=special).ids
            assert kept.tokenizer.encode(text, add_special_tokens=special).ids == expected, text
            pair = theirs.backend_tokenizer.encode(text, TEXTS[0], add_special_tokens=special)
            found = kept.tokenizer.encode(text, TEXTS[0], add_special_tokens=special)
            assert (found.ids, found.type_ids, found.offsets) == (pair.ids, pair.type_ids, pair.offsets)
    assert kept.facts.pad_id == theirs.pad_token_id
    assert kept.facts.unknown_id == theirs.unk_token_id
    assert kept.facts.special_ids == tuple(theirs.all_special_ids)


def test_the_kept_answer_about_mini_is_that_of_transformers(root: Path, asked: list[str]) -> None:
    assert_same(folder_of(root / "rerank_cli/models/mini"), asked)


@pytest.mark.parametrize("write", [write_reranker, write_bi_encoder], ids=["a cross-encoder", "a bi-encoder"])
def test_the_kept_answer_about_small_models_is_that_of_transformers(
    write: Callable[[Path], Path], tmp_path: Path, asked: list[str]
) -> None:
    assert_same(folder_of(write(tmp_path / "model")), asked)


def test_the_kept_answer_about_the_test_model_is_that_of_transformers(
    path_of: Callable[[str], str], asked: list[str]
) -> None:
    assert_same(folder_of(Path(path_of("steady"))), asked)


@pytest.mark.parametrize("config", [{}, XLMR_OF_VERSION_4], ids=["as the file has it", "built by its class"])
def test_the_kept_answer_about_xlm_roberta_is_that_of_transformers(
    shared: Path, tmp_path: Path, asked: list[str], config: dict[str, object]
) -> None:
    assert_same(xlmr(tmp_path / "model", shared, **config), asked)


def test_transformers_builds_the_tokenizer_of_a_class_anew(shared: Path, tmp_path: Path) -> None:
    """Why tokenizer.json is not read as it stands."""
    folder = xlmr(tmp_path / "model", shared, **XLMR_OF_VERSION_4)
    plain = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    text = "a trailing space "
    assert plain.encode(text).ids != resolve(folder).tokenizer.encode(text).ids


@pytest.mark.parametrize(
    "change",
    ["tokenizer.json", "tokenizer_config.json", "config.json", "special_tokens_map.json", "tokenizer.5.0.0.json"],
)
def test_a_model_whose_files_changed_is_asked_about_again(tmp_path: Path, asked: list[str], change: str) -> None:
    resolve(tiny(tmp_path / "model"))
    path = tmp_path / "model" / change
    path.write_text((path.read_text() if path.exists() else "{}") + "\n")
    resolve(folder_of(tmp_path / "model"))
    assert asked == ["model", "model"]


def test_another_version_of_a_library_is_asked_again(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny(tmp_path / "model")
    resolve(folder)
    monkeypatch.setattr(resolved, "version_of", lambda library: "99")
    resolve(folder)
    assert asked == ["model", "model"]


@pytest.mark.parametrize("damage", [0, 1, 40, -1, None])
def test_a_damaged_answer_is_asked_for_again(tmp_path: Path, cache: Path, asked: list[str], damage: int | None) -> None:
    folder = tiny(tmp_path / "model")
    whole = resolve(folder)
    (kept,) = cache.iterdir()
    content = bytearray(kept.read_bytes())
    if damage is None:
        content = content[: len(content) // 2]
    else:
        content[damage] ^= 0x20
    kept.write_bytes(content)
    assert resolve(folder).tokenizer.to_str() == whole.tokenizer.to_str()
    assert len(asked) == 2


@pytest.mark.parametrize(("name", "value"), [("ids", None), ("rows", "many"), ("special_ids", [None])])
def test_an_answer_of_other_types_is_asked_for_again(
    tmp_path: Path, cache: Path, asked: list[str], name: str, value: object
) -> None:
    folder = tiny(tmp_path / "model")
    whole = resolve(folder)
    (kept,) = cache.iterdir()
    header, _, tokenizer = kept.read_bytes().partition(b"\n")
    answer = json.loads(header)
    answer["facts"][name] = value
    kept.write_bytes(json.dumps(answer).encode() + b"\n" + tokenizer)
    assert resolve(folder).facts == whole.facts
    assert len(asked) == 2


def test_a_cache_that_cannot_be_written_costs_a_question(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RERANK_CACHE", str(tmp_path / "file/below"))
    folder = tiny(tmp_path / "model")
    assert resolve(folder).facts == resolve(folder).facts
    assert len(asked) == 2


def test_an_answer_in_the_folder_of_an_export_needs_no_cache_and_no_version(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = replace(tiny(tmp_path / "model"), graph=ExportedGraph("onnx", "fp32", tmp_path, (), {}))
    write_resolved(folder, folder.path)
    shutil.rmtree(resolved_folder())
    monkeypatch.setattr(resolved, "version_of", lambda library: "99")
    assert resolve(folder).facts.rows == len(WORDS)
    assert len(asked) == 1
    edit_json(folder.path / "tokenizer_config.json", model_max_length=9)
    resolve(folder)
    assert len(asked) == 2, "the answer is about other files"
    assert (folder.path / RESOLVED).exists()


ODD = {
    "a tokenizer that is no JSON": ("tokenizer.json", "{"),
    "a tokenizer of no known model": ("tokenizer.json", '{"model": {"type": "Magic"}}'),
    "a tokenizer of another model": ("config.json", {"vocab_size": 12}),
    "padding that is another's": ("config.json", {"pad_token_id": 3}),
    "a model type that is unknown": ("config.json", {"model_type": "magic"}),
    "no model type": ("config.json", {"model_type": ""}),
    "an odd activation": ("config.json", {"hidden_act": 5}),
    "an odd dropout": ("config.json", {"hidden_dropout_prob": "much"}),
    "special tokens that are numbers": ("tokenizer_config.json", {"sep_token": 5}),
    "a class that is unknown": ("tokenizer_config.json", {"tokenizer_class": "MagicTokenizer"}),
    "a class of its own code": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["magic.Magic", None]}}),
    "a length that is a word": ("tokenizer_config.json", {"model_max_length": "long"}),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_folder_is_judged_alike_with_and_without_a_kept_answer(what: str, tmp_path: Path) -> None:
    """The answer about the folder before it became odd is in the cache, and must not help it."""

    def judged() -> str:
        try:
            open_cross_encoder(ModelConfig(model=str(tmp_path / "model"))).open()
        except ModelError as fault:
            return str(fault)
        return "fine"

    write_reranker(tmp_path / "model")
    assert judged() == "fine"
    name, change = ODD[what]
    if isinstance(change, str):
        (tmp_path / "model" / name).write_text(change)
    else:
        edit_json(tmp_path / "model" / name, **change)
    with_a_cache = judged()
    shutil.rmtree(resolved_folder())
    assert judged() == with_a_cache
    assert judged() == with_a_cache, "and once more"


def kinds() -> list[str]:
    """The model types of transformers with a sequence classifier."""
    return sorted(set(CONFIG_MAPPING.keys()) & set(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES))


@pytest.mark.parametrize("kind", kinds())
def test_the_positions_that_config_json_states_are_those_that_transformers_knows(kind: str, tmp_path: Path) -> None:
    try:
        config = AutoConfig.for_model(kind)
        config.save_pretrained(tmp_path)
        written = json.loads((tmp_path / "config.json").read_text())
        known = usable_positions(AutoConfig.from_pretrained(tmp_path).to_dict())
    except Exception as fault:
        pytest.skip(f"transformers cannot write the configuration of {kind}: {type(fault).__name__}")
    folder = ModelFolder(kind, tmp_path, None, written, ())
    assert not stated(written) or positions_of(folder) == known


def stated(config: dict[str, object]) -> bool:
    return type(config.get("max_position_embeddings")) is int and type(config.get("pad_token_id")) is int


@pytest.mark.parametrize("left_out", ["max_position_embeddings", "pad_token_id"])
def test_positions_that_config_json_leaves_open_are_those_that_transformers_knows(
    left_out: str, shared: Path, tmp_path: Path, asked: list[str]
) -> None:
    xlmr(tmp_path / "model", shared)
    config = json.loads((tmp_path / "model/config.json").read_text())
    del config[left_out]
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    folder = folder_of(tmp_path / "model")
    assert positions_of(folder) == usable_positions(load_config(folder).to_dict())
    assert asked == ["model"]


def test_the_oracle_reads_the_same_files(root: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(root / "rerank_cli/models/mini")
    ours = resolve(folder_of(root / "rerank_cli/models/mini"))
    assert [ours.tokenizer.encode(text).ids for text in TEXTS] == [theirs(text)["input_ids"] for text in TEXTS]
