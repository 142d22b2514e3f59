"""Texts as a model reads them one by one: the rows of its input."""

from dataclasses import dataclass

SHAPES = "2"  # version of the shapes that rows are computed in (`torch_rows`): in others bits differ


@dataclass(frozen=True, slots=True)
class Row:
    """A text as the model reads it: token ids (int32, as bytes), of which the first `attended` are attended to.

    `document` is its role. A model may treat the tokens of the two roles differently.
    """

    ids: bytes
    attended: int
    document: bool = False

    @property
    def content(self) -> bytes:
        """All of it, to tell it from others of its role."""
        return b"%d " % self.attended + self.ids

    def __len__(self) -> int:
        return len(self.ids) // 4


@dataclass(frozen=True, slots=True)
class RowPair:
    """A query and a document."""

    query: Row
    document: Row

    @property
    def content(self) -> bytes:
        """All of it, to tell it from others."""
        return b"%d %d " % (len(self.query.ids), self.query.attended) + self.query.ids + self.document.ids
