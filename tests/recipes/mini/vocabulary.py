"""A smaller vocabulary: the likeliest pieces, single characters for Chinese and Japanese, and no capitals."""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import BertModel

SPECIALS = 4  # <s> <pad> </s> <unk> come first, <mask> last
SPACE = "▁"


def chosen_pieces(vocabulary: list[list[Any]], pieces: int, characters: int) -> list[int]:
    """Old ids in their old order: special ones, single `characters`, and the likeliest others, `pieces` in all."""
    ordinary = range(SPECIALS, len(vocabulary) - 1)
    likely = sorted(ordinary, key=lambda old: -vocabulary[old][1])
    single = [old for old in likely if len(vocabulary[old][0].replace(SPACE, "")) == 1]
    kept = set(single[:characters])
    kept.update([old for old in likely if old not in kept][: pieces - len(kept)])
    return [*range(SPECIALS), *sorted(kept), len(vocabulary) - 1]


def trim(base: Path, target: Path, pieces: int, characters: int) -> None:
    """Write `base` with fewer pieces, its rows of embeddings with them; `<mask>` becomes `<pool>`."""
    target.mkdir(parents=True, exist_ok=True)
    tokenizer = json.loads((base / "tokenizer.json").read_bytes())
    old_ids = chosen_pieces(tokenizer["model"]["vocab"], pieces, characters)
    tokenizer["model"]["vocab"] = [tokenizer["model"]["vocab"][old] for old in old_ids]
    tokenizer["model"]["vocab"][-1][0] = "<pool>"
    new_ids = {old: new for new, old in enumerate(old_ids)}
    for added in tokenizer["added_tokens"]:
        added["id"] = new_ids[added["id"]]
        added["content"] = added["content"].replace("<mask>", "<pool>")
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    model = BertModel.from_pretrained(base, add_pooling_layer=False)
    rows = model.embeddings.word_embeddings.weight.data[old_ids].clone()
    model.resize_token_embeddings(len(old_ids))
    model.embeddings.word_embeddings.weight.data = rows
    model.save_pretrained(target)
    shutil.copy(base / "tokenizer_config.json", target)


def read_in_lower_case(folder: Path) -> None:
    """Let a tokenizer read capitals as small letters, after the characters are normalized (a full-width A is an A)."""
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_bytes())
    given = tokenizer["normalizer"]
    steps = given["normalizers"] if given and given["type"] == "Sequence" else [given] if given else []
    place = next((place for place, step in enumerate(steps, 1) if step["type"] == "Precompiled"), 0)
    steps = [*steps[:place], {"type": "Lowercase"}, *steps[place:]]
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": steps}
    file.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def lost_words(base: Path, trimmed: Path) -> list[str]:
    """Words that were one piece and are several now."""

    def pieces(folder: Path) -> list[str]:
        return [piece for piece, _ in json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]]

    kept = set(pieces(trimmed))
    begin = [piece for piece in pieces(base) if piece.startswith(SPACE) and piece not in kept]
    return [piece[1:] for piece in begin if len(piece) > 2 and piece[1:].isalpha()]
