# The embedded Triton runs on Python 3.11 and 3.12: where python3 is another, look for one of these.
PYTHON ?= $(shell python3 -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
	2>/dev/null && echo python3 || command -v python3.12 || command -v python3.11 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# mypy ends where it cannot write its cache, as in a clone that is another user's.
MYPY_CACHE := $(shell [ -w . ] && echo .mypy_cache || echo /dev/null)
PACKAGES := servers loadtests analysis bundle commands study.py

.PHONY: help study gpu-study smoke test check format install bundle clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

study: $(INSTALLED)  ## Install, run the default experiment, write the report, print the recommendation
	$(BIN)/study run loadtests/experiments/default.toml

gpu-study: $(INSTALLED)  ## The same on a host with an NVIDIA GPU; e.g. OPTIONS="--time-budget 9m"
	$(BIN)/study run loadtests/experiments/gpu.toml $(OPTIONS)

smoke: $(INSTALLED)  ## Install and run every contender once, in about two minutes
	$(BIN)/study smoke

# Three processes for two cores: two mostly wait for servers and load, the third computes meanwhile.
test: check  ## Install, check and run the test suite
	$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(INSTALLED)  ## Format, lint, types
	$(BIN)/ruff format --check --no-cache .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy --cache-dir $(MYPY_CACHE) $(PACKAGES)

format: $(INSTALLED)  ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(INSTALLED)  ## Create the virtual environment with the pinned dependencies

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 11) else "expected Python 3.11 or newer, found %d.%d: set PYTHON, e.g. make study PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

bundle: $(INSTALLED)  ## Pack all that a machine without a network needs; e.g. OPTIONS="--have freeze.txt --part-mib 60"
	$(BIN)/study bundle $(OPTIONS)

clean:  ## Remove the virtual environment and cached artefacts (results stay)
	rm -rf $(VENV) .cache
