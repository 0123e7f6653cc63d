# Broadsheet. `make demo` and `make test` set up what they need; nothing else has to be installed.
# PIP_ARGS adds pip arguments (e.g. another index), PAPERS=path loads your own files in the demo.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PIP_ARGS ?=
PAPERS ?=
DEMO_ARGS ?=
PYTEST_ARGS ?=
KERNELS := hatch_build.py $(wildcard src/broadsheet/index/compact/native/*.[ch])

.PHONY: demo test check format bench catalogue docs clean help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 - \2/p' Makefile

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "broadsheet: $(PYTHON) is not installed. Try: install Python 3.11 or newer, or make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "broadsheet: $(PYTHON) is older than 3.11. Try: make PYTHON=python3.11 ..."; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "broadsheet: this Python lacks the venv or pip module. Try: apt-get install python3-venv"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.light: pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	@echo "installing the light core into $(VENV) ..."
	@$(PIP) $(PIP_ARGS) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	@echo "installing the light core and the development tools into $(VENV) ..."
	@$(PIP) $(PIP_ARGS) --editable '.[dev,eval,train,mteb]'
	@touch $@ $(VENV)/.light

demo: $(VENV)/.light ## load the sample (or PAPERS=path), serve it on 127.0.0.1
	@$(BIN)/broadsheet demo $(if $(PAPERS),--papers $(PAPERS)) $(DEMO_ARGS)

test: check ## everything that must hold: lint, types, contracts, tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/.dev ## lint, format and types only
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the code in the house format
	@$(BIN)/ruff format src tests benchmarks
	@$(BIN)/ruff check --fix src tests benchmarks

bench: $(VENV)/.dev ## run every benchmark (hours); each writes results/bench/<name>.json
	@for program in benchmarks/[a-z]*.py; do echo "$$program"; $(BIN)/python $$program || exit 1; done

catalogue: $(VENV)/.dev ## write the pages that are made from cards, reports and help texts
	@$(BIN)/python -m broadsheet.core.catalogue --write
	@$(BIN)/python -m broadsheet.cli.reference > docs/reference/cli.md.new
	@mv docs/reference/cli.md.new docs/reference/cli.md

docs: $(VENV)/.dev ## build the documentation into site/
	@$(PIP) $(PIP_ARGS) --editable '.[docs]'
	@$(BIN)/mkdocs build --strict

clean: ## remove the environment and everything built
	@rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
