# `make run` and `make test` need Python 3.11 and nothing else; the rest is for people who change the code.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test proof check lint lint-fix types contracts migrations deploy bench install install-dev install-mysql clean

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv sync --frozen --inexact --quiet
unexport VIRTUAL_ENV PYTHONPATH DJANGO_SETTINGS_MODULE

# What the demo starts with where neither the environment nor .env says otherwise. Who names no payment provider gets one that
# takes no money; it plays on desks only.
DEMO := for pair in DEBUG=true MOZAIKS_ENFORCE_QUOTAS=true; do \
	  name=$${pair%%=*}; \
	  printenv $$name >/dev/null || grep -qsE "^(export +)?$$name=" .env || export $$pair; \
	done; \
	said() { printenv $$1 || sed -nE "s/^(export +)?$$1=[\"' ]*([^\"' \#]*).*/\2/p" .env 2>/dev/null || true; }; \
	case "$$(said DEBUG)" in \
	  1|[Tt]rue|[Yy]es|[Oo]n) test -n "$$(for name in BILLING_FAKE_PROVIDER STRIPE_SECRET_KEY BILLING_CONNECTOR \
	    MOZAIKS_GATEWAY_BASE_URL; do said $$name; done)" || export BILLING_FAKE_PROVIDER=true ;; \
	esac

# Settings as a careful production would have them; `check --deploy` must find nothing to say.
PRODUCTION := env -i PATH="$$PATH" HOME="$$HOME" MOZAIKS_ENV_FILE=/dev/null \
	SECRET_KEY=checked-3v9Qm2xT7bL0rW5yK8cN1dF6gH4jP-zS_aU-eX-iY-oV-uB ALLOWED_HOSTS=billing.example.org \
	CSRF_TRUSTED_ORIGINS=https://billing.example.org INTERNAL_API_KEY=0f1e2d3c4b5a69788796a5b4c3d2e1f0

# A check answers the same on every desk: neither `.env` nor the servers a test run is pointed at choose its database.
HERMETIC := env -u DATABASE_URL -u REDIS_URL -u TEST_DATABASE_URL -u TEST_REDIS_URL MOZAIKS_ENV_FILE=/dev/null DEBUG=true

help: ## say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | column -t -s "$$(printf '\t')"

run: install ## demo on http://127.0.0.1:8000 (PORT=… chooses another)
	@$(DEMO); \
	case "$${DATABASE_URL:-$$(sed -nE 's/^(export +)?DATABASE_URL=//p' .env 2>/dev/null)}" in \
	  mysql*|mariadb*) $(MAKE) --no-print-directory install-mysql ;; \
	esac; \
	$(BIN)/python manage.py migrate --verbosity 0; \
	$(BIN)/python manage.py load_demo; \
	exec $(BIN)/python manage.py serve

test: install-dev ## the whole suite; also on MariaDB and Redis where they answer
	@$(BIN)/python -m tests.suite

# What docs/proof.md calls the long forms; hours, not minutes.
LONG_FORMS := MOZAIKS_HISTORIES=100000 MOZAIKS_STEPS=250000 MOZAIKS_OPERATIONS=50000 MOZAIKS_EVERY_STOP=1 \
	MOZAIKS_KILLS=200 MOZAIKS_DUE_ROWS=50000 MOZAIKS_EVENTS=3000 MOZAIKS_REPLAYS=60000 MOZAIKS_ORDERS=500 MOZAIKS_FUZZ=50000

proof: install-dev ## the long forms of what docs/proof.md claims
	@$(LONG_FORMS) $(BIN)/python -m tests.suite tests/engine tests/equivalence tests/concurrency \
	  tests/payments/test_orders.py tests/api/test_fuzz.py

check: install-dev ## everything that needs no test run, in well under a minute
	@$(MAKE) --no-print-directory -j2 --output-sync=target types lint contracts migrations deploy
	@echo "check: all good"

lint: install-dev
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff --quiet . | head -40; echo "make lint-fix mends this"; exit 1; }
	@$(BIN)/ruff check --quiet .

types: install-dev
	@$(HERMETIC) $(BIN)/mypy .

contracts: install-dev
	@for contract in pyproject.toml $$(ls */.importlinter mozaiks/platform/.importlinter 2>/dev/null); do \
	  found=$$(PYTHONPATH=. $(BIN)/lint-imports --no-cache --config $$contract 2>&1) || { echo "$$found"; exit 1; }; \
	  echo "$$contract: $$(tail -n 1 <<<"$$found")"; \
	done

migrations: install-dev
	@$(HERMETIC) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(HERMETIC) $(BIN)/python manage.py check

deploy: install-dev
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

lint-fix: install-dev ## format, and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: install-dev ## the performance table
	@$(BIN)/python -m tests.benchmarks

clean: ## remove caches and what tests left behind; the database under var/ stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

install: .venv/.installed
install-dev: .venv/.installed-dev
install-mysql: .venv/.installed-mysql

.venv/bin/uv:
	@echo "Creating .venv …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mozaiks needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.installed: .venv/bin/uv uv.lock pyproject.toml
	@echo "Installing packages …"
	@$(UV) --no-dev
	@touch $@

.venv/.installed-dev: .venv/bin/uv uv.lock pyproject.toml
	@echo "Installing packages and tools …"
	@$(UV)
	@touch $@ .venv/.installed

.venv/.installed-mysql: .venv/bin/uv uv.lock pyproject.toml
	@echo "Building mysqlclient (needs default-libmysqlclient-dev pkg-config build-essential) …"
	@$(UV) --extra mysql
	@touch $@ .venv/.installed .venv/.installed-dev
