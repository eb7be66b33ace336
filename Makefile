# Every target installs what it needs in .venv, once. `make help` lists them.
PYTHON ?= python3
export OMP_NUM_THREADS ?= 1
# compiled modules are kept: the tests start a hundred Pythons, each would compile all of ecg_tune again
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet

.PHONY: help setup demo check test-fast test test-long test-kill test-cluster test-cluster-full docs
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/.ready ## Install ecg-tune and what it runs with in .venv

demo: setup ## Run the whole path on synthetic ECGs: search, dashboard, retraining, report (minutes)
	$(BIN)/ecg-tune demo

check: .venv/.ready-dev ## Lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-fast: .venv/.ready-dev ## Run the tests that start no Ray and no browser (under two minutes on two cores)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not (slow or ray or browser or hosts)"

test: .venv/.ready-dev ## Run all tests but the long searches and those on several hosts (about fifteen minutes on two cores)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not (hosts or kill or jobs)"

test-long: .venv/.ready-dev ## Run searches that are killed, once a kind, and those sent as jobs of Ray or SLURM (eight minutes on two cores)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "kill or jobs"

test-kill: .venv/.ready-dev ## Kill a driver, a worker, a node of a search, 20 times each (FAULTS=20; hours)
	FAULTS=$${FAULTS:-20} $(BIN)/pytest tests/faults

test-cluster: .venv/.ready-dev ## Run a cluster of three hosts made of network namespaces (root; openssh-server, rsync, iproute2; five minutes)
	$(BIN)/pytest tests/cluster -m hosts -rs

test-cluster-full: .venv/.ready-dev ## The same with hosts that lose their power and data in a bucket
	CLUSTER=full $(BIN)/pytest tests/cluster -m hosts -rs

docs: .venv/.ready-docs ## Build the documentation's site in site/, strictly
	$(BIN)/mkdocs build --strict

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ecg-tune needs Python 3.11 or newer; say which with: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -e .
	@touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.txt
	$(PIP) -r requirements.txt -r requirements-dev.txt
	@touch $@

.venv/.ready-docs: .venv/.ready requirements-docs.txt
	$(PIP) -r requirements.txt -r requirements-docs.txt
	@touch $@
