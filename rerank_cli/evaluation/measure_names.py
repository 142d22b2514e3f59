"""The names that other programs give to measures, as names of ir-measures.

    ndcg_cut_10  ndcg_cut.10  P_10  map_cut_100  recip_rank    trec_eval
    ndcg_at_10  mrr_at_10  recall_at_100                       MTEB
    hit_rate@10  hits@10                                       recommendation

A name that means something else here, or nothing, is an error that says which measure is near.
"""

import re
from collections.abc import Mapping
from typing import Any

from rerank_cli.core.errors import ConfigError

NAME = re.compile(r"[^(@]*")  # of a measure, without its parameters
OTHERS = re.compile(r"(?P<word>[Ff]1|[A-Za-z_-]+?)(?:(?:_at_|[_.@])(?P<cutoff>[0-9]+(?:\.[0-9]+)?))?")
CUT = {"ndcg_cut": "nDCG", "map_cut": "AP", "recip_rank_cut": "RR", "iprec_at_recall": "IPrec"}  # need a cutoff
SAME = {
    **CUT,
    "recip_rank": "RR",
    "r_prec": "Rprec",
    "r-prec": "Rprec",
    "set_p": "SetP",
    "set_recall": "SetR",
    "set_f": "SetF",
    "set_map": "SetAP",
    "num_q": "NumQ",
    "num_rel": "NumRel",
    "num_ret": "NumRet",
    "num_rel_ret": "NumRelRet",
    **dict.fromkeys(("hit", "hits", "hit_rate", "hitrate", "hr"), "Success"),
}
NEAR = {
    "accuracy": "Success{at} is 1 for a query with a relevant document in the top (the accuracy of "
    "sentence-transformers). Accuracy{at}, with a capital A, is the share of pairs in the right order.",
    "gm_map": "AP is the arithmetic mean. The geometric mean is not computed.",
    "f1": "SetF is the F1 of all results. With a cutoff, use P{at} and R{at}.",
    "recall_cap": "R{at} divides by all relevant documents, also where they are more than the cutoff.",
}
NEAR |= {"acc": NEAR["accuracy"], "gm_bpref": NEAR["gm_map"], "f": NEAR["f1"], "r_cap": NEAR["recall_cap"]}
ADVICE = (
    "Names are those of ir-measures, such as nDCG@10 RR@10 AP R@100 P@10 Success@5 (https://ir-measur.es). Those of "
    "trec_eval are understood where they mean the same, such as ndcg_cut_10."
)


def usual_name(name: str, known: Mapping[str, Any]) -> str:
    """The name by which ir-measures knows a measure, in its letter case. Other names are returned unchanged.

    `known` are the measures of ir-measures by name. Raises ConfigError for a name that means something else here, or
    that lacks its cutoff.

    >>> [usual_name(each, {"nDCG": 1, "P": 2}) for each in ("ndcg_cut_10", "ndcg_cut.5", "P_10", "p_at_1", "ndcg@3")]
    ['nDCG@10', 'nDCG@5', 'P@10', 'P@1', 'nDCG@3']
    >>> usual_name("hits@5", {}), usual_name("recip_rank", {}), usual_name("P(rel=2)@5", {"P": 2})
    ('Success@5', 'RR', 'P(rel=2)@5')
    """
    if NAME.match(name)[0] in known:  # type: ignore[index] # it matches every string
        return name
    found = OTHERS.fullmatch(name)
    if found is None:
        return _in_case(name, known)
    word, cutoff = found["word"].lower(), found["cutoff"]
    at = f"@{cutoff}" if cutoff else ""
    if word in NEAR:
        raise ConfigError(f"--measures: {name!r} is not a measure here", NEAR[word].format(at=at))
    if word in CUT and not cutoff:
        raise ConfigError(f"--measures: {name!r} needs a cutoff", f"For example: {CUT[word]}@10.")
    return f"{SAME.get(word) or _in_case(found['word'], known)}{at}"


def _in_case(name: str, known: Mapping[str, Any]) -> str:
    """A name in the letter case of a known measure, where one measure alone has such a name.

    >>> _in_case("ndcg@10", {"nDCG": 1, "NDCG": 1}), _in_case("x", {"X": 1})
    ('nDCG@10', 'X')
    >>> _in_case("bpm", {"Bpm": 1, "BPM": 2}), _in_case("P@5", {"P": 1, "p": 2})
    ('bpm', 'P@5')
    """
    word = NAME.match(name)[0]  # type: ignore[index] # it matches every string
    same = {each: measure for each, measure in known.items() if each.lower() == word.lower()}
    if word in same or len(set(map(str, same.values()))) != 1:
        return name
    return next(iter(same)) + name[len(word) :]
