"""What the providers' own libraries send and read, against the stub: the goldens of test_reranking_apis.

    python -m venv sdks && sdks/bin/pip install cohere==7.3.1 voyageai==0.5.0 mixedbread==0.54.0 together==3.1.1
    PYTHONPATH=.:tests sdks/bin/python tests/measure/sdk_oracles.py tests/oracle/sdk_requests.json

The libraries take 187 MB, so they are no part of the tests' environment.
"""

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.stub_api import Stub, score_of, serving

from rerank_cli.core.dialects import PROFILES

QUERY = "What is the capital of France? é 日本"
DOCUMENTS = ["Paris is the capital of France.", "", 'Berlin: "die Hauptstadt"\n\u2028 Deutschlands', "Paris"]
KEY, MODEL = "a-planted-key", "some-model"
KEPT = ("authorization", "content-type", "accept")


def cohere(base: str) -> list[tuple[int, float]]:
    import cohere

    client = cohere.ClientV2(api_key=KEY, base_url=base)
    answer = client.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert answer.meta.billed_units.search_units == 1
    return [(each.index, each.relevance_score) for each in answer.results]


def voyage(base: str) -> list[tuple[int, float]]:
    import voyageai

    client = voyageai.Client(api_key=KEY, base_url=f"{base}/v1")
    answer = client.rerank(QUERY, DOCUMENTS, model=MODEL)
    assert answer.total_tokens == 7
    return [(each.index, each.relevance_score) for each in answer.results]


def mixedbread(base: str) -> list[tuple[int, float]]:
    import mixedbread

    client = mixedbread.Mixedbread(api_key=KEY, base_url=base)
    answer = client.rerank(model=MODEL, query=QUERY, input=DOCUMENTS)
    assert answer.usage.total_tokens == 7
    return [(each.index, each.score) for each in answer.data]


def together(base: str) -> list[tuple[int, float]]:
    import together

    client = together.Together(api_key=KEY, base_url=base)
    answer = client.rerank.create(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert answer.usage.total_tokens == 7
    return [(each.index, each.relevance_score) for each in answer.results]


LIBRARIES: dict[str, tuple[str, Callable[[str], list[tuple[int, float]]]]] = {
    "cohere": ("cohere", cohere),
    "voyage": ("voyageai", voyage),
    "mixedbread": ("mixedbread", mixedbread),
    "together": ("together", together),
}


def main() -> None:
    """Record what each library sends; fail where it reads other scores than the stub gave."""
    recorded: dict[str, Any] = {"query": QUERY, "documents": DOCUMENTS, "key": KEY, "model": MODEL, "requests": {}}
    for name, (package, rerank) in LIBRARIES.items():
        with serving(Stub(PROFILES[name], key=KEY)) as stub:
            read = rerank(stub.base)
            assert sorted(read) == [(index, score_of(QUERY, text)) for index, text in enumerate(DOCUMENTS)], name
            (asked,) = stub.asked
            recorded["requests"][name] = {
                "library": f"{package} {importlib.metadata.version(package)}",
                "path": asked.path,
                "headers": {header: asked.headers[header] for header in KEPT if header in asked.headers},
                "body": asked.body,
            }
            print(name, recorded["requests"][name])
    Path(sys.argv[1]).write_text(json.dumps(recorded, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
