"""How a dry run counts documents without remembering all of them."""

from rerank_cli.core.config import FileConfig, ModelConfig
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.jobs import documents
from rerank_cli.jobs.documents import Documents


def counted(count):
    """What is counted of so many documents, each met twice."""
    scorer = FakeScorer(ModelConfig(model="fake:vectors=1"))
    found = Documents.of(FileConfig(), scorer)
    for start in range(0, 2 * count, 50):
        texts = [("q", f"text {number % count}") for number in range(start, start + 50)]
        found.add(texts, scorer.prepare(texts))
    return found


def test_few_documents_are_counted_exactly(monkeypatch):
    monkeypatch.setattr(documents, "MOST_MET", 1000)
    found = counted(500)
    assert (found.count, found.pairs, found.as_dict()["pairs_per_document"]) == (500, 1000, 2.0)


def test_of_many_documents_a_part_is_remembered_and_the_rest_inferred(monkeypatch):
    monkeypatch.setattr(documents, "MOST_MET", 1000)
    found = counted(20_000)
    assert len(found._met) <= 1000
    assert 0.85 * 20_000 < found.count < 1.15 * 20_000  # four times the deviation that 600 remembered ones have
    assert found.size == found.count * (2 + documents.BYTES_EACH)
