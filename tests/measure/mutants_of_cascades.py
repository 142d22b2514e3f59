"""Errors in cascades: each must fail a named test."""

from mutant import Mutant

ORACLE = "properties/test_a_cascade_is_its_oracle.py::"
STAGES = "unit/reranking/test_cascade.py::"
COMMAND = "cli/test_stages.py::"
BY_HAND = ORACLE + "test_the_order_is_that_of_scoring_and_cutting_by_hand"

MUTANTS = [
    Mutant(
        "cascades: of equal candidates the last is kept",
        "core/stages.py",
        "return sorted(range(len(self.logits)), key=self.logits.__getitem__, reverse=True)",
        "return sorted(range(len(self.logits)), key=self.logits.__getitem__)[::-1]",
        BY_HAND,
    ),
    Mutant(
        "cascades: kept candidates are passed on best first",
        "core/stages.py",
        "tuple(sorted([self.positions[n] for n in self.order()[:keep]]))",
        "tuple([self.positions[n] for n in self.order()[:keep]])",
        BY_HAND,
    ),
    Mutant(
        "cascades: what an earlier stage dropped comes first",
        "core/staged_ranking.py",
        "for number in range(len(stages) - 1, 0, -1):",
        "for number in range(1, len(stages)):",
        BY_HAND,
    ),
    Mutant(
        "cascades: a stage is skipped whose scores are fused",
        "reranking/cascade.py",
        "return not changes and not (self.fuses and number == len(self.keep) - 1)",
        "return not changes",
        BY_HAND,
    ),
    Mutant(
        "cascades: ranks are counted from 0 in fusion",
        "core/stages.py",
        "sorted(range(len(values)), key=values.__getitem__, reverse=True), 1)",
        "sorted(range(len(values)), key=values.__getitem__, reverse=True), 0)",
        COMMAND + "test_fusion_with_the_score_of_the_input_needs_no_stage",
    ),
    Mutant(
        "cascades: the threshold is on the score of the last stage, not on the fused one",
        "core/staged_ranking.py",
        ".scores if fused is None else fused",
        ".scores",
        COMMAND + "test_a_threshold_is_on_the_fused_score",
    ),
    Mutant(
        "cascades: a window holds no more than without stages",
        "core/plan.py",
        "return -(-tokens * self.keep // candidates)",
        "return tokens",
        STAGES + "test_a_window_holds_as_many_more_records_as_the_last_stage_scores_less_of_them",
    ),
    Mutant(
        "cascades: a window that holds more is scored at once",
        "reranking/windows.py",
        "holds_more = limits.keep is not None or not limits.closes",
        "holds_more = False",
        STAGES + "test_a_window_that_holds_more_is_scored_in_slices",
    ),
    Mutant(
        "cascades: a later stage closes windows itself",
        "reranking/windows.py",
        "if not limits.closes or not self.size",
        "if not self.size",
        BY_HAND,
    ),
    Mutant(
        "cascades: the learned budget of an earlier stage is not kept",
        "reranking/cascade.py",
        "(*self.budgets, scored.budget)",
        "(*[Budget(8192)] * len(self.budgets), scored.budget)",
        STAGES + "test_the_budgets_of_all_stages_are_given_with_each_window",
    ),
    Mutant(
        "cascades: a failure names the place among those that were kept",
        "core/records.py",
        "return place if self.passed is None else self.passed.positions[place]",
        "return place",
        STAGES + "test_a_record_that_a_later_stage_cannot_score_fails_at_the_place_of_the_input",
    ),
    Mutant(
        "cascades: a run takes the logits of several stages",
        "core/ranking.py",
        "if not self.stages:\n            return values",
        "if self.stages or not self.stages:\n            return values",
        COMMAND + "test_a_run_falls_strictly_through_all_stages",
    ),
    Mutant(
        "cascades: readers compare the logits of several stages",
        "formats/record_format.py",
        "    if are_staged(candidates):\n        return",
        "    if False:\n        return",
        COMMAND + "test_convert_and_eval_read_the_order_of_the_stages[out.jsonl]",
    ),
    Mutant(
        "cascades: what a stage keeps is not in the fingerprint",
        "jobs/fingerprint.py",
        'mine: dict[str, Any] = {"keep": stage.keep}',
        "mine: dict[str, Any] = {}",
        "unit/jobs/test_fingerprint.py::test_what_an_earlier_stage_keeps_and_does_with_long_documents_changes_it",
    ),
    Mutant(
        "cascades: all stages read the texts of the last",
        "reranking/cascade.py",
        "composed = whole.composed[number] if whole.composed else whole",
        "composed = whole",
        STAGES + "test_each_stage_reads_the_texts_that_were_composed_for_it",
    ),
]
