"""Files in the hub cache, by the ways its library links them."""

import hashlib

import pytest

from rerank_cli.core.errors import ModelError
from rerank_cli.models.hub import refuse_other_bytes

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def snapshot(folder, content, *, store=None):
    """A file of a snapshot, which links to a blob named by its SHA-256; `store`: which links to a store by another."""
    repository = folder / "models--a--b"
    (repository / "blobs").mkdir(parents=True)
    (repository / "snapshots" / "main").mkdir(parents=True)
    blob, path = repository / "blobs" / SHA256, repository / "snapshots" / "main" / "model.safetensors"
    if store is None:
        blob.write_bytes(content)
    else:
        (folder / "blobs").mkdir()
        (folder / "blobs" / store).write_bytes(content)
        blob.symlink_to(folder / "blobs" / store)
    path.symlink_to(f"../../blobs/{SHA256}")
    return path


@pytest.mark.parametrize("store", [None, "f" * 64])
def test_a_whole_file_is_taken_however_it_is_linked(tmp_path, store):
    path = snapshot(tmp_path, CONTENT, store=store)
    refuse_other_bytes("a/b", path)
    assert path.read_bytes() == CONTENT


def test_a_damaged_file_is_refused_and_taken_out_of_the_cache(tmp_path):
    path = snapshot(tmp_path, b"Weights")
    with pytest.raises(ModelError, match=r"a/b: .*model\.safetensors: ") as fault:
        refuse_other_bytes("a/b", path)
    assert fault.value.advice.startswith("It was removed")
    assert not path.is_symlink()


def test_a_damaged_file_that_other_caches_share_is_refused_and_left(tmp_path):
    path = snapshot(tmp_path, b"Weights", store="f" * 64)
    with pytest.raises(ModelError) as fault:
        refuse_other_bytes("a/b", path)
    assert fault.value.advice.startswith("Remove it")
    assert path.read_bytes() == b"Weights"


def test_a_file_of_no_cache_is_nobodys_business(tmp_path):
    (tmp_path / ("0" * 64)).write_bytes(CONTENT)
    refuse_other_bytes("a/b", tmp_path / ("0" * 64))
