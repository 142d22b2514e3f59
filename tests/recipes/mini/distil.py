"""Distil the teacher, a bi-encoder, into a cross-encoder that began as one, and teach it what a bi-encoder cannot see.

Three kinds of batches of about 3,600 tokens:

- groups: a query with eight passages: a positive, neighbours by the teacher and by words, and random ones; or eight in
  another language. KL to softmax(teacher / 0.02), and where the positive is known cross-entropy and 0.3 binary
  cross-entropy.
- pairs: a query and one passage of any of these kinds: the logit is drawn to (teacher - 0.82) / 0.02.
- lost words: words of all scripts that were one piece and are several now.

In all of them the means of both texts, as the pooling layer takes them, are drawn to the teacher's vectors: 384 numbers
a text instead of one a pair, which is what makes hours of two cores enough.
"""

import itertools
import json
import random
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from body import written_parts
from pool import HELD_OUT, Neighbours, Pool
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertForSequenceClassification, BertModel

GROUP = 8
TEMPERATURE, UNDECIDED = 0.02, 0.82  # of the teacher's cosines
BATCH_TOKENS, QUERY_TOKENS = 3600, 64
WINDOWS, WINDOW_WEIGHTS = (32, 64, 96, 128, 224), (2, 3, 3, 2, 1)  # tokens of a passage
KINDS = ("words", "pairs", "groups")
EARLY, LATE = (0.15, 0.40, 0.45), (0.20, 0.20, 0.60)  # shares of the kinds, in the first half and after it
OFTENER = {"selqa-test": 3, "qed": 2, "pubmedqa": 2, "arcd-train": 5}  # sources that are small for what they stand for
WEIGHT_OF_MEANS, WEIGHT_OF_PAIRS, WEIGHT_OF_CHOICE, WEIGHT_OF_CALIBRATION = 10.0, 0.15, 1.0, 0.3
EMBEDDINGS_LEARN, WARM_UP, LEAST = 4.0, 60, 0.02  # times the rate; steps; share of the rate at the end
KEPT_OF_AVERAGE = 0.99  # in each step: what is saved is the average of the last hundred steps or so
SAVE_EVERY, LONGEST_STEP = 6.0, 40 / 60  # minutes; a step that took longer was one of a machine that stood still


@dataclass
class Batch:
    """Pairs as ids and as the teacher reads them; `randoms`: for a group, how many of its last passages are random."""

    queries: list[list[int]] = field(default_factory=list)
    passages: list[list[int]] = field(default_factory=list)
    query_texts: list[str] = field(default_factory=list)
    passage_texts: list[str] = field(default_factory=list)
    randoms: list[int | None] = field(default_factory=list)

    def add(self, query: tuple[str, list[int]], passage: tuple[str, list[int]]) -> None:
        """Another pair, each text with its ids."""
        self.query_texts.append(query[0])
        self.queries.append(query[1])
        self.passage_texts.append(passage[0])
        self.passages.append(passage[1])


class Teacher:
    """Unit vectors of texts, by the whole bi-encoder with all its pieces."""

    def __init__(self, folder: Path) -> None:
        self._model = BertModel.from_pretrained(folder, add_pooling_layer=False).to(torch.bfloat16).eval()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    @torch.inference_mode()
    def vectors(self, texts: list[str], prompt: str, longest: int = 300) -> torch.Tensor:
        """Texts × hidden, float32: the mean over all tokens, normalized."""
        places_of = {text: place for place, text in enumerate(dict.fromkeys(texts))}  # a group asks one query
        encoded = self._tokenizer.encode_batch([prompt + text for text in places_of], add_special_tokens=False)
        ids = [[0, *each.ids[:longest], 2] for each in encoded]
        made = torch.empty(len(ids), self._model.config.hidden_size)
        for places in by_length([len(each) for each in ids], BATCH_TOKENS):
            tokens = padded([ids[place] for place in places])
            mask = (tokens != 1).long()
            hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            made[places] = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return functional.normalize(made[[places_of[text] for text in texts]], dim=-1)


def by_length(lengths: list[int], tokens: int) -> list[list[int]]:
    """Places in batches of equal lengths, longest first."""
    batches: list[list[int]] = [[]]
    for place in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batches[-1] and (len(batches[-1]) + 1) * lengths[batches[-1][0]] > tokens:
            batches.append([])
        batches[-1].append(place)
    return batches


def padded(ids: list[list[int]]) -> torch.Tensor:
    """Rows × longest, filled up with <pad>."""
    made = torch.full((len(ids), max(map(len, ids))), 1)
    for row, each in zip(made, ids, strict=True):
        row[: len(each)] = torch.tensor(each)
    return made


def script(word: str) -> str:
    """The script of a word; what Persian, Urdu and others write with more letters than Arabic has is not ARABIC."""
    name = unicodedata.name(word[0], "?").split()[0]
    return name if name != "ARABIC" or all("\u0621" <= each <= "\u064a" for each in word) else "ARABIC, EXTENDED"


class Sampler:
    """Draws batches from the pool; the same seed draws the same."""

    def __init__(
        self, pool: Pool, near: Neighbours, words: list[str], tokenizer: Tokenizer, vectors: Any, seed: int
    ) -> None:
        """`vectors`: the teacher's, of queries and of passages."""
        self._pool, self._near, self._tokenizer, self._draw = pool, near, tokenizer, random.Random(seed)
        self._asked, self._known = vectors
        passages = tokenizer.encode_batch(pool.passages, add_special_tokens=False)
        self._passages = [(np.array(each.ids), np.array(each.offsets)) for each in passages]
        queries = tokenizer.encode_batch(pool.queries, add_special_tokens=False)
        self._queries = [each.ids[:QUERY_TOKENS] for each in queries]
        self._here = {language: pool.of_language(language) for language in sorted(set(pool.passage_languages))}
        seen = np.concatenate([np.unique(ids) for ids, _ in self._passages])
        self._rarity = np.log(1 + len(passages) / (1 + np.bincount(seen, minlength=tokenizer.get_vocab_size())))
        held_out = set(random.Random(99).sample(range(len(pool.queries)), HELD_OUT))
        self._taught = [place for place in range(len(pool.queries)) if place not in held_out]
        times = (OFTENER.get(pool.query_sources[place], 1) for place in self._taught)
        self._until = list(itertools.accumulate(times))
        self._scripts: dict[str, list[str]] = {}
        for word in words:
            self._scripts.setdefault(script(word), []).append(word)
        self._scripts = {name: some for name, some in self._scripts.items() if len(some) > 300}

    def batch(self, kind: str) -> Batch:
        """A batch of a kind."""
        window = self._draw.choices(WINDOWS, WINDOW_WEIGHTS)[0]
        groups, made = max(1, round(BATCH_TOKENS / (window + 26) / GROUP)), Batch()
        for _ in range(groups if kind == "groups" else groups * GROUP):
            {"groups": self._group, "pairs": self._pair, "words": self._lost_words}[kind](made, window)
        return made

    def _add(self, made: Batch, query: int, passage: int, window: int, shared: bool) -> None:
        asked = (self._pool.queries[query], self._queries[query])
        made.add(asked, self._window(query, passage, window, shared))

    def _window(self, query: int, passage: int, window: int, shared: bool) -> tuple[str, list[int]]:
        """A part of a passage; with `shared` the one that has the rarest words in common with the query."""
        ids, offsets = self._passages[passage]
        text = self._pool.passages[passage]
        if len(ids) <= window:
            return text, ids.tolist()
        starts = range(0, len(ids) - window // 2, max(8, window // 3))
        start = self._draw.choice(starts)
        if shared:
            asked = set(self._queries[query])
            common = [
                sum(self._rarity[each] for each in asked.intersection(ids[at : at + window].tolist())) for at in starts
            ]
            start = starts[max(range(len(starts)), key=lambda place: common[place])]
        end = min(start + window, len(ids))
        return text[offsets[start][0] : offsets[end - 1][1]], ids[start:end].tolist()

    def _query(self) -> int:
        return self._draw.choices(self._taught, cum_weights=self._until)[0]

    def _random(self, language: str) -> int:
        return self._draw.choice(self._here[language])

    def _group(self, made: Batch, window: int) -> None:
        draw, query = self._draw, self._query()
        positives = self._pool.positives[query]
        if draw.random() < 0.27:
            other = self._near.other[query].tolist()
            language = self._pool.passage_languages[other[0]]
            chosen = draw.sample(other[:8], 3) + draw.sample(other[8:], 3) + [self._random(language) for _ in range(2)]
            if draw.random() < 0.25:  # its own language beside another
                chosen[-1] = draw.choice(positives)
            for passage in chosen:
                self._add(made, query, passage, window, draw.random() < 0.5)
            made.randoms.append(None)
            return
        positive = draw.choice(positives)
        cosine = self._asked[query] @ self._known[positive]
        near = zip(self._near.own[query].tolist(), self._near.own_cosines[query], strict=True)
        hard = [place for place, value in near if place not in positives and value < cosine + 0.01][:50]
        traps = [place for place in self._near.lexical[query].tolist() if place >= 0 and place not in positives]
        traps = [place for place in traps if self._asked[query] @ self._known[place] < cosine - 0.02]
        chosen = draw.sample(hard, min(3, len(hard))) + draw.sample(traps, min(2, len(traps)))
        language = self._pool.query_languages[query]
        others = [self._random(language) for _ in range(GROUP - 1 - len(chosen))]
        for passage in (positive, *chosen):
            self._add(made, query, passage, window, shared=True)
        for passage in others:
            self._add(made, query, passage, window, draw.random() < 0.5)
        made.randoms.append(len(others))

    def _pair(self, made: Batch, window: int) -> None:
        draw, query, kind = self._draw, self._query(), self._draw.random()
        lexical = [place for place in self._near.lexical[query].tolist() if place >= 0]
        if kind < 0.35:
            self._add(made, query, draw.choice(self._pool.positives[query]), window, shared=True)
        elif kind < 0.60:
            self._add(made, query, draw.choice(self._near.own[query].tolist()), window, draw.random() < 0.7)
        elif kind < 0.75:
            self._add(made, query, draw.choice(self._near.other[query].tolist()), window, draw.random() < 0.5)
        elif kind < 0.85 and lexical:
            self._add(made, query, draw.choice(lexical), window, shared=True)
        else:
            self._add(made, query, self._random(self._pool.query_languages[query]), window, shared=False)

    def _lost_words(self, made: Batch, window: int) -> None:
        weights = [len(some) ** 0.7 * (8 if name == "ARABIC" else 1) for name, some in self._scripts.items()]
        some = self._draw.choices(list(self._scripts.values()), weights)[0]
        counts = (self._draw.randint(1, 6), max(2, window // 8))
        # words stand in the order of their likelihood: the first tenth is drawn as often as the last half
        texts = [" ".join(some[int(len(some) * self._draw.random() ** 2)] for _ in range(count)) for count in counts]
        query, passage = (self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts)
        made.add((texts[0], query[:QUERY_TOKENS]), (texts[1], passage))


class Student:
    """The cross-encoder in training."""

    def __init__(self, folder: Path) -> None:
        self.model = BertForSequenceClassification.from_pretrained(folder).train()
        self._free = torch.ones(self.model.config.hidden_size)
        self._free[self.model.config.reserved] = 0
        self._pool_token = self.model.config.vocab_size - 1
        below = self.model.bert.encoder.layer[-2]
        self._pooled: list[torch.Tensor] = []
        below.attention.output.dense.register_forward_hook(lambda *given: self._pooled.append(given[2]))
        for part in (*written_parts(self.model.config.num_hidden_layers), "classifier"):
            self.model.get_submodule(part).requires_grad_(False)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (pairs), and the means of queries and passages that are compared (pairs × hidden)."""
        rows = [
            [self._pool_token, 0, *query, 2, *passage, 2, self._pool_token]
            for query, passage in zip(batch.queries, batch.passages, strict=True)
        ]
        tokens, starts = padded(rows), [len(query) + 3 for query in batch.queries]
        columns, lengths = torch.arange(tokens.shape[1]), torch.tensor([len(row) for row in rows])[:, None]
        begins, mask = torch.tensor(starts)[:, None], columns < lengths
        with torch.autocast("cpu", torch.bfloat16):
            made = self.model.bert(
                input_ids=tokens,
                token_type_ids=((columns >= begins) & mask).long(),
                attention_mask=mask.long(),
            )
            logits = self.model.classifier(made.pooler_output).float()[:, 0]
        means = self._pooled.pop().float() * self._free
        return logits, means[:, 0], means[torch.arange(len(rows)), lengths[:, 0] - 1]

    def like(self, vectors: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        """How far means are from vectors: 1 - cosine, the mean over texts."""
        return (1 - functional.cosine_similarity(means, vectors * self._free)).mean()


def losses(student: Student, teacher: Teacher, batch: Batch) -> dict[str, torch.Tensor]:
    """The weighted losses of a batch; their sum is the loss."""
    asked = teacher.vectors(batch.query_texts, "query: ", 80)
    known = teacher.vectors(batch.passage_texts, "passage: ")
    logits, queries, passages = student.forward(batch)
    cosines = (asked * known).sum(1)
    found = {"means": WEIGHT_OF_MEANS * (student.like(asked, queries) + student.like(known, passages))}
    if not batch.randoms:
        wanted = ((cosines - UNDECIDED) / TEMPERATURE).clamp(-6, 6)
        return {**found, "pairs": WEIGHT_OF_PAIRS * functional.smooth_l1_loss(logits, wanted)}
    logits, wanted = logits.view(-1, GROUP), functional.softmax(cosines.view(-1, GROUP) / TEMPERATURE, 1)
    chosen = functional.log_softmax(logits, 1)
    found["kl"] = functional.kl_div(chosen, wanted, reduction="batchmean")
    answered = [(row, count) for row, count in enumerate(batch.randoms) if count is not None]
    if answered:
        rows = [row for row, _ in answered]
        found["choice"] = -WEIGHT_OF_CHOICE * chosen[rows, 0].mean()
        pulled = [functional.softplus(-logits[row, 0]) for row in rows]
        pushed = [functional.softplus(logits[row, GROUP - count :]).mean() for row, count in answered]
        each = torch.stack(pulled) + torch.stack(pushed)
        found["calibration"] = WEIGHT_OF_CALIBRATION * each.mean() / 2
    return found


class Average:
    """A running average of a model's weights: better than any of them while the rate is high."""

    def __init__(self, model: Any, former: dict[str, torch.Tensor] | None) -> None:
        self.weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        if former is not None:
            self.weights = {name: former[name].clone() for name in self.weights}

    def add(self, model: Any) -> None:
        """Another step's weights."""
        now = [weight.detach() for _, weight in model.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), now, 1 - KEPT_OF_AVERAGE)


def distil(student: Student, teacher: Teacher, sampler: Sampler, target: Path, minutes: float, rate: float) -> None:
    """Train for so many minutes; every few, save the average to `target` and the weights themselves to its `last`.

    `progress.json` says how far it is, so that a training which was stopped goes on with nearly what it had.
    """
    progress = target / "progress.json"
    active, step = 0.0, 0
    former = None
    if progress.is_file():
        told = json.loads(progress.read_bytes())
        active, step, former = told["minutes"], told["steps"], load_file(target / "model.safetensors")
    model, average = student.model, Average(student.model, former)
    draw, named = random.Random(step), [each for each in model.named_parameters() if each[1].requires_grad]
    apart = [[weight for name, weight in named if ("embeddings" in name) is embedded] for embedded in (False, True)]
    optimizer = torch.optim.AdamW(
        [{"params": apart[0], "peak": rate}, {"params": apart[1], "peak": rate * EMBEDDINGS_LEARN}],
        weight_decay=0.01, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip
    first, saved, last, log = step, active, time.monotonic(), dict[str, list[float]]()
    while active < minutes:
        share = min(1, (step - first + 1) / WARM_UP) * max(LEAST, 1 - active / minutes)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
        kind = draw.choices(KINDS, EARLY if active < minutes / 2 else LATE)[0]
        parts = losses(student, teacher, sampler.batch(kind))
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.add(model)
        step, now = step + 1, time.monotonic()
        active, last = active + min((now - last) / 60, LONGEST_STEP), now
        for name, value in parts.items():
            log.setdefault(name if kind != "words" else f"words' {name}", []).append(value.item())
        if step % 25 == 0:
            print(step, f"{active:.1f} min", *(f"{name} {np.mean(each):.4f}" for name, each in log.items()), flush=True)
            log.clear()
        if active - saved > SAVE_EVERY or active >= minutes:
            model.save_pretrained(target / "last")
            model.save_pretrained(target, state_dict={**model.state_dict(), **average.weights})
            progress.write_text(json.dumps({"minutes": active, "steps": step}))
            saved = active
