"""Errors in the http engine: each must fail a named test."""

from mutant import Mutant

RULES = "unit/engines/test_remote_rules.py::"
ENGINE = "unit/engines/test_remote_reranker.py::"

MUTANTS = [
    Mutant(
        "apis: a key goes over plain http to another machine",
        "engines/remote_key.py",
        "if not target.is_encrypted and not target.is_loopback:",
        "if False:",
        RULES + "test_a_key_never_goes_to_another_machine_without_encryption[10.0.0.1]",
    ),
    Mutant(
        "apis: a name that begins like this machine is this machine",
        "engines/remote_address.py",
        'if name == "localhost":',
        'if name.startswith(("localhost", "127.")):',
        RULES + "test_a_key_never_goes_to_another_machine_without_encryption[127.0.0.1.example.com]",
    ),
    Mutant(
        "apis: a key that others can read is taken",
        "engines/remote_key.py",
        "stat.S_IRWXG | stat.S_IRWXO",
        "stat.S_IWOTH",
        RULES + "test_a_key_that_others_can_read_is_refused[420]",
    ),
    Mutant(
        "apis: a redirect is followed",
        "engines/remote_client.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ENGINE + "test_no_redirect_is_followed_and_no_key_goes_elsewhere",
    ),
    Mutant(
        "apis: an index that is met twice counts",
        "engines/remote_answers.py",
        "if not known or index in found:",
        "if not known:",
        RULES + "test_a_document_without_a_score_that_can_be_trusted_has_none[results9-reasons9]",
    ),
    Mutant(
        "apis: scores are taken in the order of the answer",
        "engines/remote_answers.py",
        "found[index] = _score(each.get(dialect.score))",
        "found[len(found)] = _score(each.get(dialect.score))",
        RULES + "test_scores_come_in_the_order_of_the_documents",
    ),
    Mutant(
        "apis: a retry after 429 does not halve what is in flight",
        "engines/remote_pace.py",
        "self.limit = max(1, self.limit // 2)",
        "pass",
        RULES + "test_the_number_in_flight_is_halved_once_for_those_in_flight_together_and_grows_again",
    ),
    Mutant(
        "apis: answers are not limited in size",
        "engines/remote_client.py",
        "if len(content) > most:",
        "if False:",
        ENGINE + "test_a_fault_that_stays_ends_the_run_with_what_the_server_said[0-bomb]",
    ),
    Mutant(
        "apis: a query and a document share a request with those of another query",
        "core/plan.py",
        "groups.setdefault(queries[index], []).append(index)",
        'groups.setdefault("", []).append(index)',
        "unit/reranking/test_reranker.py::test_an_engine_that_is_asked_by_query_gets_one_query_a_batch",
    ),
    Mutant(
        "apis: the key is shown in the words of the server",
        "engines/remote_client.py",
        "content.replace(self.key.value.encode(), HIDDEN)",
        "content",
        ENGINE + "test_a_key_that_a_server_repeats_is_shown_nowhere[401]",
    ),
    Mutant(
        "apis: a pair without a score is ranked",
        "reranking/results.py",
        "            if isinstance(logit, NoScore) or not math.isfinite(logit):\n                return failed",
        "            if not isinstance(logit, NoScore) and not math.isfinite(logit):\n                return failed",
        "unit/reranking/test_reranker.py::test_a_pair_without_a_score_fails_its_record_with_the_reason_of_the_engine",
    ),
]
