"""Errors in what is kept (scores, vectors of texts) and in late interaction: each must fail a named test."""

from mutant import Mutant

STORE = "unit/files/test_score_store.py::"
CACHED = "properties/test_a_cached_run_continues_exactly.py::"
KEYS = "unit/jobs/test_cached_scorer.py::"
LATE = "oracle/test_late_interaction.py::"
ORACLE = LATE + "test_scores_are_those_of_sentence_transformers[{}]"

MUTANTS = [
    Mutant(
        "score cache: a run sees what was added since it began",
        "files/score_store.py",
        "elif written <= number:",
        "else:",
        STORE + "test_a_run_sees_what_was_there_when_it_began_and_nothing_later",
    ),
    Mutant(
        "score cache: a later writer overwrites",
        "files/score_store.py",
        "INSERT OR IGNORE INTO scores",
        "INSERT OR REPLACE INTO scores",
        STORE + "test_the_first_writer_wins",
    ),
    Mutant(
        "score cache: the checksum leaves out the number of the write",
        "files/score_store.py",
        "crc == crc32(key + NUMBER.pack(number) + stored[: FLOAT.size])",
        "crc in (crc32(key + NUMBER.pack(n) + stored[: FLOAT.size]) for n in range(9))",
        STORE + "test_a_flipped_bit_of_a_value_its_number_or_its_checksum_is_a_miss_and_dropped_as_damage",
    ),
    Mutant(
        "score cache: dropped damage raises no epoch",
        "files/score_store.py",
        "                self.raise_epoch()\n",
        "                pass\n",
        STORE + "test_a_flipped_bit_of_a_value_its_number_or_its_checksum_is_a_miss_and_dropped_as_damage",
    ),
    Mutant(
        "score cache: dropping old entries raises no epoch",
        "files/numbered_store.py",
        "        self.raise_epoch()\n",
        "",
        STORE + "test_the_oldest_entries_are_dropped_when_there_are_too_many_and_the_epoch_rises",
    ),
    Mutant(
        "score cache: a resumed run sees what is there now",
        "jobs/score_cache.py",
        "self._seen = Seen(noted.store, now.epoch, noted.number, noted.entries)",
        "self._seen = Seen(noted.store, now.epoch, now.number, now.entries)",
        CACHED + "test_any_number_of_interrupts_leaves_no_trace_in_the_result",
    ),
    Mutant(
        "score cache: another epoch is not noticed",
        "jobs/score_cache.py",
        "saw and noted.epoch != now.epoch",
        "False",
        CACHED + "test_under_another_epoch_it_continues_with_right_scores_and_says_that_it_is_not_exact[cleared]",
    ),
    Mutant(
        "score cache: continuing without it is not noticed",
        "jobs/score_cache.py",
        "            self._note_change(scorer, saw)\n            return scorer",
        "            return scorer",
        CACHED + "test_under_another_epoch_it_continues_with_right_scores_and_says_that_it_is_not_exact[no cache]",
    ),
    Mutant(
        "score cache: a run that began without one sees it",
        "jobs/score_cache.py",
        "self._seen = Seen(now.store, now.epoch, 0, 0)",
        "self._seen = now",
        CACHED + "test_a_run_that_began_without_a_cache_sees_nothing_of_one",
    ),
    Mutant(
        "score cache: known pairs are planned again after out-of-memory",
        "reranking/reranker.py",
        "else each.unknown",
        "else None",
        "unit/reranking/test_reranker.py::test_pairs_whose_logits_are_known_are_never_scored",
    ),
    Mutant(
        "score cache: logits that are not finite are kept",
        "jobs/cached_scorer.py",
        "if math.isfinite(logit)",
        "if True",
        CACHED + "test_logits_that_are_not_finite_are_not_kept",
    ),
    Mutant(
        "score cache: the dtype is not in the key",
        "jobs/cached_scorer.py",
        'del fields["max_length"], fields["query_max_length"]',
        'del fields["max_length"], fields["query_max_length"], fields["dtype"]',
        KEYS + "test_who_computes_is_in_the_key",
    ),
    Mutant(
        "score cache: a key has only the document",
        "models/tokens.py",
        'return b"%d " % self.document_at + self.ids.tobytes()',
        "return self.ids[self.document_at :].tobytes()",
        KEYS + "test_query_and_document_are_told_apart",
    ),
    Mutant(
        "late interaction: the marker is left out",
        "engines/late_interaction.py",
        "return [int(number)], prefix[len(marker) :] + side.text",
        "return [], prefix[len(marker) :] + side.text",
        ORACLE.format("stanford"),
    ),
    Mutant(
        "late interaction: the marker is typed as text",
        "engines/late_interaction.py",
        "return [int(number)], prefix[len(marker) :] + side.text",
        "return [], prefix + side.text",
        ORACLE.format("stanford"),
    ),
    Mutant(
        "late interaction: queries are not filled up",
        "engines/late_interaction.py",
        "fill = max(0, self._fill_to - len(row))",
        "fill = 0",
        ORACLE.format("stanford"),
    ),
    Mutant(
        "late interaction: what fills up a query is attended to",
        "engines/late_interaction.py",
        "(fill if self.attends_to_fill else 0)",
        "fill",
        ORACLE.format("pylate"),
    ),
    Mutant(
        "late interaction: punctuation counts",
        "engines/torch_token_vectors.py",
        "if row.document:",
        "if False:",
        ORACLE.format("stanford"),
    ),
    Mutant(
        "late interaction: punctuation of queries is skipped, too",
        "engines/torch_token_vectors.py",
        "if row.document:",
        "if True:",
        ORACLE.format("stanford"),
    ),
    Mutant(
        "late interaction: padding counts",
        "engines/torch_token_vectors.py",
        "counted = np.arange(len(row))",
        "counted = np.arange(len(row) + 1)",
        ORACLE.format("stanford, punctuation"),
    ),
    Mutant(
        "late interaction: vectors are not normalized",
        "engines/torch_token_vectors.py",
        "normalize(self._projection(hidden), dim=-1)",
        "self._projection(hidden)",
        ORACLE.format("pylate"),
    ),
    Mutant(
        "late interaction: the mean in the place of the most similar token",
        "engines/torch_token_vectors.py",
        ".max(dim=1).values.sum()",
        ".mean(dim=1).sum()",
        ORACLE.format("pylate"),
    ),
    Mutant(
        "texts: the shape of a batch follows its rows",
        "engines/torch_rows.py",
        "shape = (self._rows_of(length), length)",
        "shape = (len(batch), length)",
        "oracle/test_bi_encoder.py::test_a_cosine_has_the_same_bits_in_any_company[mini-mean-bf16]",
    ),
    Mutant(
        "texts: rows are distinguished by their length alone",
        "engines/rows.py",
        "    ids: bytes\n    attended: int\n    document: bool = False\n",
        "    ids: bytes\n    attended: int\n    document: bool = False\n\n"
        "    def __eq__(self, other): return len(self) == len(other)\n\n    def __hash__(self): return len(self)\n",
        ORACLE.format("pylate"),
    ),
]
