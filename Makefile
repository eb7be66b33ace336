# Every target installs what it needs in .venv, once. `make help` lists them.
PYTHON ?= python3
export OMP_NUM_THREADS ?= 1
# compiled modules are kept: the tests start a hundred Pythons, each would compile all of ecg_tune again
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet

.PHONY: help setup demo check test-fast test test-long test-kill reliability soak test-cluster test-cluster-full docs
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
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not (slow or ray or browser or hosts or combinations)"

test: .venv/.ready-dev ## Run all tests but the long searches and those on several hosts (about 15 minutes on two cores)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not (hosts or kill or jobs or combinations)"

test-long: .venv/.ready-dev ## Run what `make test` leaves out: searches killed once a kind or sent as jobs, every combination (ten minutes)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "kill or jobs or combinations"

test-kill: .venv/.ready-dev ## Kill a driver, a worker, a node of a search, 20 times each (FAULTS=20; hours)
	FAULTS=$${FAULTS:-20} $(BIN)/pytest tests/faults

reliability: .venv/.ready-dev ## Run the fault tests, and write what came out into docs/reliability.md (FAULTS=20: each kill so often)
	RELIABILITY=docs/results/faults.json $(BIN)/pytest tests/faults
	$(BIN)/python -m tests.faults.reliability

soak: .venv/.ready-dev ## Run small searches with faults for an hour, and write what came out into docs/reliability.md (MINUTES=60)
	if [ "$$(id -u)" = 0 ]; then export UNSHARED=1; run="unshare -m"; fi; $$run $(BIN)/python -m tests.faults.soak --minutes $${MINUTES:-60}
	$(BIN)/python -m tests.faults.reliability

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
	PYTHONWARNINGS=ignore $(PIP) --no-deps -e .  # setuptools warns of each folder of files that are no code
	@touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.txt
	$(PIP) -r requirements.txt -r requirements-dev.txt
	@touch $@

.venv/.ready-docs: .venv/.ready requirements-docs.txt
	$(PIP) -r requirements.txt -r requirements-docs.txt
	@touch $@
