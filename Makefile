# Ten words. Each sets up what it needs: Python 3.11 and a package registry are enough.
PYTHON ?= python3.11
VENV := .venv
WHEELHOUSE ?= wheelhouse
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test chaos check bench docs phi-model entity-model section-model reader-model wheelhouse

demo: $(READY)
	$(BIN)/confide demo $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile $(TESTS)

# Trainings killed at 200 random points, a real federation in every phase and by 50 random schedules; the tests do less.
chaos: $(READY)
	CHAOS=200 CHAOS_FEDERATION=50 $(BIN)/python -m pytest tests/privacy/training/test_killed.py \
	  tests/federated/node/test_faults.py tests/federated/node/test_chaos.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m bench $(BENCH)

docs: $(READY)
	$(BIN)/python docs/make.py

# The tagger's weights, from public corpora: an hour or so on two cores.
phi-model: $(READY)
	$(BIN)/python -m privacy.tagger.recipe --corpora ../shared/data

# What a section is, from its text alone: a few minutes.
section-model: $(READY)
	$(BIN)/python -m clinical.sectioning.recipe --corpora ../shared/data

# The reader of records, from public corpora: half an hour on one core.
reader-model: $(READY)
	$(BIN)/python -m clinical.record.recipe --corpora ../shared/data

# The entity tagger's weights, from public corpora; stages that are done stand in build/entities.
entity-model: $(READY)
	$(BIN)/python -m clinical.entities.recipe --corpora ../shared/data --work build/entities

# Every wheel that a hospital without a registry needs; there: pip install --no-index --find-links wheelhouse confide
wheelhouse:
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check -c constraints.txt -w $(WHEELHOUSE) torch
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check -c constraints.txt -w $(WHEELHOUSE) -f $(WHEELHOUSE) .
	du -sh $(WHEELHOUSE)

# torch goes first and alone: with it in place no other package asks for a build of several GB.
$(READY): pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: name it with 'make PYTHON=/path/to/python3.11'"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
