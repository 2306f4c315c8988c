# Run `make help` for the list. Every target works from a fresh clone with Python 3.11 and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
# Byte code is kept: without it every start of the tools compiles every import anew.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH

.PHONY: help demo up test test-slow bench-monitor bench-pipeline bench-serving check lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.venv/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "make: $(PYTHON) is not there; install Python 3.11 or say make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src > /dev/null
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Programs that tests run: what this machine lacks is unpacked in .tools. Without a network their tests are skipped.
.tools/.fetched: tests/programs.py | .venv/.installed-dev
	@if $(BIN)/python $<; then mkdir -p .tools && touch $@; fi

demo: .venv/.installed ## a year of real flights through the whole loop, about 5 minutes
	$(BIN)/detent -C examples/flights simulate --fresh

up: .venv/.installed ## serve the demo's champion for real
	$(BIN)/detent -C examples/flights up

test: .venv/.installed-dev .tools/.fetched ## every test but the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: .venv/.installed-dev .tools/.fetched ## full enumerations, and tests against other tools in environments of their own
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

bench-serving: ## the gateway side by side with eight servers, more than an hour; writes docs/benchmarks.md
	$(PYTHON) bench/serving/run.py --cache .bench/serving --write docs/benchmarks.md

bench-monitor: .venv/.installed-dev ## monitoring side by side with Evidently, NannyML, river and whylogs, about 40 minutes; writes docs/benchmarks.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/python bench/monitor/run.py --cache .bench/monitor --write docs/benchmarks.md

bench-pipeline: ## pipelines side by side with six other tools, hours; writes docs/benchmarks.md
	$(PYTHON) bench/pipeline/run.py --cache .bench/pipeline --write docs/benchmarks.md

check: .venv/.installed-dev ## style, types and import contracts
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

lock: ## renew the lock files (needs uv)
	uv pip compile pyproject.toml --extra report --group build --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra report --group build --group dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and what runs left behind
	rm -rf .venv .tools examples/*/.detent examples/*/report
