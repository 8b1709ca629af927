# The one entry point. `make help` prints the lines marked with ##.

# The first of these that is new enough; name another with make PYTHON=/path/to/python.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

PIN = .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --system-certs $(LOCK_ARGS)

# Compiled modules are kept, whatever the shell says, and not in the tree: the tests start some eighty processes.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/python

.DEFAULT_GOAL := help
.PHONY: help setup check test demo bench faults fmt lock clean

help: ## print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-7s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## create .venv from the lock file and install the project in it

$(VENV)/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "setting up $(VENV) (under a minute, the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: setup ## format, lint, types, layers, unit, contract and architecture tests (under 30 s)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q $(wildcard tests/unit tests/contract tests/architecture)

test: setup ## the whole suite: both databases, a real Kafka broker
	@$(BIN)/python -m tests.brokers
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal $(ARGS)

demo: setup ## the main job end to end through real processes; STAY=1 leaves it running
	@$(BIN)/gateway demo $(if $(STAY),--stay)

bench: setup ## the benchmarks; results in var/bench
	$(BIN)/python -m bench $(ARGS)

faults: setup ## the fault suite at full length
	@$(BIN)/python -m tests.brokers
	GATEWAY_TEST_LENGTH=full $(BIN)/python -m pytest tests/faults $(ARGS)

fmt: setup ## format, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## pin what pyproject.toml asks for, keeping pins that still fit; LOCK_ARGS=--upgrade moves them all
	@test -x .cache/lock/bin/uv || { $(PYTHON) -m venv .cache/lock && .cache/lock/bin/python -m pip install --quiet uv==$(UV_VERSION); }
	@$(PIN) --extra embedded --group dev --output-file requirements.lock pyproject.toml
	@$(PIN) --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml

clean: ## remove what the tools made; data in var/ stays (the next demo removes what earlier demos left there)
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
