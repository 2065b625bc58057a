# make setup   the virtual environment with everything, and the data set where apt may
# make demo    the whole loop on Fashion-MNIST
# make test    the tests
# make benchmark-quick   strategies side by side, in minutes; make benchmark: in hours, resumable
PYTHON ?= python3
BIN := .venv/bin
DATA_SET := dataset-fashion-mnist

.PHONY: setup demo test check benchmark-quick benchmark

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

# CLOTHING and CCP name folders with labels.csv; the experiments' other data sets need no files.
COMPARE := $(BIN)/al-fashion compare
EXPERIMENTS := benchmarks/experiments
DATA = --data fashion-mnist --data fashion-mnist-3 \
  $(if $(CLOTHING),--data clothing=$(CLOTHING)/labels.csv) $(if $(CCP),--data ccp=$(CCP)/labels.csv)
RESULTS := benchmarks/results

benchmark-quick: setup
	$(COMPARE) $(EXPERIMENTS)/quick.toml -o $(RESULTS)/quick

benchmark: setup
	@test -n "$(CLOTHING)" -a -n "$(CCP)" || echo "Without CLOTHING=DIR and CCP=DIR, folders with a labels.csv, those photos are left out." >&2
	@trap 'exit 130' INT; status=0; \
	$(COMPARE) $(EXPERIMENTS)/headline.toml $(DATA) -o $(RESULTS)/grid || status=$$?; \
	for batch in 10 50 200; do \
	  $(COMPARE) $(EXPERIMENTS)/headline.toml $(DATA) -o $(RESULTS)/batch-$$batch \
	    --strategies auto,usdm,margin,random --batch $$batch --initial 20 --budget 2000 || status=$$?; done; \
	$(COMPARE) $(EXPERIMENTS)/headline.toml $(DATA) -o $(RESULTS)/grid \
	  --strategies '*,modal:*,skactiveml:*' || status=$$?; \
	exit $$status
