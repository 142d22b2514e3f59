# `make` shows what there is. Needs only python3 (3.11 or newer) and make.
PYTHON ?= python3
VENV ?= .venv
# For a CPU build of torch where the default index has only CUDA ones:
#   make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALLED := $(VENV)/.installed
GENERATED := rerank_cli/README.md rerank_cli/docs/cli.md  # have parts that cog writes
QUICK := $(addprefix tests/unit/,core files formats reranking) tests/house --ignore=tests/house/test_wheel.py

.DEFAULT_GOAL := help
.PHONY: help setup demo check quick test slow faults mutants determinism strace bench gpu-bench drift mini dist format readme clean

help: ## show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make the environment in .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) 'pip>=25.1' # the first that reads dependency groups
	$(BIN)/pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[all]' --group dev
	@touch $@ $(INSTALLED)

$(INSTALLED): # the command alone, without extras
	@echo "Installing rerank and torch into $(VENV), 1.2 GB or more …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

demo: $(INSTALLED) ## rerank 20 questions in three languages with the embedded model, and show what it did
	$(BIN)/rerank score sample_data/demo/questions.jsonl -o demo.jsonl --model mini --overwrite
	@$(BIN)/python sample_data/demo/report.py demo.jsonl

check: $(READY) ## style, types, layers, and the generated parts of pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog --check $(GENERATED)

quick: $(READY) ## the tests of what all else stands on: values, files, formats, reranking, the house's rules
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n 2 --dist worksteal -m "not slow" $(QUICK)

test: $(READY) ## the tests, but for the slow ones; faults by sample
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n 2 --dist worksteal -m "not slow"

slow: $(READY) ## the tests that take long: engines, exports, training, what test leaves out
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n 2 -m slow tests

faults: $(READY) strace ## every fault point: a table, and one JSON line last
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n 2 --exhaustive tests/faults tests/properties

mutants: $(READY) strace ## break the journal, the planner, the ranking and the engines in 150 ways: each must fail a named test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/measure/mutants.py

determinism: $(READY) ## how far a logit moves when its batch is composed otherwise
	$(BIN)/python tests/measure/determinism.py

strace: # the sweeps that need it are skipped where it is missing
	@command -v strace >/dev/null || echo "strace is not here: sweeps that need it are skipped. Install it with: apt-get install strace"

gpu-bench: ## on a CUDA machine, with the torch it has: speed, drift and the checks of tests/gpu
	$(PYTHON) tests/measure/gpu.py

drift: $(READY) ## what narrower numbers cost: logits and nDCG@10 on the shared collections; half an hour
	$(BIN)/python tests/measure/drift.py

mini: $(READY) ## make the embedded model anew, from the shared base and pool: hours
	$(BIN)/python tests/recipes/mini/make.py

bench: $(READY) ## throughput beside every installed peer on this machine, interleaved; half an hour
	$(BIN)/python tests/measure/speed.py

dist: $(READY) ## build the sdist and the wheel, and try both in fresh environments without extras
	rm -rf dist
	$(BIN)/python -m build --quiet --outdir dist
	$(BIN)/python tests/recipes/dist/try_install.py --pip-args="$(PIP_ARGS) -c constraints.txt" dist/*

format: $(READY) ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: $(READY) ## write the generated parts of pages again: the map, the command reference
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog -r $(GENERATED)

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info demo.jsonl*
