# The few commands of this project; `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test coverage slow fuzz soak behaviours check bench lock clean

BIN := .venv/bin
WORKERS ?= 3
ARGS ?=

help: ## list the commands
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "make %-10s %s\n", $$1, $$2}'

setup: ## make .venv from requirements.lock (does nothing when it is up to date)
	@scripts/setup.sh

demo: setup ## start a server, run the story of a layer in Python and Node.js, and clean up
	@$(BIN)/lamella demo $(ARGS)

serve: setup ## start a server on 127.0.0.1:4566 (more flags: make serve ARGS="--ephemeral")
	@$(BIN)/lamella serve $(ARGS)

test: setup ## run the tests (those over ten seconds each: make slow)
	$(BIN)/pytest -n $(WORKERS) -m "not slow" $(ARGS)

coverage: setup ## the same, with the coverage of the tests and of every server that they start; takes half as long again
	$(BIN)/pytest -n $(WORKERS) -m "not slow" --cov --cov-report=term $(ARGS)

slow: setup ## run the tests that take more than ten seconds each
	$(BIN)/pytest -n 2 -m slow $(ARGS) || test $$? -eq 5

fuzz: setup ## send 20,000 made-up requests to a server of its own (again: LAMELLA_FUZZ=SEED make fuzz)
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: setup ## load a server of its own for 20 minutes, kill its boxes, and see that nothing is lost, left or grows (shorter: make soak ARGS=180)
	@$(BIN)/python -m tests.soak $(ARGS)

behaviours: setup ## try every rule in every language and write docs/behaviours.md (one language: ARGS=nodejs)
	@$(BIN)/python -m tests.behaviours $(ARGS)

check: setup ## lint, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure beside AWS's emulator and others, draw it, renew README's tables (shorter: make bench ARGS=--quick)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: setup ## work requirements.lock out anew from pyproject.toml
	@scripts/lock.sh

clean: ## remove what the other commands made
	rm -rf .venv .cache build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
