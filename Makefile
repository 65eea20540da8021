# The index of everything one can do here. `make` alone is lint and the fast tests.
# Needs Python >= 3.11 and make; `interop` and `bench` also Rust (cargo), unless OCKAM_PEER names a built reference peer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_WORKERS ?= 2
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 10
# The protocol cores; each line and branch of them counts.
COVERED := */ockam/encoding/*,*/ockam/core/*,*/ockam/identity/*,*/ockam/secure_channel/*,*/ockam/enrollment/*,*/ockam/portal/*
COVERAGE_THRESHOLD ?= 95

FAST := not interop and not slow and not demo and not services
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider

.DEFAULT_GOAL := check
.PHONY: check environment demo test test-slow test-services lint format types contracts coverage coverage-report fuzz interop peer bench docs wheel clean

check: lint test

# --- environment -----------------------------------------------------------------------------------------------------

environment: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("ockam needs Python 3.11 or newer; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# --- checks ----------------------------------------------------------------------------------------------------------

lint: environment format types contracts

format: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: environment
	$(BIN)/mypy

contracts: environment
	$(BIN)/lint-imports

# --- tests -----------------------------------------------------------------------------------------------------------

test: environment
	@$(PYTEST) -n $(TEST_WORKERS) -m '$(FAST)' $(PYTEST_ARGS)

# Exit status 5 is pytest's "no tests collected", which is no failure here.
test-slow: environment
	@$(PYTEST) -m '(slow or demo) and not interop' $(PYTEST_ARGS) || test $$? -eq 5

# PostgreSQL, the vaults on tokens and in clouds, and the libraries of others through streams: installs what they need, and SoftHSM
# where this is a Debian and we are root.
# PostgreSQL's binaries must be there already (Debian: postgresql), else its tests are skipped.
test-services: environment
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[postgres,pkcs11,aws,azure,services]'
	@tests/vault/install_softhsm.sh
	@$(PYTEST) -m services -rs $(PYTEST_ARGS)

coverage:
	@$(MAKE) --no-print-directory test PYTEST_ARGS='--cov --cov-report= $(PYTEST_ARGS)'
	@$(MAKE) --no-print-directory coverage-report

coverage-report: environment
	@$(BIN)/coverage report --include='$(COVERED)' --fail-under=$(COVERAGE_THRESHOLD)

fuzz: environment
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# --- the reference ---------------------------------------------------------------------------------------------------

peer:
	@tests/interop/build_peer.sh

interop: environment
	@peer=$$(tests/interop/build_peer.sh) && OCKAM_PEER="$$peer" $(PYTEST) -m interop $(PYTEST_ARGS)

bench: environment
	@peer=$$(tests/interop/build_peer.sh) && OCKAM_PEER="$$peer" $(BIN)/python bench/run.py

# --- programs and pages ----------------------------------------------------------------------------------------------

demo: environment
	@$(BIN)/python examples/demo.py

docs: environment
	@$(BIN)/python docs/generate.py

wheel: environment
	@$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
