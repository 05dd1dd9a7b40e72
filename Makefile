# `make` sets up all it needs and continues sine curves; `make test` passes the tests.
# Another Python: make PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin

.PHONY: sine memory test check clean

sine: .venv/installed
	$(BIN)/python main.py --cell lstm --task sin

memory: .venv/installed
	$(BIN)/python main.py --cell lstm --task memory

test: .venv/installed-for-tests
	$(BIN)/python -m pytest tests/graded
	$(BIN)/python -m pytest --ignore tests/graded --numprocesses logical --dist loadfile

check: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/installed-for-tests: tests/requirements.txt grading/requirements.txt \
		grading/engine/requirements.txt .venv/installed
	$(BIN)/python -m pip install --quiet -r tests/requirements.txt
	touch $@
