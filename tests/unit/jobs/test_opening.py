"""What a run says at its beginning."""

import gzip

import pytest
from support.making import jsonl, native_format

from rerank_cli.core.config import ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.engines.choice import expected_engine, open_scorer
from rerank_cli.engines.machine import has_no_gpu
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import open_format
from rerank_cli.jobs.opening import COUNTED_BYTES, engine_of, opening_sentence, records_of, sizes_of

CONTENT = jsonl({"query": "q", "candidates": ["a"]}, b"", {"query": "r", "candidates": ["b"]})


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(CONTENT)
    return path


def sentence(*paths, engine=("openvino", "fp32"), limit=None, model="mini"):
    read = ReadConfig(inputs=tuple(map(str, paths)), limit=limit)
    inputs = Inputs(read.inputs)
    records = records_of(inputs, native_format(read), limit)
    return opening_sentence(RunConfig(read=read, model=ModelConfig(model=model)), inputs, records, engine)


def test_the_input_its_size_and_the_engine_are_named(source):
    size = len(CONTENT)
    assert sentence(source) == f"scoring {source} (2 records, {size} bytes) with mini, openvino fp32"
    assert sentence(source, engine=None) == f"scoring {source} (2 records, {size} bytes) with mini"
    assert sentence(source, source) == f"scoring 2 files (4 records, {2 * size} bytes) with mini, openvino fp32"


def test_a_limit_is_the_number_of_records_unless_there_are_fewer(source):
    assert "(1 record, " in sentence(source, limit=1)
    assert "(2 records, " in sentence(source, limit=9)


def test_records_of_compressed_input_are_counted_where_it_is_small_and_whole(tmp_path):
    path = tmp_path / "in.gz"
    whole = gzip.compress(CONTENT)
    path.write_bytes(whole)
    assert sentence(path) == f"scoring {path} (2 records, {len(whole)} bytes) with mini, openvino fp32"
    path.write_bytes(whole[:-9])
    assert sentence(path) == f"scoring {path} ({len(whole) - 9} bytes) with mini, openvino fp32"
    large = whole + gzip.compress(bytes(COUNTED_BYTES), 1)
    path.write_bytes(large)
    assert sentence(path) == f"scoring {path} ({len(large) / 1000:.1f} kB) with mini, openvino fp32"
    assert f"(at most 5 records, {len(large) / 1000:.1f} kB)" in sentence(path, limit=5)


def test_progress_is_a_share_of_bytes_or_of_records(tmp_path, source):
    inputs = Inputs((str(source),))
    assert sizes_of(inputs, records_of(inputs, native_format(), None), None) == (len(CONTENT), None)
    assert sizes_of(inputs, records_of(inputs, native_format(), 1), 1) == (len(CONTENT), 1)
    assert sizes_of(inputs, None, 7) == (len(CONTENT), 7)
    (tmp_path / "in.gz").write_bytes(gzip.compress(CONTENT))
    inputs = Inputs((str(tmp_path / "in.gz"),))
    assert sizes_of(inputs, records_of(inputs, native_format(), None), None) == (None, 2)


def test_records_of_large_input_are_not_counted(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(COUNTED_BYTES + 1)
    assert sentence(path) == f"scoring {path} (67.1 MB) with mini, openvino fp32"


def test_records_of_several_lines_are_not_counted(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("query,text\nq,a\nq,b\n")
    inputs = Inputs((str(path),))
    format = open_format(ReadConfig(inputs=(str(path),), format="csv"), RunConfig().write, inputs)
    assert records_of(inputs, format, None) is None


def test_the_fake_engine_is_named_once(source):
    assert sentence(source, model="fake:slow=1", engine=("fake", "fp32")).endswith("with fake:slow=1, fp32")
    assert sentence(source, model="org/model", engine=("fake", "fp32")).endswith("with fake, fp32")


# the engine, before a library is loaded


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(model="fake:slow=0"),
        ModelConfig(model="mini", device="cpu", engine="torch"),
        pytest.param(ModelConfig(model="mini", device="cpu"), marks=pytest.mark.slow),
        pytest.param(ModelConfig(model="mini", device="cpu", dtype="fp16"), marks=pytest.mark.slow),
        pytest.param(ModelConfig(model="mini", device="cpu", dtype="int8"), marks=pytest.mark.slow),
    ],
)
def test_the_expected_engine_is_the_one_that_is_opened(config):
    assert expected_engine(config) == engine_of(open_scorer(config).identity)


def test_what_only_a_library_or_the_hub_can_tell_is_not_guessed():
    assert expected_engine(ModelConfig(model="org/model")) is None
    assert expected_engine(ModelConfig(model="mini", device="cuda")) is None
    assert expected_engine(ModelConfig(model="org/model", engine="torch", device="cpu")) == ("torch", "fp32")
    assert expected_engine(ModelConfig(model="org/model", engine="torch", device="cuda")) is None
    assert expected_engine(ModelConfig(model="org/model", engine="torch", dtype="bf16")) == ("torch", "bf16")


def test_what_opening_would_refuse_is_refused():
    with pytest.raises(ConfigError, match="--engine"):
        expected_engine(ModelConfig(engine="nope"))
    with pytest.raises(ModelError, match=r"\./absent"):
        expected_engine(ModelConfig(model="./absent", device="cpu"))


def test_a_gpu_is_seen_by_its_device(tmp_path):
    assert has_no_gpu(tmp_path, "linux")
    assert not has_no_gpu(tmp_path, "darwin")
    (tmp_path / "nvidia0").touch()
    assert not has_no_gpu(tmp_path, "linux")
