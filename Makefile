# make demo | make test: each sets up what it needs from nothing. No ffmpeg on the system and no root are required.

SHELL := /bin/bash
VENV ?= .venv
# the first Python that the dependencies have wheels for
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' >/dev/null 2>&1 && echo $$p && break; done)
# e.g. https://download.pytorch.org/whl/cpu where torch's CUDA libraries are not wanted
TORCH_INDEX ?=
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check -qq --retries 8 --timeout 60
READY := $(VENV)/.ready

.PHONY: setup demo test lint types example bench-align clean

setup: $(READY)

$(READY): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "editalk needs Python 3.11 or 3.12: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@echo "setting up $(VENV) with $(PYTHON) (some minutes the first time)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
	@$(PIP) install -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(VENV)/bin/python examples/demo.py build/demo

test: $(READY) lint types
	@$(VENV)/bin/python -m pytest

lint: $(READY)
	@$(VENV)/bin/python -m ruff check .

types: $(READY)
	@$(VENV)/bin/python -m mypy

# the example's clip and voices anew, into build/example
example: $(READY)
	@$(VENV)/bin/python examples/make_example.py -o build/example

# word boundaries of `transcribe --script` against true ones: make bench-align DATA=folder
bench-align: $(READY)
	@test -n "$(DATA)" || { echo "make bench-align DATA=folder with clips and their word times" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.align $(DATA)

clean:
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
