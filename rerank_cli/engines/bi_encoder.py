"""A bi-encoder without weights: query and document are encoded separately.

The logit of a pair is the cosine of the two vectors. The vector of a query is used for all its candidates, so the cost
of a pair is the tokens of its document.
"""

from array import array
from collections.abc import Sequence

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.engines.rows import Row, RowPair
from rerank_cli.models.encoding import Encoding
from rerank_cli.models.facts import Resolved
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import lengths_within
from rerank_cli.models.resolved import positions_of
from rerank_cli.models.text_model import TextModel
from rerank_cli.models.tokens import TextTokenizer

PROMPTS = "use --query-template and --doc-template to add prompts"


class SingleTexts(TextTokenizer):
    """Encodes queries and documents separately, each truncated to its own limit."""

    def __init__(self, resolved: Resolved, encoding: Encoding, lengths: tuple[int, int]) -> None:
        """`lengths`: tokens per document and per query, special tokens and prompts included."""
        super().__init__(resolved)
        self._encoding = encoding
        self._head, self._tail = self.around_one()
        specials = len(self._head) + len(self._tail)
        self._rooms = tuple(length - specials for length in lengths)

    def around(self, ids: list[int], room: int, *, document: bool) -> Row:
        """A text, truncated to `room`, between the special tokens. `document` is its role."""
        whole = array("i", [*self._head, *ids[:room], *self._tail])
        return Row(whole.tobytes(), len(whole), document=document)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order.

        The cost is the length of the document, special tokens included.
        """
        documents = self.ids_of(self._encoding.document_prompt + document for _, document in pairs)
        queries = self.ids_of(self._encoding.query_prompt + query for query, _ in pairs)
        document_room, query_room = self._rooms
        rows = {text: self.around(ids, query_room, document=False) for text, ids in queries.items()}
        specials = len(self._head) + len(self._tail)
        prepared = []
        for query, document in pairs:
            prompted_query = self._encoding.query_prompt + query
            prompted_document = self._encoding.document_prompt + document
            row = self.around(documents[prompted_document], document_room, document=True)
            length = len(documents[prompted_document])
            truncated = len(queries[prompted_query]) > query_room or length > document_room
            payload = RowPair(rows[prompted_query], row)
            prepared.append(PreparedPair(len(row), truncated, payload, uncut=length + specials if truncated else None))
        return prepared


def open_bi_encoder(config: ModelConfig, folder: ModelFolder | None = None) -> TextModel[SingleTexts]:
    """The bi-encoder that `config` names, in `folder` if that is known; loads no weights.

    Raises ConfigError for a cross-encoder and for --long-docs chunk. The files are checked against each other when the
    tokenizer is read.
    """
    folder = find_model(config) if folder is None else folder
    folder.refuse_other_kind("bi-encoder")
    notes: list[str] = []
    encoding = encoding_in(folder)
    lengths = lengths_within(positions_of(folder), folder.longest, config, notes)
    if config.long_docs == "chunk":
        raise ConfigError("--long-docs chunk: not supported by the bi-encoder engine", "Use truncate or error.")
    if encoding.assumed:
        notes.append(f"no modules.json: the mean of all tokens is used; {PROMPTS}")
    elif not (encoding.query_prompt or encoding.document_prompt):
        notes.append(f"the model's files have no prompts; {PROMPTS}")

    def make_tokenizer(resolved: Resolved) -> SingleTexts:
        return SingleTexts(resolved, encoding, (lengths.pair, lengths.query))

    return TextModel(folder, lengths, notes, make_tokenizer)


def encoding_in(folder: ModelFolder) -> Encoding:
    """The encoding of the bi-encoder in a folder."""
    assert folder.encoding is not None  # `find_model` set it
    return folder.encoding
