"""Names of formats that people and other tools use, and what to type for them."""

from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to
from rerank_cli.formats.known import FORMATS

OURS = {
    "cohere": "rerank-api",
    "jina": "rerank-api",
    "vllm": "rerank-api",
    "infinity": "rerank-api",
    "openai": "openai-batch",
    "voyageai": "voyage",
    "mxbai": "mixedbread",
    "huggingface": "tei",
    "text-embeddings-inference": "tei",
    "nim": "nvidia",
    "sbert": "sentence-transformers",
    "bge": "flag-embedding",
    "anserini": "trec",
    "pyserini": "trec",
    "run": "trec",
    "top1000": "ms-marco-top1000",
}
FIELDS = {  # native records with other fields
    "elasticsearch": "--candidates-field hits.hits --text-field _source.text --candidate-id-field _id",
    "opensearch": "--candidates-field hits.hits --text-field _source.text --candidate-id-field _id",
    "dpr": "--query-field question --candidates-field ctxs --candidate-id-field passage_id",
    "rankgpt": "--candidates-field hits --text-field content --candidate-id-field docid --id-field hits.0.qid",
}
LINES = ("json", "jsonl", "ndjson", "jsonlines", "json-lines")
ARRAY = "A JSON array becomes JSON lines with jq -c '.[]' FILE."


def unknown_format(option: str, typed: str) -> ConfigError:
    """The error for a name that is no format, as the value of `option`: --format or --output-format."""
    return ConfigError(f"{option} {typed}: unknown format", _advice(option, typed.lower().replace("_", "-")))


def _advice(option: str, name: str) -> str:
    reads = option == "--format"
    plain = name.replace("-", "")
    if name in LINES:
        return f"JSON lines are read without {option}. {ARRAY}" if reads else f"Type {option} native."
    if name == "parquet":
        return f"Parquet files are read without {option}." if reads else "Name the output FILE.parquet."
    if plain in FIELDS:
        return f"Type {FIELDS[plain]}." if reads else f"Type {option} native."
    if name in OURS:
        return f"Type {option} {OURS[name]}."
    close = close_to(name, FORMATS)
    guess = f"The closest is {' or '.join(close)}. " if close else ""
    return f"{guess}Formats: {', '.join(sorted(FORMATS))}."
