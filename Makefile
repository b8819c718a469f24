# Every target works on a fresh machine with Python 3.10 or newer: .venv is made and filled first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest

.PHONY: test test-lowest coverage check torture torture-standalone soak bench facts recall demo docs

# Most tests wait for a server, or for one core; what each starts is its own.
PYTEST := pytest --numprocesses 4 --dist worksteal

SECONDS := 600
SEED :=

test: $(VENV)/installed  ## all tests, the ones against a real mongod included
	$(BIN)/$(PYTEST)

test-lowest: $(LOWEST)/installed  ## all tests, on the lowest versions of the run-time dependencies
	cat $(LOWEST)/lowest.txt
	$(LOWEST)/bin/$(PYTEST)

coverage: $(VENV)/installed  ## branch coverage of the package by all tests: the total, and the missing lines
	$(BIN)/$(PYTEST) --cov --cov-report=term-missing:skip-covered

check: $(VENV)/installed  ## lint, format and types, a minute of torture, then all tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python -m tests.torture --seconds 45
	$(BIN)/python -m tests.torture --seconds 25 --standalone
	$(BIN)/$(PYTEST)

torture: $(VENV)/installed  ## writers on three mongods, and faults: is anything lost, doubled, torn?
	$(BIN)/python -m tests.torture --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

torture-standalone: $(VENV)/installed  ## the same on one server without a replica set, killed and frozen
	$(BIN)/python -m tests.torture --standalone --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/installed  ## 2,000 sessions of 50 turns: do memory, connections or tasks grow? some six minutes
	SOAK_SESSIONS=2000 $(BIN)/pytest tests/package/test_soak.py

bench: $(VENV)/installed  ## what sessions cost, next to the SDK's own and the bare driver: some six minutes
	$(BIN)/python -m benchmarks --json benchmarks.json --picture docs/images/benchmarks.svg

facts: $(VENV)/installed  ## which facts a summary tells rightly, and what a prompt cache can use: some six minutes
	$(BIN)/python -m benchmarks.facts

recall: $(VENV)/installed  ## what a prompt has of what is asked for; LOCOMO=PATH: on LoCoMo
	$(BIN)/python -m benchmarks.recall $(if $(LOCOMO),--locomo $(LOCOMO))

demo: $(VENV)/installed  ## a long conversation, four ways: no key, no network, no server needed
	$(BIN)/python examples/demo/long_running_assistant.py --picture docs/images/tokens_per_turn.svg

docs: $(VENV)/installed-docs  ## the documentation, in site/: a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# The lowest versions of the run-time dependencies, and the newest of all else. pip cannot resolve to
# lowest versions; uv does, and writes them as constraints for pip.
$(LOWEST)/installed: pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip compile --quiet --no-header --no-annotate --no-deps \
		--resolution lowest-direct --python $(LOWEST)/bin/python pyproject.toml > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/lowest.txt --editable '.[dev]'
	touch $@
