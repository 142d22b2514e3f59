"""The content of a file of results: ranked documents by query."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_cli.core.config import ReadConfig
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.stages import AfterStages
from rerank_cli.formats.columns import TAG
from rerank_cli.formats.json_values import as_dict
from rerank_cli.formats.record_format import COUNT, STAGE_SCORES

USUAL = ReadConfig()
QUERY = 160  # characters of a query
SHOWN = 12  # fields in a message


def places_of(candidates: list[dict[str, Any]]) -> list[int]:
    """The positions in the input: the `index` of candidates with a logit, or of a cascade.

    Any other `index` is a field of the user.
    """
    ours = ("logit", STAGE_SCORES)
    return [
        each["index"] for each in candidates if type(each.get("index")) is int and any(name in each for name in ours)
    ]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The documents of a query, best first, with their scores; `before` is their order in the input, if known.

    `query` is the beginning of its text; "" in runs. `stages` has the documents as each stage of a cascade left
    them.
    """

    docids: tuple[str, ...]
    scores: "array[float]"
    before: tuple[str, ...] | None = None
    query: str = ""
    stages: AfterStages | None = None

    def without(self, name: str) -> "Ranked":
        """The ranking without a document."""
        kept = [(docid, score) for docid, score in zip(self.docids, self.scores, strict=True) if docid != name]
        before = None if self.before is None else tuple([docid for docid in self.before if docid != name])
        stages = self.stages
        if stages is not None:
            left = tuple([tuple([docid for docid in ranking if docid != name]) for ranking in stages.rankings])
            stages = replace(stages, rankings=left)
        docids, scores = tuple([docid for docid, _ in kept]), array("d", [score for _, score in kept])
        return Ranked(docids, scores, before, self.query, stages)


@dataclass(slots=True)
class Results:
    """The content of a file of results, by query id.

    `scored`: the scores are known to be logits. `has_scores`: every document has a score; else the order is all there
    is. `read` is the configuration that read it, if its records are JSON lines.
    """

    name: str
    format: str = "trec"
    read: ReadConfig = USUAL
    queries: dict[str, Ranked] = field(default_factory=dict)
    relevance: Qrels = field(default_factory=dict)  # judgements in candidates
    relevance_field: str = ""  # where those were looked for
    fields: dict[str, None] = field(default_factory=dict)  # of candidates, while none has a judgement
    repeated: int = 0  # records that repeat a query: the first counts
    repeated_documents: int = 0  # documents repeated within a query: the first counts
    left_out: int = 0  # documents skipped by --skip-self
    cut: int = 0  # queries with candidates left out of the ranking
    counted_cut: bool = True  # whether all of those say how many they had: else there may be more
    foreign_index: bool = False  # whether candidates without a logit have an "index"
    bad: int = 0
    scored: bool = True
    has_scores: bool = True
    tag: str = ""  # of a run whose scores are not known to be logits
    notes: list[str] = field(default_factory=list)

    @property
    def has_before(self) -> bool:
        """Whether the input order of every query is known."""
        return bool(self.queries) and all(each.before is not None for each in self.queries.values())

    @property
    def why_no_before(self) -> str:
        """Why the order of the input is not known, for all queries; "" if it is."""
        if self.has_before:
            return ""
        if self.cut:
            least = "" if self.counted_cut else "at least "
            of_all = f"{least}{self.cut:,} of {len(self.queries):,} queries"
            return f"{of_all} {'lacks' if self.cut == 1 else 'lack'} candidates of the input"
        if self.format == "trec":
            return "a run has only its own order"
        if self.foreign_index:
            return 'the candidates have an "index" and no "logit", so it may not be the order of the input'
        return 'the records have no "index", which has the order of the input'

    @property
    def why_no_judgements(self) -> str:
        """Where judgements were looked for, and which fields there are."""
        if self.format == "trec":
            return f"{self.name}: no judgements; a run has none"
        if not self.relevance_field:
            return "no judgements"
        names = ", ".join(f'"{name[:40]}"' for name in list(self.fields)[:SHOWN]) or "no fields"
        return f'{self.name}: no judgements in the field "{self.relevance_field}" (candidates have {names})'

    def see_cut(self, record: dict[str, Any], candidates: list[dict[str, Any]]) -> bool:
        """Whether candidates of the input are left out: by the number of them, or by a gap in `index`. It is noted.

        Without their number, a cut to the first of the input shows no gap.
        """
        places = places_of(candidates)
        counts = [each[COUNT] for each in (record, *candidates) if type(each.get(COUNT)) is int]
        counted = max(counts, default=0) > len(candidates)
        is_cut = counted or sorted(places) != list(range(len(places)))
        self.cut += is_cut
        self.counted_cut &= counted or not is_cut
        self.foreign_index |= len(places) < sum("index" in each for each in candidates)
        return is_cut

    def see_fields(self, candidates: Iterable[dict[str, Any]]) -> None:
        """Note the fields of candidates, those of objects as dotted paths."""
        for each in candidates:
            for name, value in each.items():
                self.fields |= dict.fromkeys([f"{name}.{inner}" for inner in as_dict(value)] or [name])

    @property
    def why_no_logits(self) -> str:
        """What the file has in place of logits, after the words "it has"."""
        if not self.has_scores:
            return "no scores"
        if self.format == "trec":
            return f"the tag {self.tag!r}, not {TAG!r}" if self.tag else f"no tag {TAG!r}"
        return "no logits"

    def leave_out_selves(self) -> None:
        """Skip documents with the id of their query, as BEIR does with ignore_identical_ids."""
        for qid, ranked in list(self.queries.items()):
            if qid in ranked.docids:
                self.left_out += 1
                self.queries[qid] = ranked.without(qid)
