"""A cross-encoder that begins as its own bi-encoder.

A cross-encoder that starts from a bi-encoder's weights forgets first what they know: its tokens attend to both texts at
once, which they never did. Here the weights are changed so that, before any training, the pair

    <pool> <s> query </s>  |  document </s> <pool>        token types 0 | 1

is encoded as two texts that do not see each other, and two layers on top compare them:

- Three coordinates of the hidden state are reserved; nothing else writes to them or reads them. SEGMENT is + in the
  query and - in the document, from the token types. POOL marks the two <pool> tokens, from their embedding. TEXT marks
  all others, exactly, in the upper layers.
- In each layer, two of the 32 dimensions of each head are given up, the two that matter least to its attention. One
  adds the product of two SEGMENT flags, so that tokens attend to their own text. The other adds a constant to the
  tokens which the model uses as a sink of attention (their flags drown in their size), so that both texts keep them,
  and takes it from <pool>.
- The first of two new layers replaces each token by the mean of its text. The second compares the means: the first
  <pool> attends to the two <pool> tokens, and how much more to the document's than to its own is, nearly linearly, the
  cosine. Means are not centred for that: a norm makes them equally long, so the product of a mean with itself is the
  same for all, whatever the other text changed in it. The classification head reads that.

All of it is weights of a plain BertForSequenceClassification; training then moves them as it likes.
"""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

SINKS_FROM_LAYER = 5  # of multilingual-e5-small: from here on </s> is a sink of attention, as <s> is from the first
OWN_TEXT = 4.0  # added to logits of attention within a text, taken away between texts
POOLING_TEXT, NOT_POOL = 6.0, 16.0  # the same in the pooling layer, and what <pool> loses there
ONLY_POOL = 1.5  # what text loses in the comparing layer, for each unit of TEXT (some 8)
MEAN_GAIN = 16.0  # the mean of a text drowns the token's own state by as much
GAIN = 2.0  # of means before they are compared; bfloat16 has it
INNER_PRODUCT = 1 / 48  # scale of the product in logits of attention
SCORE_GAIN, SCORE_READ, HEAD_GAIN = 18.0, 0.7, 8.0
UNRELATED = -4.0  # the logit of texts that have nothing to do with each other
NO_SINK = 0.75 * OWN_TEXT  # what <pool> loses in all layers; more would drown its neighbours in a row of eight bits
NO_SINK_MADE = 0.3  # of what a neuron that makes sinks reads on them: what it reads less for each unit of POOL
FLAG = 1 / 1024  # how large the first norm of the pooling layer leaves flags: made anew, they are as good as gone
GATE, SIGN = 14.0 / FLAG, 32.0 / FLAG  # how steep the gates of the flags are
PAIRS = 512
GATES = 1 + 2 * PAIRS  # neurons of the pooling layer that make flags exact; training leaves them alone
KEEP = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
KEEP += ("type_vocab_size", "layer_norm_eps", "pad_token_id")

Seen = dict[str, torch.Tensor]  # inputs of layers (tokens × hidden), by name


class Recorder:
    """Collects the inputs of linear layers and norms of a body, by name."""

    def __init__(self, body: Any, layers: int) -> None:
        self.seen: dict[str, list[torch.Tensor]] = {}
        self._hooks = [self._on("embedded", body.embeddings.LayerNorm)]
        for number, layer in enumerate(body.encoder.layer[:layers]):
            self._hooks += [
                self._on(f"{number}.attention", layer.attention.self.query),
                self._on(f"{number}.inner", layer.intermediate.dense),
                self._on(f"{number}.norm1", layer.attention.output.LayerNorm),
                self._on(f"{number}.norm2", layer.output.LayerNorm),
            ]

    def _on(self, name: str, module: nn.Module) -> Any:
        def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            self.seen.setdefault(name, []).append(inputs[0].reshape(-1, inputs[0].shape[-1]))

        return module.register_forward_pre_hook(keep)

    def done(self) -> dict[str, torch.Tensor]:
        """What was seen (tokens × hidden)."""
        for hook in self._hooks:
            hook.remove()
        return {name: torch.cat(parts) for name, parts in self.seen.items()}


def readers(layer: Any) -> list[tuple[nn.Linear, str]]:
    """The linear layers that read the hidden state, and which input that is."""
    attention = layer.attention.self
    read = [(linear, "attention") for linear in (attention.query, attention.key, attention.value)]
    return [*read, (layer.intermediate.dense, "inner")]


def least_used(body: Any, layers: int, seen: dict[str, torch.Tensor], means: torch.Tensor, count: int) -> list[int]:
    """The coordinates that send the least variance to their readers; `means` (texts × hidden) count as eight more."""
    used = 8 * means.var(0) / means.var(0).sum()
    for number, layer in enumerate(body.encoder.layer[:layers]):
        for linear, name in readers(layer):
            sent = seen[f"{number}.{name}"].var(0) * linear.weight.pow(2).sum(0)
            used = used + sent / sent.sum()
    return [int(place) for place in used.argsort()[:count]]


@torch.no_grad()
def statistics(
    base: Any, tokenizer: Tokenizer, texts: list[str]
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """What layers read of these texts, the means of the texts, and the kind of each token: 1 <s>, 2 </s>, 0 text."""
    recorder, kinds, means = Recorder(base, base.config.num_hidden_layers), [], []
    for text in texts:
        ids = tokenizer.encode(text).ids[:200]
        kinds += [1, *[0] * (len(ids) - 2), 2 if ids[-1] == 2 else 0]
        means.append(base(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1].mean(0))
    return recorder.done(), torch.stack(means), torch.tensor(kinds)


def sink_reader(tokens: torch.Tensor, kinds: torch.Tensor, layer: int, reserved: list[int]) -> torch.Tensor:
    """A direction in which sinks read 1 more than text: the difference of means over the spread of text."""
    text = tokens[kinds == 0]
    sinks = [tokens[kinds == 1].mean(0), *([tokens[kinds == 2].mean(0)] if layer >= SINKS_FROM_LAYER else [])]
    spread = torch.cov(text.T, correction=0)
    spread = spread + torch.eye(len(spread), dtype=spread.dtype) * spread.diagonal().mean() * 0.05
    apart = torch.stack(sinks).mean(0) - text.mean(0)
    spread[reserved] = spread[:, reserved] = 0
    spread[reserved, reserved] = 1
    apart[reserved] = 0
    found: torch.Tensor = torch.linalg.solve(spread, apart)
    return found / (found @ apart)


def freed_head(
    query: torch.Tensor, bias: torch.Tensor, key: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Query, its bias and key of a head in another basis, with the two dimensions that matter least last, and zero.

    The logits of attention stay as they are but for what these two held.
    """
    spread, mean = torch.cov(tokens.T, correction=0), tokens.mean(0)
    values, basis = torch.linalg.eigh(spread)
    half = (basis * values.clamp(min=1e-9).sqrt()) @ basis.T
    asked = torch.cat([query @ half, (query @ mean + bias)[:, None]], 1)
    left, strengths, _ = torch.linalg.svd(asked.T @ (key @ half), full_matrices=False)
    size = len(query)
    change = torch.diag(strengths[:size].sqrt()) @ left[:, :size].T @ torch.linalg.pinv(asked)
    query, bias, key = change @ query, change @ bias, torch.linalg.pinv(change).T @ key
    for part in (query, bias, key):
        part[-2:] = 0
    return query, bias, key


@torch.no_grad()
def separate(model: Any, seen: dict[str, torch.Tensor], kinds: torch.Tensor, reserved: list[int]) -> None:
    """Reserve the coordinates in the body, set the flags, and let tokens attend to their own text."""
    segment, pool, plain = reserved
    body, config = model.bert, model.config
    size = config.hidden_size // config.num_attention_heads
    text = kinds == 0
    _set_flags(body, seen["embedded"][text], reserved, config.vocab_size - 1)
    flag = math.sqrt(math.sqrt(size) * OWN_TEXT)
    for number, layer in enumerate(body.encoder.layer[:-2]):
        for linear, name in readers(layer):
            linear.bias += linear.weight[:, reserved] @ seen[f"{number}.{name}"][text].mean(0)[reserved]
            linear.weight[:, reserved] = 0
        attention, tokens = layer.attention.self, seen[f"{number}.attention"].double()
        sinks = sink_reader(tokens, kinds, number, reserved).float()
        for start in range(0, config.hidden_size, size):
            rows = slice(start, start + size)
            weights = (attention.query.weight[rows], attention.query.bias[rows], attention.key.weight[rows])
            query, bias, key = (part.float() for part in freed_head(*(each.double() for each in weights), tokens[text]))
            query[-1, segment] = key[-1, segment] = flag
            bias[-2], key[-2] = 1, OWN_TEXT * math.sqrt(size) * sinks
            key[-2, pool] = -NO_SINK * math.sqrt(size)
            attention.query.weight[rows], attention.query.bias[rows] = query, bias
            attention.key.weight[rows], attention.key.bias[rows] = key, 0
        if number >= SINKS_FROM_LAYER - 1:
            _make_no_sink_of_pool(layer, seen[f"{number}.inner"][kinds == 2], pool)
        norms = ((layer.attention.output, "norm1"), (layer.output, "norm2"))
        for module, name in norms:
            _pass_flags_on(module, seen[f"{number}.{name}"][text], [segment, pool])
            module.LayerNorm.weight[plain] = module.LayerNorm.bias[plain] = 0
            module.dense.weight[plain] = module.dense.bias[plain] = 0


def _set_flags(body: Any, embedded: torch.Tensor, reserved: list[int], pool_token: int) -> None:
    segment, pool, plain = reserved
    embeddings = body.embeddings
    words, types = embeddings.word_embeddings.weight, embeddings.token_type_embeddings.weight
    positions, norm = embeddings.position_embeddings.weight, embeddings.LayerNorm
    types[1] = types[0]
    positions[1:], positions[0] = (
        positions[:-1].clone(),
        positions[8:40].mean(0),
    )  # <s> keeps its own; a sink at the first
    words[pool_token] = words[4:].mean(0)
    deviation, mean = embedded.std(1, unbiased=False).median(), embedded.mean(1).median()
    for table in (words, positions, types):
        table[:, reserved] = 0
    norm.weight[[segment, pool]], norm.bias[[segment, pool]] = 0.5, mean / deviation * 0.5
    norm.weight[plain] = norm.bias[plain] = 0
    types[0, segment], types[1, segment] = 2 * deviation, -2 * deviation
    words[pool_token, pool] = 2 * deviation


def _make_no_sink_of_pool(layer: Any, sinks: torch.Tensor, pool: int) -> None:
    """Let the neuron that makes sinks, by a vector that drowns all else, not make one of <pool>: its flags would go."""
    inner = layer.intermediate.dense
    read = inner(sinks).clamp(min=0).mean(0)
    maker = int((read * layer.output.dense.weight.norm(dim=0)).argmax())
    inner.weight[maker, pool] = -NO_SINK_MADE * read[maker]


def _pass_flags_on(module: Any, normed: torch.Tensor, flags: list[int]) -> None:
    """Let nothing write to the flags, and a norm leave them as large as they are on most tokens."""
    deviations = normed.std(1, unbiased=False)
    for flag in flags:
        module.dense.weight[flag] = module.dense.bias[flag] = 0
        module.LayerNorm.weight[flag] = deviations.median()
        module.LayerNorm.bias[flag] = (normed.mean(1) / deviations).median() * deviations.median()


def _emptied(layer: Any, draw: torch.Generator) -> Any:
    attention = layer.attention.self
    linears = (attention.query, attention.key, attention.value, layer.attention.output.dense, layer.output.dense)
    for linear in (*linears, layer.intermediate.dense):
        linear.weight.zero_()
        linear.bias.zero_()
    for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
        norm.weight.fill_(1)
        norm.bias.zero_()
    layer.intermediate.dense.weight.normal_(0, 0.02, generator=draw)
    return layer


def scaled(rows: torch.Tensor) -> torch.Tensor:
    """Each row with mean 0 and deviation 1."""
    return (rows - rows.mean(1, keepdim=True)) / rows.std(1, unbiased=False, keepdim=True)


@torch.no_grad()
def compare(model: Any, means: torch.Tensor, reserved: list[int], seed: int = 0) -> None:
    """Write the two upper layers and the head.

    `means` (texts × hidden) are what they will see: of a query, of a document unrelated to it, of the next query, …
    """
    segment, pool, plain = reserved
    config, draw = model.config, torch.Generator().manual_seed(seed)
    hidden, heads = config.hidden_size, config.num_attention_heads
    size, root = hidden // heads, math.sqrt(hidden // heads)
    free = torch.ones(hidden)
    free[reserved] = 0
    turned = torch.linalg.qr(torch.randn(hidden, hidden, generator=draw))[0]

    layer = _emptied(model.bert.encoder.layer[-2], draw)
    attention = layer.attention.self
    for start in range(0, hidden, size):
        attention.query.weight[start, segment] = attention.key.weight[start, segment] = math.sqrt(root * POOLING_TEXT)
        attention.query.bias[start + 1], attention.key.weight[start + 1, pool] = 1, -NOT_POOL * root
    attention.value.weight.copy_(turned * free)
    layer.attention.output.dense.weight.copy_(MEAN_GAIN * turned.T * free[:, None])
    grown = means * free * MEAN_GAIN
    first, second = layer.attention.output.LayerNorm, layer.output.LayerNorm
    first.weight[[segment, pool]] = FLAG * grown.std(1, unbiased=False).mean()
    first.weight[plain] = 0
    normed = scaled(scaled(grown)) * free
    second.weight.fill_(GAIN)
    second.weight[reserved] = 1
    _make_flags_exact(layer.intermediate.dense, layer.output.dense, reserved)
    kept = torch.linalg.eigh(normed.T @ normed)[1].flip(1)[:, : heads * (size - 2)]  # but the directions least used
    mixed = torch.linalg.qr(torch.randn(kept.shape[1], kept.shape[1], generator=draw))[0]
    directions = (kept @ mixed).T * free
    queries, documents = normed[0::2], normed[1::2]
    unrelated = ((queries * (queries - documents)).sum(1)).mean() * GAIN**2 * INNER_PRODUCT / heads

    layer = _emptied(model.bert.encoder.layer[-1], draw)
    attention, strength = layer.attention.self, math.sqrt(INNER_PRODUCT * root)
    for start in range(0, hidden, size):
        product, only, balance = slice(start, start + size - 2), start + size - 2, start + size - 1
        part = directions[start // size * (size - 2) :][: size - 2] * strength
        attention.query.weight[product] = attention.key.weight[product] = part
        attention.query.bias[only], attention.key.weight[only, plain] = 1, -ONLY_POOL * root
        attention.query.bias[balance], attention.key.weight[balance, segment] = 1, -unrelated / 2 * root
        attention.value.weight[start, segment] = -1
        layer.attention.output.dense.weight[plain, start] = SCORE_GAIN / heads
    head = model.bert.pooler.dense
    head.weight.normal_(0, 0.02, generator=draw)
    head.bias.zero_()
    head.weight[0] = model.classifier.weight[:] = 0
    head.weight[0, plain], model.classifier.weight[0, 0] = SCORE_READ, HEAD_GAIN
    model.classifier.bias.fill_(UNRELATED)


def _make_flags_exact(inner: nn.Linear, outer: nn.Linear, reserved: list[int]) -> None:
    """Neurons that set TEXT on text, to 0 on <pool>, and SEGMENT to its sign, exactly in bfloat16 too.

    Two neurons, gelu(sx + a) - gelu(sx - a), are 2a where x is positive and 0 where it is negative, but for rounding:
    the mean of many such pairs, no two with the same s and a, is so near that bfloat16 has no other number for it.
    """
    segment, pool, plain = reserved
    inner.weight[:GATES] = inner.bias[:GATES] = outer.weight[reserved] = outer.bias[reserved] = 0
    inner.weight[0, pool], inner.bias[0], outer.weight[plain, 0] = -GATE, GATE * FLAG / 3, 25 / (GATE * FLAG)
    number = torch.arange(PAIRS)
    ample = 12 + number % 64 / 16  # bfloat16 has all of these
    steep = SIGN * (1 + (number // 64 * 4 + number * 13) % 32 / 128)
    for sign, rows in ((1, slice(1, 1 + PAIRS)), (-1, slice(1 + PAIRS, GATES))):
        inner.weight[rows, segment], inner.bias[rows] = steep, sign * ample
        outer.weight[segment, rows] = sign / (PAIRS * ample)
    outer.bias[segment] = -1


def begin(trimmed: Path, target: Path, queries: list[str], passages: list[str]) -> None:
    """Write a cross-encoder that scores as the bi-encoder in `trimmed` does."""
    base = BertModel.from_pretrained(trimmed, add_pooling_layer=False).eval()
    tokenizer = Tokenizer.from_file(str(trimmed / "tokenizer.json"))
    seen, means, kinds = statistics(base, tokenizer, [*[text[:300] for text in passages], *queries])
    reserved = least_used(base, base.config.num_hidden_layers, seen, means, 3)
    kept = {name: getattr(base.config, name) for name in KEEP}
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(num_hidden_layers=base.config.num_hidden_layers + 2, num_labels=1, **no_dropout, **kept)
    model = BertForSequenceClassification(config).eval()
    model.bert.load_state_dict(base.state_dict(), strict=False)
    separate(model, seen, kinds, reserved)
    model.config.reserved = reserved
    model.save_pretrained(target)
    write_tokenizer(trimmed, target)
    compare_anew(target, queries, passages)
    settle(target, queries, passages)


@torch.no_grad()
def states(model: Any, folder: Path, queries: list[str], passages: list[str]) -> Iterator[tuple[Any, int]]:
    """The hidden states of pairs (by layer, tokens × hidden), and where the passage begins."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for query, passage in zip(queries, passages, strict=True):
        encoded = tokenizer.encode(query, passage[:250])
        given = {"input_ids": torch.tensor([encoded.ids]), "token_type_ids": torch.tensor([encoded.type_ids])}
        made = model.bert(**given, output_hidden_states=True).hidden_states
        yield [each[0] for each in made], encoded.type_ids.index(1)


@torch.no_grad()
def compare_anew(folder: Path, queries: list[str], passages: list[str]) -> None:
    """Write the upper layers of a cross-encoder once more, for the body that it has now."""
    model, means = BertForSequenceClassification.from_pretrained(folder).eval(), []
    for layers, middle in states(model, folder, queries, passages):
        means += [layers[-3][2 : middle - 1].mean(0), layers[-3][middle:-2].mean(0)]
    compare(model, torch.stack(means), model.config.reserved)
    model.save_pretrained(folder)


@torch.no_grad()
def settle(folder: Path, queries: list[str], passages: list[str]) -> None:
    """Let TEXT be 0 and SEGMENT 1 and -1 on <pool>, where they were nearly, and change nothing else.

    They are read with large weights, so that rounding what is nearly 0 or 1 moves the score; 0 and 1 are rounded to
    themselves.
    """
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    segment, _, plain = model.config.reserved
    flags = torch.stack([layers[-2][[0, -1]] for layers, _ in states(model, folder, queries, passages)])
    (below, last), value = model.bert.encoder.layer[-2:], flags[..., plain].mean()
    below.output.LayerNorm.bias[plain] -= value
    attention = last.attention.self
    for linear in (attention.query, attention.key, attention.value):
        linear.bias += linear.weight[:, plain] * value
    last.attention.output.dense.bias[plain] += value
    norm, middle = below.output.LayerNorm, flags[..., segment].mean()
    size = (flags[:, 0, segment] - flags[:, 1, segment]).mean() / 2
    size, norm.bias[segment] = size / norm.weight[segment], norm.bias[segment] - middle
    weights = 1 + torch.arange(1, 9) / 128  # of these, the one that leaves it nearest to a number that bfloat16 has
    norm.weight[segment] = weights[(size * weights - (size * weights).bfloat16()).abs().argmin()]
    model.save_pretrained(folder)


def write_tokenizer(trimmed: Path, target: Path) -> None:
    """The tokenizer with the template of the pair, which types the document."""
    backend = Tokenizer.from_file(str(trimmed / "tokenizer.json"))
    specials = [(name, backend.token_to_id(name)) for name in ("<s>", "</s>", "<pool>")]
    pair = "<pool> <s> $A </s> $B:1 </s>:1 <pool>:1"
    backend.post_processor = TemplateProcessing(single="<pool> <s> $A </s>", pair=pair, special_tokens=specials)
    names = {"bos": "<s>", "eos": "</s>", "cls": "<pool>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>"}
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    ).save_pretrained(target)


def copy_tokenizer(source: Path, target: Path) -> None:
    """The tokenizer of one folder into another."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)


def written_parts(layers: int) -> tuple[str, ...]:
    """The modules that compare well as they are written here, and worse when they learn."""
    below, last = (f"bert.encoder.layer.{layers - back}" for back in (2, 1))
    return f"{below}.attention.output.LayerNorm", f"{below}.intermediate", f"{below}.output", last, "bert.pooler"


def finish_config(folder: Path) -> None:
    """Take out of config.json what only the distillation needs, and ask int8 and fine-tuning to spare what compares."""
    path = folder / "config.json"
    config = json.loads(path.read_bytes())
    config.pop("reserved", None)
    config["layers_in_float"] = 2
    config["frozen_in_training"] = list(written_parts(config["num_hidden_layers"]))
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
