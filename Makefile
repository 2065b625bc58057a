# make setup   the virtual environment with everything, and the data set where apt may
# make demo    the whole loop on Fashion-MNIST
# make test    the tests
PYTHON ?= python3
BIN := .venv/bin
DATA_SET := dataset-fashion-mnist

.PHONY: setup demo test check

setup: .venv/.ready
	@tools/debian-packages $(DATA_SET)

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[weights,postgresql,peers,dev]"
	touch $@

demo: setup
	$(BIN)/al-fashion demo

test: setup
	@tools/debian-packages chromium postgresql
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
