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

.PHONY: setup demo test lint types example sheets docs bench-align bench-lips bench-speed bench-dit bench-dit-lips bench-batch bench-gate faults fuzz fuzz-media dit-small lip-prior clean

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
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	@$(VENV)/bin/python -m ruff check .

types: $(READY)
	@$(VENV)/bin/python -m mypy

# the example's clip and voices anew, into build/example
example: $(READY)
	@$(VENV)/bin/python examples/make_example.py -o build/example

# a contact sheet of every kind of edit on the example, into docs/sheets
sheets: $(READY)
	@$(VENV)/bin/python examples/sheets.py docs/sheets

# every generated page and picture of docs: the commands' page, the tutorial's terminals, the sheets
docs: $(READY) sheets
	@$(VENV)/bin/python -m tests.docs --write
	@$(VENV)/bin/python examples/pictures.py docs/pictures
	@$(VENV)/bin/python -m tests.review_screenshot docs/review.jpg

# word boundaries of `transcribe --script` against true ones: make bench-align DATA=folder
bench-align: $(READY)
	@test -n "$(DATA)" || { echo "make bench-align DATA=folder with clips and their word times" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.align $(DATA)

# self-reenactment: lips of withheld windows against the truth and the baselines: make bench-lips DATA=folder
bench-lips: $(READY)
	@test -n "$(DATA)" || { echo "make bench-lips DATA=folder with clips (JSON=file: the figures)" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.lips $(DATA) $(if $(JSON),--json $(JSON))

# frames per second of tracking, lips, joins and a whole edit: make bench-speed DATA=clip
bench-speed: $(READY)
	@test -n "$(DATA)" || { echo "make bench-speed DATA=a clip with one face" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.speed $(DATA) $(if $(JSON),--json $(JSON))

# what the DiT backend costs at real sizes: counted on any machine, timed on one with a GPU
bench-dit: $(READY)
	@$(VENV)/bin/python -m tests.bench.dit $(if $(JSON),--json $(JSON))

# whether sound reaches the pixels: withheld mouths inpainted with right, wrong and no sound
bench-dit-lips: $(READY)
	@test -n "$(DATA)" -a -n "$(WEIGHTS)" || { echo "make bench-dit-lips DATA=folder WEIGHTS=folder" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.dit_lips $(DATA) --weights $(WEIGHTS) $(if $(JSON),--json $(JSON))

# throughput of two workers beside one, memory of a long list: make bench-batch DATA=clip TRANSCRIPT=json
bench-batch: $(READY)
	@test -n "$(DATA)" -a -n "$(TRANSCRIPT)" || { echo "make bench-batch DATA=clip TRANSCRIPT=json" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.batch $(DATA) $(TRANSCRIPT)

# false alarms and misses of --fail-on: make bench-gate DATA=folder of GRID clips with their .align
bench-gate: $(READY)
	@test -n "$(DATA)" || { echo "make bench-gate DATA=folder with clips and their .align" >&2; exit 2; }
	@$(VENV)/bin/python -m tests.bench.gate $(DATA) $(if $(JSON),--json $(JSON))

# 200 disturbed runs: killed, disk full, inputs changed, cache damaged, several on one output
faults: $(READY)
	@$(VENV)/bin/python -m tests.faults --runs 200 --workers 3

# coverage-guided fuzzing of what reads texts of others: make fuzz SECONDS=60 TARGETS="plan diff"
fuzz: $(READY)
	@$(VENV)/bin/python -m tests.fuzz $(TARGETS) --seconds $(or $(SECONDS),60)

# randomly damaged media through the commands
fuzz-media: $(READY)
	@$(VENV)/bin/python tests/fuzz_media.py 500

# a small model of the DiT kind from nothing, from a folder of clips of one speaker: make dit-small DATA=folder
dit-small: $(READY)
	@test -n "$(DATA)" || { echo "make dit-small DATA=folder with clips of one speaker" >&2; exit 2; }
	@$(VENV)/bin/python -m editalk.backends.dit.train $(DATA) -o build/dit-small

# the speaker-independent lip prior anew, from a folder of clips with their words: make lip-prior DATA=folder
lip-prior: $(READY)
	@test -n "$(DATA)" || { echo "make lip-prior DATA=folder with clips and their words" >&2; exit 2; }
	@$(VENV)/bin/python -m editalk.backends.exemplar.train $(DATA) -o build/prior.safetensors

clean:
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
