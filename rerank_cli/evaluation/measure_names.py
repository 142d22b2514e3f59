"""The names that other programs give to measures, as names of ir-measures.

    ndcg_cut_10  ndcg_cut.10  P_10  map_cut_100  recip_rank    trec_eval
    ndcg_at_10  mrr_at_10  recall_at_100                       MTEB
    hit_rate@10  hits@10                                       recommendation

A name that means something else here, or nothing, is an error that says which measure is near. As in trec_eval, a
measure can have several cutoffs: ndcg_cut.5,10.
"""

import re
from collections.abc import Mapping
from typing import Any

from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to

BETWEEN = re.compile(r"([\s,]+)(?![^(]*\))")  # white space and commas outside brackets
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
WITH_CUTOFF = re.compile(r"(.*?(?:_at_|[_.@]))[0-9]+(?:\.[0-9]+)?")
ENDS = re.compile(r"(.*?)[@_.]*([0-9]*)", re.DOTALL)  # a word, and the number at its end
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


def names_in(text: str) -> list[str]:
    """The names in a text with blanks or commas between them. A number after a comma is a further cutoff.

    >>> names_in("nDCG@5,10 P_5, 10 RR(rel=2)@3 AP")
    ['nDCG@5', 'nDCG@10', 'P_5', 'P_10', 'RR(rel=2)@3', 'AP']
    """
    found: list[str] = []
    separator = ""
    for place, word in enumerate(BETWEEN.split(text)):
        if place % 2:
            separator = word
        elif word:
            is_further = found and "," in separator and NUMBER.fullmatch(word)
            known = WITH_CUTOFF.fullmatch(found[-1]) if is_further else None
            found.append(f"{known[1]}{word}" if known else word)
    return found


def refuse_odd_cutoff(name: str) -> None:
    """Raises ConfigError for a number without a measure, and for a cutoff that is no number."""
    if NUMBER.fullmatch(name):
        raise ConfigError(f"--measures: {name!r} is a number without a measure", ADVICE)
    measure, at, cutoff = name.rpartition("@")
    if at and ")" not in cutoff and not NUMBER.fullmatch(cutoff):
        raise ConfigError(
            f"--measures: {name!r}: what follows @ must be a number", f"For example: {measure or 'nDCG'}@10."
        )


def without_cutoff(name: str, measure: str) -> ConfigError:
    """The error for a name without the number that its measure needs."""
    if measure == "IPrec":
        return ConfigError(f"--measures: {name!r} needs a level of recall", "It is from 0.0 to 1.0: IPrec@0.1.")
    return ConfigError(f"--measures: {name!r} needs a cutoff", f"For example: {measure}@10.")


def advice_for(name: str, known: Mapping[str, Any]) -> str:
    """What to type instead of a name that is no measure, and where names are from.

    >>> [advice_for(each, {"nDCG": 1}).partition(". ")[0] for each in ("ndcg10", "nDGC@5", "hitrat@3")]
    ['The closest is nDCG@10', 'The closest is nDCG@5', 'The closest is Success@3']
    """
    word, number = ENDS.fullmatch(name).groups()  # type: ignore[union-attr] # it matches every string
    names = {each.lower(): each for each in reversed(list(known))} | SAME  # the first of two letter cases
    swapped = [each for each in names if len(word) > 2 and sorted(each) == sorted(word.lower())]
    near = swapped or close_to(word.lower(), names)
    at = f"@{number}" if number else ""
    return f"The closest is {names[near[0]]}{at}. {ADVICE}" if near else ADVICE


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
        raise without_cutoff(name, CUT[word])
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
