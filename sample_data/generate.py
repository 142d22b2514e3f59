"""Write synthetic records with realistic lengths, for speed trials and for tests that need many records.

A speed figure depends on the lengths of the texts, so those are what this imitates: documents are log-normal, with a
median near 150 tokens and sigma 0.6 (of the logarithm), cut near 512. Tokens become words by one constant, measured on
these texts with BERT's uncased English vocabulary: 1.2 tokens a word, as in everyday prose (XLM-R's makes 1.44;
scientific abstracts have 1.5 and more). Documents high in a list share the query's topic more often, and scores
fall like BM25's. The texts mean nothing: no quality can be measured on them. Fewer records are a prefix of more.

    python sample_data/generate.py --records 2000 --candidates 20 --seed 7 > big.jsonl
"""

import argparse
import json
import math
import os
import random
import sys
from collections.abc import Iterator

TOKENS_PER_WORD = 1.2
MEDIAN_TOKENS, SIGMA, MAX_TOKENS, MIN_WORDS = 150, 0.6, 512, 5

COMMON_WORDS = """the the the of of and and to to in in a a is that for it as was with on by from at this which or are be not
have has more most can some when after before between because often only also during many each other one two first
last new old small large long short good about into over under without while until than then there very well still
never always people time year day place part way thing number world"""
COMMON = COMMON_WORDS.split()

TOPICS = [
    words.split()
    for words in (
        "kitchen oven butter flour pepper garlic onion simmering saucepan recipe dough vinegar teaspoon roasted seasoning",
        "garden soil seed watering compost pruning tomato hedge greenhouse seedling rosebush weeds shovel fertilizer bloom",
        "planet orbit telescope comet galaxy asteroid gravity spacecraft astronomer eclipse starlight lunar crater rocket",
        "doctor patient fever vaccine symptom headache dosage pharmacy surgeon allergy bandage recovery painkiller clinic",
        "river mountain glacier valley volcano earthquake coastline waterfall desert canyon island plateau erosion cliff",
        "engine brake gearbox tire mileage steering bumper headlight mechanic exhaust battery motorway trailer dashboard",
        "bank loan interest mortgage salary inflation invoice savings taxpayer deposit shareholder bankruptcy budget audit",
        "computer keyboard password software printer browser spreadsheet download firewall database backup laptop cable",
        "guitar violin melody orchestra concert drummer singer rhythm harmony saxophone composer rehearsal chorus piano",
        "football referee goalkeeper stadium marathon swimmer tournament racket sprinter coach penalty cyclist medal team",
        "castle king soldier empire treaty parliament medieval archaeologist dynasty rebellion manuscript pharaoh siege",
        "horse rabbit feather whale hedgehog butterfly squirrel predator hibernation nest woodpecker dolphin beetle paws",
        "brick hammer plaster screwdriver ceiling insulation carpenter staircase plumbing roof varnish sandpaper drill tiles",
        "airport passport suitcase luggage runway ticket platform timetable ferry tourist hostel souvenir customs pilot map",
        "sweater jacket cotton zipper needle knitting tailor embroidery button leather wool laundry ironing sewing sandals",
        "school teacher homework lecture grammar scholarship textbook classroom pupil semester diploma spelling essay exam",
    )
]


def sentences(rng: random.Random, words: list[str]) -> str:
    """The words as sentences of 7 to 18, with a capital and a full stop each, and a comma in the longer ones."""
    out: list[str] = []
    while words:
        size = 7 + int(rng.random() * 12)
        part, words = words[:size], words[size:]
        part[0] = part[0].capitalize()
        if len(part) > 12:
            part[5] += ","
        out.append(" ".join(part) + ".")
    return " ".join(out)


def document_words(rng: random.Random) -> int:
    """How many words the next document has: log-normal in tokens, cut, and turned into words."""
    tokens = min(rng.lognormvariate(math.log(MEDIAN_TOKENS), SIGMA), MAX_TOKENS)
    return max(MIN_WORDS, int(tokens / TOKENS_PER_WORD))


def document(rng: random.Random, topic: list[str], query: list[str], rank: int) -> str:
    """A document for one place in the list: near the top it shares the topic and more of the query's words."""
    if rng.random() > 1 / (1 + rank / 10):
        topic = rng.choice(TOPICS)
    num_words = document_words(rng)
    words = [rng.choice(topic if rng.random() < 0.4 else COMMON) for _ in range(num_words)]
    for word in query[: max(0, len(query) - rank // 2)]:
        words[int(rng.random() * num_words)] = word
    return sentences(rng, words)


def generate(records: int, candidates: int, seed: int) -> Iterator[dict[str, object]]:
    """Yield records with ids q000001, q000002, …, each with its candidates in falling order of a made-up score."""
    rng = random.Random(seed)
    for number in range(1, records + 1):
        topic = rng.choice(TOPICS)
        query = [rng.choice(topic if rng.random() < 0.6 else COMMON) for _ in range(4 + int(rng.random() * 9))]
        top = 15 + 15 * rng.random()
        yield {
            "id": f"q{number:06}",
            "query": " ".join(query),
            "candidates": [
                {
                    "id": f"q{number:06}-d{rank + 1:02}",
                    "text": document(rng, topic, query, rank),
                    "score": round(top / (1 + rank) ** 0.35, 4),
                }
                for rank in range(candidates)
            ],
        }


def main() -> None:
    """Stream the records to stdout."""
    parser = argparse.ArgumentParser(description="Write synthetic records, one JSON object a line, to stdout.")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=20, help="candidates in each record")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    records = generate(args.records, args.candidates, args.seed)
    sys.stdout.buffer.writelines(json.dumps(record).encode() + b"\n" for record in records)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the reader has seen enough; keep the interpreter from flushing once more and complaining
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
