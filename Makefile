# The commands of the project; each works from a fresh clone with Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run up test check migration docs install lock clean

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf 'make %-10s %s\n' "$$name" "$$what"; done

run: install  ## run the whole pipeline once, and print a summary
	@$(BIN)/catalog-pipeline run

up: install  ## serve the Dagster UI and its daemon, until Ctrl-C
	@exec $(BIN)/catalog-pipeline up

# Three at a time on two cores: many tests wait, for processes that they start and for deadlines.
test: install  ## run the tests; PYTEST="tests/rules -k keys" runs some of them
	@$(BIN)/pytest -n 3 --dist worksteal $(PYTEST)

check: install  ## check style, formatting, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

migration: install  ## write a new, empty database migration: make migration NAME=add_x
	@$(BIN)/python -m catalog_pipeline.database.migrations $(NAME)

docs: install  ## write anew what the docs say from the code, and build the site of the tables
	@$(BIN)/python docs/generate.py
	@$(BIN)/catalog-pipeline site build

install: $(VENV)/installed  ## make the virtual environment, with pinned dependencies

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## pin the dependencies anew; needs uv
	uv pip compile pyproject.toml --extra dev --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --no-strip-extras --output-file requirements.lock

clean:  ## remove everything made here, the embedded database included
	rm -rf $(VENV) .catalog build *.egg-info
