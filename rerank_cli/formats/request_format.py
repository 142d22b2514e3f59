"""What the formats of API requests share: when they refuse truncation, and notes on the models that they name.

The model that a request names does not score: the model of the run does, which is worth a note.
"""

from typing import Any

from rerank_cli.core.config import WriteConfig
from rerank_cli.formats import dialects
from rerank_cli.formats.record_format import RecordFormat, json_line

MOST = 4  # names that are remembered
SHOWN = 60  # characters of a name


class RequestModels:
    """The first different models that requests name, other than the model of the run."""

    def __init__(self, write: WriteConfig) -> None:
        self._run = write.model if write.scored else None  # a conversion uses no model
        self._names: dict[str, None] = {}

    def see(self, request: dict[str, Any]) -> None:
        """Remember the model of a request."""
        name = request.get("model")
        if name and self._run is not None and type(name) is str and name != self._run and len(self._names) < MOST:
            self._names[name] = None

    @property
    def first_note(self) -> list[str]:
        """The note on the first model, which later requests do not change; empty without one."""
        named = next(iter(self._names), None)
        if named is None:
            return []
        return [f"requests name the model {named[:SHOWN]}, which is ignored; the model of this run is {self._run}"]

    @property
    def notes(self) -> list[str]:
        """The first note, and one on further models."""
        others = ", ".join([name[:SHOWN] for name in self._names][1:])
        return [*self.first_note, *([f"requests also name the models {others}"] if others else [])]


class RequestFormat(RecordFormat):
    """A format whose records are API requests, a line each."""

    titled = needs_candidates = False

    def __init__(self, models: RequestModels) -> None:
        self.models = models

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the models that requests name."""
        return self.models.notes

    @property
    def first_notes(self) -> list[str]:
        """The note that later requests do not change."""
        return self.models.first_note

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request that a record holds: the record itself, unless a format wraps it."""
        return body

    def refuses_cut(self, body: dict[str, Any]) -> bool:
        """Whether a request forbids truncation: longer texts are errors."""
        return dialects.refuses_cut(self.request(body))

    to_lines = staticmethod(json_line)
