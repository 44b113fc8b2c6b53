# `make up` runs the service, `make test` its tests. Each first does all the set-up; a second call finds it done.
PYTHON ?= python3
PORT ?= 8000
BIND ?= 127.0.0.1
DATA ?= var
VENV := .venv
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

# Written once, the bytecode of the tests saves every later start of pytest some seconds.
# On one PostgreSQL server the open transactions of one worker's tests hold back what the other may read of the global feed.
# Three on two cores: many tests wait for a process or a time-out.
TEST_WORKERS := $(if $(DATABASE_URL),0,3)

.PHONY: up test lint format setup setup-dev lock clean

up: setup
	@exec $(VENV)/bin/cihealing up --host "$(BIND)" --port "$(PORT)" --data "$(DATA)"

test: setup-dev
	@PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n $(TEST_WORKERS) $(ARGS)

lint: setup-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy --strict cihealing dashboard config

format: setup-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

setup:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup up

setup-dev:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup dev

# After a change of dependencies in pyproject.toml; needs uv (https://docs.astral.sh/uv/) on PATH.
lock:
	uv pip compile pyproject.toml $(LOCK_FLAGS) --extra up --output-file requirements/up.lock
	uv pip compile pyproject.toml $(LOCK_FLAGS) --output-file requirements/base.lock
	uv pip compile pyproject.toml $(LOCK_FLAGS) --extra up --extra dev --output-file requirements/dev.lock
	uv pip compile requirements/toolchain.in $(LOCK_FLAGS) --constraint requirements/dev.lock --output-file requirements/toolchain.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache
