# The commands people and CI rely on. `make help` lists them.
VENV   := .venv
PYTHON := $(VENV)/bin/python
SHELL  := /bin/bash
# Distributions build Python with profile-guided optimisation; one built by hand mostly is not, and takes a fifth more
# time for each request. So the system's goes first where it is new enough and can make environments.
PYTHON3 ?= $(shell for python in /usr/bin/python3 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: help install develop demo test test-quick test-soak bench bench-quick bench-scale check lock clean
help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(VENV)/.install: requirements.lock pyproject.toml
	@test -n "$(PYTHON3)" || { echo "Pileus needs Python 3.11 or newer with the venv module (Debian: apt install python3-venv)."; exit 1; }
	$(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install -q --require-hashes -r requirements.lock
	$(PYTHON) -m pip install -q --no-deps --no-build-isolation -e .
	$(PYTHON) -m compileall -q src  # the first start should be as quick as the second
	@touch $@

$(VENV)/.develop: $(VENV)/.install requirements-dev.lock
	$(PYTHON) -m pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.install   ## make .venv from the lock file, with the pileus command in it
develop: $(VENV)/.develop   ## the same, with what tests and checks need

demo: install    ## start Pileus with the todo application in the foreground, print its address; Ctrl-C ends it
	@scripts/demo.sh

bench: install   ## measure Pileus beside its peers, some 15 minutes; writes the figures and the picture into docs
	$(PYTHON) bench/run.py

bench-quick: install ## the same in under 3 minutes, printed only
	$(PYTHON) bench/run.py --quick

bench-scale: install ## measure how figures grow up to a million items, objects and log events, some 15 minutes
	$(PYTHON) bench/scale.py

test: develop browser  ## run the tests, in parallel
	$(VENV)/bin/pytest -n 2 --dist worksteal -m "not soak"

test-soak: develop ## the tests that take minutes: fifty kills, a hundred thousand concurrent calls
	$(VENV)/bin/pytest -m soak

test-quick: develop ## the tests that take little: no browser, nothing marked slow
	$(VENV)/bin/pytest -n 2 --dist worksteal -m "not slow and not soak" --ignore tests/e2e --ignore tests/peers

.PHONY: browser
browser:
	@bash scripts/install-chromium.sh

lock:            ## renew the lock files from pyproject.toml
	$(PYTHON) -m pip install -q uv
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header -o requirements.lock pyproject.toml --group build
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock pyproject.toml --group dev --group build

check: develop   ## format, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:           ## remove what was built, keep data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
