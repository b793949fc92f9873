PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGES := servers loadtests analysis study.py

.PHONY: help study smoke test check format install clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

study: $(INSTALLED)  ## Install, run the default experiment, write the report, print the recommendation
	$(BIN)/study run loadtests/experiments/default.toml

smoke: $(INSTALLED)  ## Install and run every contender once, in about two minutes
	$(BIN)/study smoke

test: check  ## Install, check and run the test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(INSTALLED)  ## Format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES)

format: $(INSTALLED)  ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(INSTALLED)  ## Create the virtual environment with the pinned dependencies

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v in ((3, 11), (3, 12)) else "expected Python 3.11 or 3.12, found %d.%d: set PYTHON, e.g. make study PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:  ## Remove the virtual environment and cached artefacts (results stay)
	rm -rf $(VENV) .cache
