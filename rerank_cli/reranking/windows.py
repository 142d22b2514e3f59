"""From entries to windows: complete, prepared records, limited by tokens, records and bytes.

A window is the unit of sorting, de-duplication and commits. Its edges depend on the records alone, so a resumed run,
which begins at an edge, finds the same edges and composes the same batches. A record with very many candidates is a
separate window and is scored in slices, so that its tokens are never all in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from rerank_cli.core.plan import WindowLimits
from rerank_cli.core.records import Entry, Failure, Mark, Request, failed
from rerank_cli.core.scorer import PreparedPair

SLICE_PAIRS = 1024  # a record with more candidates is scored in slices of this many pairs
PREPARE_ENTRIES = 4096  # limits batches of very short lines
PREPARE_BYTES = 1 << 18  # bytes of input, or characters of texts, per call of prepare: enough to keep its threads busy

Prepare = Callable[[Sequence[tuple[str, str]]], list[PreparedPair]]
Skips = Callable[[Request], bool]


@dataclass(frozen=True, slots=True)
class NumberedRequest:
    """A request of a window: the numbers of its pairs, and the positions of truncated candidates.

    A candidate in `chunks` was scored in chunks with these spans, numbered from its pair on. `tokens` are those of all
    its pairs.
    """

    request: Request
    pairs: Sequence[int]
    truncated: frozenset[int]
    chunks: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """The records of a window, in input order, and the position in the input after them."""

    entries: list[NumberedRequest | Failure]
    blank: int
    duplicates: int
    end: Mark


@dataclass(frozen=True, slots=True)
class Slice:
    """Pairs to score, none of them met before in this window, and the window if it closes with them.

    `bytes` and `records` are what of the input is scored with them, for the progress that is shown.
    """

    pairs: list[PreparedPair]
    closes: Window | None
    bytes: float = 0.0
    records: float = 0.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """An entry with its prepared pairs, or a slice of a very long one (`last`: the last slice)."""

    entry: Entry
    pairs: list[PreparedPair]
    first: bool = True
    last: bool = True

    @property
    def long(self) -> bool:
        return not (self.first and self.last)

    @property
    def tokens(self) -> int:
        return sum([part.cost for pair in self.pairs for part in pair.parts])  # noqa: C419 - a list is faster

    @property
    def candidates(self) -> int:
        return len(self.entry.texts) if isinstance(self.entry, Request) else 0


def windows(
    entries: Iterator[Entry],
    prepare: Prepare,
    limits: WindowLimits,
    start: Mark,
    *,
    refuse_cut: bool = False,
    candidates_path: str = "$.candidates",
    skips: Skips | None = None,
    weigh: Prepare | None = None,
) -> Iterator[Slice]:
    """Prepare entries and collect them in windows, each yielded as one or more slices.

    With `refuse_cut`, records with a text that would be truncated are failures, as are those that forbid truncation
    themselves. `candidates_path` is the path of the candidates in a record. Requests that a stage of a cascade `skips`
    count towards their window and have no pairs to score; `weigh` prepares these (default: `prepare`).
    """
    current = _OpenWindow(start, limits, refuse_cut, candidates_path, skips)
    for piece in _Preparing(prepare, weigh or prepare, skips).pieces(entries):
        if piece.first and current.must_close_before(piece):
            yield current.close()
            current = _OpenWindow(current.end, limits, refuse_cut, candidates_path, skips)
        elif piece.first and current.must_slice_before(piece):
            yield current.slice()
        current.add(piece)
        if piece.long and not piece.last:
            yield current.slice(piece)
    if current.size:
        yield current.close()


@dataclass(slots=True)
class _OpenWindow:
    """The window being filled."""

    start: Mark
    limits: WindowLimits
    refuse_cut: bool
    candidates_path: str
    skips: Skips | None = None
    end: Mark = field(init=False)
    entries: list[NumberedRequest | Failure] = field(default_factory=list)
    blank: int = 0
    duplicates: int = 0
    tokens: int = 0  # as its limits count them
    fresh: list[PreparedPair] = field(default_factory=list)
    fresh_tokens: int = 0
    count: int = 0  # distinct pairs
    full: bool = False  # a very long record is a separate window
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    pairs: list[int] = field(default_factory=list)  # of the current record
    record_tokens: int = 0
    truncated: list[int] = field(default_factory=list)
    chunks: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    part: float = 0.0  # the share of a very long record that was added
    sliced_bytes: float = 0.0  # of what is in slices already
    sliced_records: float = 0.0

    def __post_init__(self) -> None:
        self.end = self.start

    @property
    def size(self) -> int:
        """Lines in the window."""
        return len(self.entries) + self.blank

    def must_close_before(self, piece: _Piece) -> bool:
        """Whether `piece` would overflow the window, or begins a very long record, which needs its own window.

        Entries that stood inside the previous record end where it ends, so they stay in its window.
        """
        limits = self.limits
        if not limits.closes or not self.size or piece.entry.end.total <= self.end.total:
            return False
        if self.full:
            return True
        tokens = self.tokens + limits.counted(piece.tokens, piece.candidates)
        return piece.long or limits.overflows(tokens, self.size + 1, piece.entry.end.total - self.start.total)

    def must_slice_before(self, piece: _Piece) -> bool:
        """Whether what is to be scored is enough for a slice, in a window that holds more than one."""
        limits = self.limits
        holds_more = limits.keep is not None or not limits.closes
        return holds_more and bool(self.fresh) and self.fresh_tokens + piece.tokens > limits.tokens

    def add(self, piece: _Piece) -> None:
        """Add a piece. Identical pairs get the same number and are scored once."""
        entry = piece.entry
        if isinstance(entry, Request):
            if self.skips is not None and self.skips(entry):
                self.tokens += self.limits.counted(piece.tokens, piece.candidates)
                if not piece.last:
                    return
                self.entries.append(NumberedRequest(entry, (), frozenset()))
                self.full = piece.long
            elif not piece.long and self._refuses(entry) and any(pair.truncated for pair in piece.pairs):
                cut = next(position for position, pair in enumerate(piece.pairs) if pair.truncated)
                self.entries.append(self._too_long(entry, cut))
            else:
                self._number_pairs(entry, piece.pairs)
                if not piece.last:
                    return
                self.entries.append(self._finish_request(entry))
                self.full = piece.long
            self.pairs, self.truncated, self.chunks, self.record_tokens, self.part = [], [], {}, 0, 0.0
        elif isinstance(entry, Failure):
            self.entries.append(entry)
        else:
            self.blank += 1
        self.end = entry.end

    def _refuses(self, request: Request) -> bool:
        return self.refuse_cut or request.refuses_cut

    def _finish_request(self, request: Request) -> NumberedRequest | Failure:
        self.tokens += self.limits.counted(self.record_tokens, len(request.texts))
        if self.truncated and self._refuses(request):
            return self._too_long(request, self.truncated[0])
        return NumberedRequest(request, self.pairs, frozenset(self.truncated), self.chunks, self.record_tokens)

    def _too_long(self, request: Request, position: int) -> Failure:
        why = "--long-docs is error" if self.refuse_cut else "the request forbids truncation"
        reason = f"query and document are longer than --max-length tokens, and {why}"
        return failed(request, reason, f"{self.candidates_path}[{request.position(position)}]")

    def _number_pairs(self, request: Request, pairs: list[PreparedPair]) -> None:
        start = len(self.pairs)
        keys = request.pairs(start, start + len(pairs))
        for position, (key, pair) in enumerate(zip(keys, pairs, strict=True), start):
            number = self.numbers.get(key)
            cost = sum([part.cost for part in pair.parts])  # noqa: C419 - a list is faster
            if number is None:
                number = self.numbers[key] = self.count
                self.fresh.extend(pair.parts)
                self.fresh_tokens += cost
                self.count += len(pair.parts)
            else:
                self.duplicates += 1
            self.record_tokens += cost
            self.pairs.append(number)
            if pair.truncated:
                self.truncated.append(position)
            if pair.more:
                self.chunks[position] = tuple([part.span for part in pair.parts if part.span is not None])

    def slice(self, piece: _Piece | None = None) -> Slice:
        """What is fresh, with the window left open; `piece` is the last one added, of a very long record."""
        bytes_, records = float(self.end.disk - self.start.disk), float(len(self.entries))
        if piece is not None and isinstance(piece.entry, Request):
            self.part += len(piece.pairs) / len(piece.entry.texts)
            bytes_ += self.part * (piece.entry.end.disk - self.end.disk)
            records += self.part
        return self._slice(None, bytes_, records)

    def close(self) -> Slice:
        """What is fresh, and the closed window."""
        window = Window(self.entries, self.blank, self.duplicates, self.end)
        return self._slice(window, self.end.disk - self.start.disk, len(self.entries))

    def _slice(self, window: Window | None, bytes_: float, records: float) -> Slice:
        """A slice up to this progress in the window."""
        fresh, self.fresh, self.fresh_tokens = self.fresh, [], 0
        made = Slice(fresh, window, bytes_ - self.sliced_bytes, records - self.sliced_records)
        self.sliced_bytes, self.sliced_records = bytes_, records
        return made


@dataclass(frozen=True, slots=True)
class _Preparing:
    """Prepares the pairs of requests; those of skipped ones by `weigh`, since only their tokens count."""

    prepare: Prepare
    weigh: Prepare
    skips: Skips | None

    def pieces(self, entries: Iterator[Entry]) -> Iterator[_Piece]:
        """Prepare several small records in one call, and very long ones in slices."""
        gathered: list[Entry] = []
        size = 0
        for entry in entries:
            long = isinstance(entry, Request) and len(entry.texts) > SLICE_PAIRS
            if not long:
                gathered.append(entry)
                size += max(entry.size, sum(map(len, entry.texts)) if isinstance(entry, Request) else 0)
            if long or size >= PREPARE_BYTES or len(gathered) >= PREPARE_ENTRIES:
                yield from self._together(gathered)
                gathered, size = [], 0
            if long and isinstance(entry, Request):
                yield from self._in_slices(entry)
        yield from self._together(gathered)

    def _is_skipped(self, entry: Entry) -> bool:
        return self.skips is not None and isinstance(entry, Request) and self.skips(entry)

    def _together(self, entries: list[Entry]) -> Iterator[_Piece]:
        skipped = {n for n, entry in enumerate(entries) if self._is_skipped(entry)}
        requests = [(n, entry) for n, entry in enumerate(entries) if isinstance(entry, Request)]
        pairs = iter(self.prepare([pair for n, entry in requests if n not in skipped for pair in entry.pairs()]))
        weighed = iter(self.weigh([pair for n in sorted(skipped) for pair in _pairs_of(entries[n])]) if skipped else ())
        for number, entry in enumerate(entries):
            count = len(entry.texts) if isinstance(entry, Request) else 0
            yield _Piece(entry, list(islice(weighed if number in skipped else pairs, count)))

    def _in_slices(self, request: Request) -> Iterator[_Piece]:
        count = len(request.texts)
        prepare = self.weigh if self._is_skipped(request) else self.prepare
        for start in range(0, count, SLICE_PAIRS):
            end = min(start + SLICE_PAIRS, count)
            yield _Piece(request, prepare(request.pairs(start, end)), first=start == 0, last=end == count)


def _pairs_of(entry: Entry) -> list[tuple[str, str]]:
    return entry.pairs() if isinstance(entry, Request) else []
