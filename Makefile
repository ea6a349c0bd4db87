# Wushe: set-up and upkeep. `make run` is all a first look needs. Works with make 3.81 (macOS) and newer.
# Settings: PORT, WUSHE_DATA (folder of database, keys, uploads), WUSHE_DATABASE_URL, PY (the Python to use).

PORT ?= 8000
WUSHE_DATA ?= var
export PORT WUSHE_DATA

BIN := .venv/bin
PYTHON := $(BIN)/python
# Test processes side by side.
JOBS ?= 2

VENDOR := wushe/web/static/vendor/.ok
DIVISIONS := wushe/community/data/.ok
CATALOG := wushe/locale/en/LC_MESSAGES/django.mo
ASSETS := $(VENDOR) $(DIVISIONS) $(CATALOG)

.PHONY: help run test test-long lint format assets lock wheel screenshots bench clean
.DEFAULT_GOAL := help

help:
	@echo "make run          a working site with demo data on http://127.0.0.1:$(PORT)"
	@echo "make test         unit, database, browser and repository tests on SQLite and PostgreSQL, then lint"
	@echo "make test-long    the same kinds of test at full size"
	@echo "make lint         style, types, import contracts, missing migrations and translations"
	@echo "make assets       front-end libraries, official divisions, message catalog"
	@echo "make lock         renew the lock files"
	@echo "make wheel        dist/wushe-*.whl"
	@echo "make screenshots  renew the contact sheet of every page"
	@echo "make bench        the figures of the README"

# --- set-up: each step leaves a stamp and is skipped while nothing it depends on has changed --------------------------

.venv/.ok: requirements.lock tools/venv.sh tools/link.py pyproject.toml
	@PY="$(PY)" sh tools/venv.sh requirements.lock
	@$(PYTHON) tools/link.py
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.ok
	@PY="$(PY)" sh tools/venv.sh requirements-dev.lock
	@touch $@

node_modules/.ok: package.json package-lock.json .npmrc requirements-node.lock | .venv/.ok
	@$(PYTHON) -m tools.assets install
	@touch $@

$(VENDOR): node_modules/.ok tools/assets.py
	@$(PYTHON) -m tools.assets copy

$(DIVISIONS): node_modules/.ok tools/build_divisions.py
	@$(PYTHON) -m tools.build_divisions
	@touch $@

$(CATALOG): tools/messages.py $(wildcard wushe/locale/en/LC_MESSAGES/*.po) | .venv/.ok
	@$(PYTHON) -m tools.messages compile

assets: .venv/.ok $(ASSETS)

# --- use --------------------------------------------------------------------------------------------------------------

run: .venv/.ok $(ASSETS)
	@exec $(PYTHON) -m tools.run

# --- tests ------------------------------------------------------------------------------------------------------------

test: .venv/.dev $(ASSETS)
	WUSHE_TEST_DATABASE=sqlite $(BIN)/pytest -q -n $(JOBS) --dist loadfile
	WUSHE_TEST_DATABASE=postgresql $(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not browser and not repository and not matrix"
	@$(MAKE) lint

test-long: .venv/.dev $(ASSETS)
	WUSHE_TEST_SIZE=full WUSHE_TEST_DATABASE=sqlite $(BIN)/pytest -q -n $(JOBS) --dist loadfile
	WUSHE_TEST_SIZE=full WUSHE_TEST_DATABASE=postgresql $(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not repository"
	@$(MAKE) lint

lint: .venv/.dev $(CATALOG)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	WUSHE_DATA=build/lint $(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) -m tools.checks migrations
	$(PYTHON) -m tools.messages check

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --- upkeep -----------------------------------------------------------------------------------------------------------

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11

lock: .venv/.dev
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) $(UPGRADE) tools/node.in -o requirements-node.lock
	$(PYTHON) -m tools.assets lock

wheel: .venv/.dev $(ASSETS)
	$(PYTHON) -m tools.wheel dist

screenshots: .venv/.dev $(ASSETS)
	$(PYTHON) -m tools.screenshots

bench: .venv/.dev $(ASSETS)
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(PYTHON) $$script || exit 1; done

# Takes away what set-up made; data in $(WUSHE_DATA) stays.
clean:
	rm -rf .venv .tools node_modules build dist wushe/web/static/vendor wushe/community/data
	rm -f $(CATALOG)
