# Needs Python 3.11 or newer (with venv) and make; the rest goes into .venv. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install demo bench test test-slow lint check docs format clean

help:
	@echo 'make install    the environment $(VENV), from requirements.txt (PYTHON=python3.12 chooses the Python)'
	@echo 'make demo       the whole road on a small corpus: ends with macro-F1 and a submission'
	@echo 'make bench      what the store is worth, as ratios: full-size encoders with random weights, some 20 minutes'
	@echo 'make test       the fast tests'
	@echo 'make test-slow  the tests that take minutes'
	@echo 'make lint       ruff, format, mypy'
	@echo 'make check      lint, then the fast tests'
	@echo 'make docs       write docs/choices.md anew, from the code'
	@echo 'make format     put the code into its format'
	@echo 'make clean      remove the environment and caches; runs/ and submissions/ stay'

install: $(VENV)/installed

demo: install
	$(VENV)/bin/emospeech demo

bench: install
	$(VENV)/bin/python benchmarks/bench.py

test: $(VENV)/installed-dev
	$(PYTEST) -n 2 --dist worksteal # each file at one worker, so that what its tests share is made once

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m slow || [ $$? = 5 ] # 5: there are none

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

check:
	$(MAKE) lint
	$(MAKE) test

docs: $(VENV)/installed
	$(VENV)/bin/python docs/choices.py

format: $(VENV)/installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Written last, so that an installation that was cut short is done again.
$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'emospeech needs Python 3.11 or newer as $(PYTHON); name another: make install PYTHON=python3.12' >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	    echo '$(PYTHON) cannot make environments; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install -e '.[dev]'
	@touch $@
