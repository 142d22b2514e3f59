"""A late-interaction model without weights: query and document are tokenized separately, and never meet in the model.

    query      [CLS] marker query [SEP] [MASK] … [MASK]     filled up to a fixed length, if the model was trained so
    document   [CLS] marker document [SEP]

The cost of a pair is the tokens of its document. Markers are put in by their ids: typed as text, `[unused0]` would be
three tokens.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.engines.rows import Row, RowPair
from rerank_cli.models.config_json import read_json
from rerank_cli.models.declared import LATE
from rerank_cli.models.facts import Resolved
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.late import LateInteraction, Side
from rerank_cli.models.lengths import Lengths, lengths_within
from rerank_cli.models.resolved import positions_of
from rerank_cli.models.text_model import TextModel
from rerank_cli.models.tokens import ADVICE, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SETTINGS = "tokenizer_config.json"
USUAL_MASKS = ("[MASK]", "<mask>")


class LateTexts(TextTokenizer):
    """Encodes queries and documents separately, each between its own special tokens."""

    def __init__(self, resolved: Resolved, late: LateInteraction, lengths: Lengths, mask: str | None) -> None:
        """`mask` is the token that fills up queries, if they are filled up."""
        super().__init__(resolved)
        head, tail = self.around_one()
        markers = [_marker(self._backend, side) for side in (late.query, late.document)]
        self.guard([number for ids, _ in markers for number in ids])
        self._heads = [[*head[:1], *ids, *head[1:]] for ids, _ in markers]
        self._texts = [text for _, text in markers]
        self._tail = tail
        limits = (lengths.query, lengths.pair)
        self._rooms = [limit - len(start) - len(tail) for limit, start in zip(limits, self._heads, strict=True)]
        self._fill = self._fill_to = 0
        self.attends_to_fill = False
        if late.expansion is not None:
            self._fill, self._fill_to = self._id_of_fill(mask), min(late.expansion.length, lengths.positions)
            self.attends_to_fill = late.expansion.attend
        self.skipped = frozenset(self._ids_of_words(late.skipped))

    def _id_of_fill(self, mask: str | None) -> int:
        names = USUAL_MASKS if mask is None else (mask,)
        found = next((number for name in names if (number := self._backend.token_to_id(name)) is not None), None)
        if found is None:
            raise ModelError(f"tokenizer.json: has no {names[0]}, which fills up queries", ADVICE)
        return int(found)

    def _ids_of_words(self, words: Iterable[str]) -> Iterable[int]:
        for word in words:
            number = self._backend.token_to_id(word)
            if number is not None and number != self._unknown:
                yield int(number)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order."""
        before_query, before_document = self._texts
        queries = self.ids_of(before_query + query for query, _ in pairs)
        documents = self.ids_of(before_document + document for _, document in pairs)
        rows = {text: self._query(ids) for text, ids in queries.items()}
        prepared = []
        for query, document in pairs:
            asked, ids = queries[before_query + query], documents[before_document + document]
            row = self._row(1, ids)
            truncated = len(ids) > self._rooms[1] or len(asked) > self._rooms[0]
            uncut = len(ids) + len(self._heads[1]) + len(self._tail) if truncated else None
            payload = RowPair(rows[before_query + query], row)
            prepared.append(PreparedPair(len(row), truncated, payload, uncut=uncut))
        return prepared

    def _row(self, side: int, ids: list[int]) -> Row:
        whole = array("i", [*self._heads[side], *ids[: self._rooms[side]], *self._tail])
        return Row(whole.tobytes(), len(whole), document=side == 1)

    def _query(self, ids: list[int]) -> Row:
        row = self._row(0, ids)
        fill = max(0, self._fill_to - len(row))
        filled = row.ids + array("i", [self._fill] * fill).tobytes()
        return Row(filled, len(row) + (fill if self.attends_to_fill else 0))


def _marker(backend: "Tokenizer", side: Side) -> tuple[list[int], str]:
    """The ids that mark a text of one role, and the text before it. A marker that is no token is text."""
    prefix = side.prefix
    first = prefix.split(None, 1)[0] if prefix.split() else ""
    for marker in (prefix, first):
        if marker and (number := backend.token_to_id(marker)) is not None:
            return [int(number)], prefix[len(marker) :] + side.text
    return [], prefix + side.text


def open_late_interaction(config: ModelConfig, folder: ModelFolder | None = None) -> TextModel[LateTexts]:
    """The late-interaction model that `config` names, in `folder` if that is known; loads no weights.

    Raises ConfigError for a model of another kind and for --long-docs chunk.
    """
    folder = find_model(config) if folder is None else folder
    folder.refuse_other_kind(LATE)
    if config.long_docs == "chunk":
        raise ConfigError("--long-docs chunk: not supported by the late-interaction engine", "Use truncate or error.")
    notes: list[str] = []
    late = interaction_in(folder)
    positions = positions_of(folder)
    lengths = lengths_within(positions, folder.longest, config, notes)
    query = min(late.query.longest or lengths.query, positions)
    if "query_max_length" in config.requested and config.query_max_length < query:
        if late.expansion is not None and late.expansion.fixed:
            notes.append(f"--query-max-length is not used: the model reads queries at {query} tokens, filled up")
        else:
            query = config.query_max_length
    lengths = Lengths(positions, lengths.pair, query)

    def make_tokenizer(resolved: Resolved) -> LateTexts:
        return LateTexts(resolved, late, lengths, _mask_of(folder, late))

    return TextModel(folder, lengths, notes, make_tokenizer)


def _mask_of(folder: ModelFolder, late: LateInteraction) -> str | None:
    """The token that fills up queries: as declared, else the one that masks; None where no file names it."""
    if late.expansion is None or late.expansion.token is not None:
        return late.expansion.token if late.expansion is not None else None
    path = folder.path / SETTINGS
    named = read_json(path).get("mask_token") if path.is_file() else None
    named = named.get("content") if isinstance(named, dict) else named
    return named if isinstance(named, str) else None


def interaction_in(folder: ModelFolder) -> LateInteraction:
    """What the files of the model in a folder declare."""
    assert folder.late is not None  # `refuse_other_kind` passed
    return folder.late
