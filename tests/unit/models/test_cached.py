"""What the hub's cache holds is found without the hub's library, and nothing outside the cache is."""

from pathlib import Path

import pytest

from rerank_cli.models.cached import cached_models, cached_snapshot

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    """A cache with a model of two revisions; the environment that names it."""
    repository = tmp_path / "hub/models--org--model"
    for name, commit in (("main", COMMIT), ("v1", OTHER), ("pr/7", COMMIT), ("torn", "abc"), ("gone", "c" * 40)):
        ref = repository / "refs" / name
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    for commit in (COMMIT, OTHER):
        (repository / "snapshots" / commit).mkdir(parents=True)
        (repository / "snapshots" / commit / "config.json").write_text("{}")
    (tmp_path / "secret").write_text(COMMIT)
    return {"HF_HUB_CACHE": str(tmp_path / "hub")}


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        (None, COMMIT),
        ("main", COMMIT),
        ("v1", OTHER),
        ("pr/7", COMMIT),
        (OTHER, OTHER),
        ("none", None),
        ("c" * 40, None),
        ("torn", None),
        ("gone", None),
        ("../../../secret", None),
        ("/etc/passwd", None),
        ("", None),
        ("a\0b", None),
    ],
)
def test_a_revision_is_a_name_of_a_commit_or_a_commit(
    cache: dict[str, str], tmp_path: Path, revision: str | None, commit: str | None
) -> None:
    expected = None if commit is None else tmp_path / "hub/models--org--model/snapshots" / commit
    assert cached_snapshot("org/model", revision, cache) == expected


def test_a_model_that_is_not_there_is_none(cache: dict[str, str]) -> None:
    assert cached_snapshot("org/other", None, cache) is None
    assert cached_snapshot("org/model", None, {"HF_HUB_CACHE": "/nowhere"}) is None


def test_the_models_of_the_cache_are_listed(cache: dict[str, str]) -> None:
    assert cached_models(cache) == ["org/model"]


def test_the_library_of_the_hub_finds_the_same(cache: dict[str, str]) -> None:
    from huggingface_hub import snapshot_download

    for revision in (None, "v1", OTHER):
        theirs = snapshot_download(
            "org/model", revision=revision, cache_dir=cache["HF_HUB_CACHE"], local_files_only=True
        )
        assert cached_snapshot("org/model", revision, cache) == Path(theirs)
