"""The steps that make `mini`, on a tiny random bi-encoder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from body import begin, written_parts
from distil import Batch, Student, Teacher, losses, script
from pool import Pool, by_words, find_neighbours, nearest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel
from vocabulary import chosen_pieces, lost_words, read_in_lower_case, trim

WORDS = [f"▁w{number}" for number in range(200)]
VOCABULARY = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0]]
VOCABULARY += [[letter, -3.0 - at] for at, letter in enumerate("w0123456789")]
VOCABULARY += [[word, -5.0 - at / 10] for at, word in enumerate(WORDS)] + [["<mask>", 0.0]]


def texts(count: int, words: int, seed: int) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(f"w{number}" for number in draw.integers(0, 200, words)) for _ in range(count)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=1200,
        max_position_embeddings=128, pad_token_id=1, initializer_range=0.08,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    model.embeddings.position_embeddings.weight.data *= 0.05  # so that a text's mean is one of its words
    for layer in model.encoder.layer:
        layer.output.dense.weight.data *= 0.2
    model.save_pretrained(folder)
    backend = Tokenizer(models.Unigram([(piece, score) for piece, score in VOCABULARY], 3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def trimmed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trimmed")
    trim(base, folder, pieces=150, characters=11)
    return folder


def test_the_likeliest_pieces_and_all_characters_are_kept(base: Path, trimmed: Path) -> None:
    kept = chosen_pieces(VOCABULARY, 150, 12)
    assert kept[:4] == [0, 1, 2, 3]
    assert kept[-1] == len(VOCABULARY) - 1
    assert kept == sorted(kept)
    assert len(kept) == 150 + 5
    assert set(range(4, 16)) <= set(kept)
    pieces = json.loads((trimmed / "tokenizer.json").read_bytes())["model"]["vocab"]
    rows = [BertModel.from_pretrained(folder).embeddings.word_embeddings.weight for folder in (base, trimmed)]
    old = {piece: place for place, (piece, _) in enumerate(VOCABULARY)}
    for new, (piece, _) in enumerate(pieces[:-1]):
        assert torch.equal(rows[0][old[piece]], rows[1][new])
    assert pieces[-1][0] == "<pool>"
    assert Tokenizer.from_file(str(trimmed / "tokenizer.json")).token_to_id("<pool>") == len(pieces) - 1


def test_lost_words_are_those_that_are_in_parts_now(base: Path, trimmed: Path) -> None:
    pieces = {piece for piece, _ in json.loads((trimmed / "tokenizer.json").read_bytes())["model"]["vocab"]}
    assert lost_words(base, trimmed) == []  # none of them is of letters alone
    assert not set(WORDS) <= pieces


@pytest.mark.parametrize("before", [None, {"type": "Strip", "strip_left": True, "strip_right": True}])
def test_capitals_become_small_letters_and_the_steps_before_stay(before: object, trimmed: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**json.loads((trimmed / "tokenizer.json").read_bytes()), "normalizer": before}))
    plain = Tokenizer.from_file(str(file))
    read_in_lower_case(tmp_path)
    lowered = Tokenizer.from_file(str(file))
    text = "W1 W7 w12"
    assert plain.encode(text.lower()).ids == lowered.encode(text).ids == lowered.encode(text.lower()).ids
    assert plain.encode(text).ids != lowered.encode(text).ids
    steps = json.loads(file.read_bytes())["normalizer"]["normalizers"]
    assert steps == [{"type": "Lowercase"}, *([before] if before else [])]


def test_arabic_is_told_from_what_else_is_written_with_its_letters() -> None:
    assert [script(word) for word in ("الرئيسية", "پزشکی", "слово", "wort")] == [
        "ARABIC", "ARABIC, EXTENDED", "CYRILLIC", "LATIN",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_cross_encoder_begins_as_its_bi_encoder(trimmed: Path, tmp_path: Path) -> None:
    begin(trimmed, tmp_path, texts(60, 6, 1), texts(60, 20, 2))
    model = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    free = torch.ones(96)
    free[model.config.reserved] = 0
    query, logits, means, documents = texts(1, 6, 4)[0], [], [], []
    words, others = query.split(), texts(30, 20, 5)
    for number, other in enumerate(others):  # ever more words of the query
        passage = " ".join([*(words * 4)[: number * 20 // 30], *other.split()][:20])
        pair = tokenizer.encode(query, passage)
        middle = pair.type_ids.index(1)
        with torch.no_grad():
            made = model(
                input_ids=torch.tensor([pair.ids]),
                token_type_ids=torch.tensor([pair.type_ids]),
                output_hidden_states=True,
            )
        state = made.hidden_states[-3][0] * free
        means.append(state[2 : middle - 1].mean(0))
        documents.append(state[middle:-2].mean(0))
        logits.append(made.logits.item())
    spread = torch.stack(means).std(0).norm() / torch.stack(means).mean(0).norm()
    assert spread < 0.02, "what the query is must not depend on the document"
    cosines = torch.cosine_similarity(means[0], torch.stack(documents))
    assert np.corrcoef(cosines, logits)[0, 1] > 0.5


@pytest.mark.slow
def test_what_is_learnt_is_the_body_and_brings_means_nearer_to_the_teacher(
    base: Path, trimmed: Path, tmp_path: Path
) -> None:
    begin(trimmed, tmp_path, texts(60, 6, 1), texts(60, 20, 2))
    student, teacher = Student(tmp_path), Teacher(base)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    batch = Batch(randoms=[5, None])
    for query, passage in zip(texts(16, 6, 7), texts(16, 20, 8), strict=True):
        asked, known = (tokenizer.encode(text, add_special_tokens=False).ids for text in (query, passage))
        batch.add((query, asked), (passage, known))
    before = {name: weight.detach().clone() for name, weight in student.model.named_parameters()}
    optimizer = torch.optim.Adam([each for each in student.model.parameters() if each.requires_grad], 1e-3)
    means = []
    for _ in range(10):
        parts = losses(student, teacher, batch)
        means.append(parts["means"].item())
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert parts.keys() == {"means", "kl", "choice", "calibration"}
    assert means[-1] < 0.9 * means[0]
    moved = {name for name, weight in student.model.named_parameters() if not torch.equal(weight, before[name])}
    assert any(name.startswith("bert.encoder.layer.0.") for name in moved)
    assert any(name.startswith("bert.encoder.layer.3.attention.self.value") for name in moved)
    assert not any(name.startswith(("bert.encoder.layer.4.", "bert.pooler", "classifier")) for name in moved)


def test_neighbours_are_nearest_by_vectors_and_by_words() -> None:
    assert nearest(np.array([[0.1, 0.9, 0.5, 0.7]]), 2).tolist() == [[1, 3]]
    passages = [f"common words number{at}" for at in range(70)]
    assert by_words(["number7 common"], passages, "en")[0, 0] == 7
    languages = ["en"] * 70 + ["zh"] * 70 + ["ja"] * 70
    pool = Pool(["number3", "词"], ["qamr", "drcd"], ["en", "zh"], [[3], [75]], passages + ["词语"] * 140, languages)
    vectors = np.eye(210, dtype=np.float32)
    near = find_neighbours(pool, vectors[[3, 75]], vectors, seed=1)
    assert near.own[0, 0] == 3
    assert near.own[1, 0] == 75
    assert set(near.other[1].tolist()) <= {*range(70), *range(140, 210)}
    assert near.lexical[0, 0] == 3


def test_the_model_that_ships_names_the_parts_that_were_written() -> None:
    folder = Path(__file__).parents[3] / "rerank_cli/models/mini"
    asked = json.loads((folder / "config.json").read_bytes())["frozen_in_training"]
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig.from_pretrained(folder))
    assert asked == list(written_parts(model.config.num_hidden_layers))
    assert all(list(model.get_submodule(name).parameters()) for name in asked)
