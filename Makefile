# Every target sets up what it needs in .venv; `make setup` alone does only that.
PYTHON ?= python3
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-kill test-cluster test-cluster-full check
setup: .venv/.ready

.venv/.ready: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ecg-tune needs Python 3.11 or newer; say which with: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade pip
	.venv/bin/pip install --quiet -r requirements.txt -r requirements-dev.txt
	.venv/bin/pip install --quiet --no-deps -e .
	@touch $@

demo: setup
	.venv/bin/ecg-tune demo

test: setup
	.venv/bin/pytest -n 2 --dist loadfile -m "not hosts"

# `make test` has one case of each kind of fault, this 20
test-kill: setup
	FAULTS=$${FAULTS:-20} .venv/bin/pytest tests/faults

# three hosts as network namespaces, each with an sshd: takes root and Debian's openssh-server, rsync, iproute2; says why where it can't
test-cluster: setup
	.venv/bin/pytest tests/cluster -m hosts -rs

test-cluster-full: setup
	CLUSTER=full .venv/bin/pytest tests/cluster -m hosts -rs

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
