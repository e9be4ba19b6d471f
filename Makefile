# `make` alone lists every target. A target's help is the text behind its ##.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rokcsi
UV := $(CACHE)/uv/bin/uv
LOCK := $(UV) pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
TESTS := tests
PYTEST := $(BIN)/pytest --durations=5
# The guest's shell expands it, not make.
override CMD := $(value CMD)
export CMD

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv from requirements.lock, install missing system packages (root), quick when nothing changed
	@tools/setup

demo: setup ## play the whole story on real data: notebook, checkpoint, run, failure, restore, resume (root)
	@$(BIN)/python -m demo

demo-clean: setup ## remove everything that make demo made
	@$(BIN)/python -m demo clean

test: setup ## every check and every suite, csi-sanity too; 11 minutes (root)
	@tools/prerequisites
	@tools/timed format-check lint types floors test-unit test-contract test-docs test-system test-e2e sanity

check: setup ## format, lint, types, floors, unit, contract, docs; two to three minutes, no root
	@tools/timed format-check lint types floors test-unit test-contract test-docs

lint: ## ruff's rules
	$(BIN)/ruff check .

format-check: ## tell whether the formatter would change anything
	$(BIN)/ruff format --check .

types: ## mypy, strict, tests too
	$(BIN)/mypy rokcsi demo tests

floors: ## imports go downwards only
	$(BIN)/lint-imports

test-unit: ## the tests without root
	$(PYTEST) --numprocesses auto $(TESTS)/unit -m "not lab" --ignore $(TESTS)/unit/test_docs.py --ignore $(TESTS)/unit/test_shown_commands.py

test-contract: ## the promises of a pool, kept by the in-memory pool
	$(PYTEST) $(TESTS)/contract -m "not system and not lab"

test-docs: ## every command in the documentation exists
	$(PYTEST) $(TESTS)/unit/test_docs.py $(TESTS)/unit/test_shown_commands.py

test-system: ## the tests that use loop devices and mounts, the contract on real pools too (root)
	@tools/prerequisites
	$(PYTEST) $(TESTS)/contract -m system
	$(PYTEST) $(TESTS)/system -m "not lab"

test-e2e: ## the demo's story and the command lines, end to end (root)
	@tools/prerequisites
	$(PYTEST) $(TESTS)/e2e -m "not lab"

sanity: setup ## csi-sanity 5.5 in mount and in block mode (root)
	@tools/prerequisites
	$(BIN)/python sanity/run.py

lab: setup ## build the guest of the lab, device-mapper and ZFS in User-Mode Linux; about 10 minutes, once (root)
	@tests/lab/build-guest

lab-guest: setup ## run CMD='…' in a guest beside a driver that serves a fresh POOL=lvm|lvm-direct|zfs|loopfile (root)
	@tests/lab/prerequisites
	@$(BIN)/python -m tests.lab.run_guest --pool $(or $(POOL),loopfile) "$$CMD"

test-lab: setup ## the suites of all kinds of pools, or of POOL=…, in guests side by side (root)
	@tests/lab/prerequisites
	@$(BIN)/python -m tests.lab.run_suites $(POOL)

test-lab-full: setup ## the same with the long ones: the slow part of the contract, loop files on another kernel, … (root)
	@tests/lab/prerequisites
	@$(BIN)/python -m tests.lab.run_suites --full $(POOL)

test-power-cuts: setup ## the power goes at fifty moments under each kind of pool, or under POOL=…; for the night (root)
	@tests/lab/prerequisites
	@$(BIN)/python -m tests.lab.run_suites --only 50-power-cuts $(POOL)

bench: setup ## measure against bare system calls in the same run, print a table, write JSON (root)
	@tools/prerequisites
	$(BIN)/python bench/run.py

lab-bench: setup ## measure a fresh POOL=lvm|… beside its technology's own commands, in a guest of its own (root)
	@tests/lab/prerequisites
	@$(BIN)/python -m tests.lab.run_guest --limit 3600 \
	  'pool=$$(tests/lab/guest/make-pool $(POOL)) && python bench/$(subst -,_,$(POOL)).py "$${pool#*:}" $(ARGS)'

bench-kubernetes: setup ## time from a snapshot to a running pod in the lab's cluster, BESIDE='NAME=CLASS,SNAPSHOT-CLASS …' (root)
	@tests/lab/kubernetes/lab run $(BIN)/python bench/pod_start.py $(BESIDE) $(ARGS)

lab-kubernetes: setup ## a cluster of two nodes on this machine with rokcsi installed from the chart; says how to use it (root)
	@tests/lab/kubernetes/lab up

test-kubernetes: setup ## our tests and Kubernetes' own storage suite, its fast specs, in a cluster on this machine (root)
	@tests/lab/kubernetes/run build/kubernetes

test-kubernetes-full: setup ## the same with the slow, serial and disruptive specs (root)
	@tests/lab/kubernetes/run build/kubernetes --full

lab-kubernetes-down: ## take that cluster down, and leave nothing of it (root)
	@tests/lab/kubernetes/lab down

format: setup ## let the formatter and the linter's safe fixes change the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: setup ## make the gRPC code from the .proto files
	$(BIN)/python protos/generate.py

lock: setup ## write requirements.lock, and the image's part of it, anew from pyproject.toml
	@test -x $(UV) || { python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet uv; }
	$(LOCK) --all-extras -o requirements.lock
	$(LOCK) --extra kubernetes --extra build --constraints requirements.lock -o requirements-image.lock

clean: ## remove .venv and what tools have cached here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build

.PHONY: help setup demo demo-clean test check lint format-check types floors test-unit test-contract test-docs \
  test-system test-e2e sanity lab lab-guest lab-bench test-lab test-lab-full test-power-cuts lab-kubernetes \
  lab-kubernetes-down test-kubernetes test-kubernetes-full bench bench-kubernetes format proto lock clean
