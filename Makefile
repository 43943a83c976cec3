# The two main commands are `make lab` (try it) and `make test` (check it).
# Both need python3 (3.11 or newer, with venv), make and the package index. Everything is installed in .venv,
# except a browser for the tests if none is found (see tests/lab/browser.py).

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python -m
SETTINGS = $(VENV)/share/jupyter/lab/settings/overrides.json
SCREEN := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname)))

EXTRAS := --extra all --extra dask --extra polars --extra keyring --extra figures
COMPILE = $(VENV)/bin/uv pip compile --quiet --no-config pyproject.toml --custom-compile-command 'make lock'
LOCK = $(COMPILE) --universal --python-version 3.11 --generate-hashes --exclude-newer '7 days' --upgrade

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help lab test test-newest test-lowest bench lint format notebooks dist lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(VENV)/.lab $(SETTINGS)  ## open JupyterLab at the first notebook
	@$(VENV)/bin/jupyter trust notebooks/*.ipynb >/dev/null  # ours: their saved tables keep their style
	$(RUN) jupyterlab --allow-root $(if $(SCREEN),,--no-browser) --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/01_explore.ipynb \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

test: lint $(VENV)/.kernels $(VENV)/.typescript  ## run everything; BROWSER=none skips the browser tests
	$(RUN) tests.lab.browser
	$(RUN) pytest
	$(RUN) pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

test-newest: .venv-newest/.resolved  ## run everything with the newest releases; no browser unless BROWSER= is given
	$(MAKE) VENV=.venv-newest BROWSER=$(or $(BROWSER),none) lint unlocked

test-lowest: .venv-lowest/.resolved  ## run everything with the lowest releases that pyproject.toml allows
	$(MAKE) VENV=.venv-lowest BROWSER=$(or $(BROWSER),none) unlocked

.PHONY: unlocked
unlocked:
	$(RUN) pytest
	$(RUN) pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

bench: $(VENV)/.bench  ## measure time and memory, next to other packages
	$(RUN) benchmarks

lint: $(VENV)/.test  ## check style and types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

format: $(VENV)/.test  ## fix the style automatically
	$(RUN) ruff check --fix
	$(RUN) ruff format

notebooks: $(VENV)/.test  ## run the notebooks and save their outputs
	$(RUN) tests.lab.notebooks

dist: $(VENV)/.test  ## build the sdist and the wheel into dist/
	$(RUN) hatchling build --directory dist

# One set of versions for all three files: the largest group is resolved first and constrains the other two.
lock: $(VENV)/.test  ## renew requirements/*.txt; takes no release younger than seven days
	$(LOCK) $(EXTRAS) --group bench --output-file requirements/bench.txt
	$(LOCK) $(EXTRAS) --group test --constraint requirements/bench.txt --output-file requirements/test.txt
	$(LOCK) --extra all --group lab --constraint requirements/bench.txt --output-file requirements/lab.txt

clean:  ## delete everything that was made, .venv included
	rm -rf .venv .venv-newest .venv-lowest artifacts build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: .venv/.lab, .venv/.test and .venv/.bench mark an installed lock file. They are renewed when it changes.
$(VENV)/.lab $(VENV)/.test $(VENV)/.bench: $(VENV)/.%: requirements/%.txt pyproject.toml | $(VENV)/bin/pip
	$(if $(wildcard $(VENV)/.resolved),,$(RUN) pip install --quiet --require-hashes --requirement $<)
	$(RUN) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The unlocked environments, resolved anew each day at most.
.venv-newest/.resolved: RESOLUTION := highest
.venv-lowest/.resolved: RESOLUTION := lowest-direct
.venv-newest/.resolved .venv-lowest/.resolved: pyproject.toml | $(VENV)/.test
	$(PYTHON) -m venv --clear $(@D)
	$(COMPILE) $(EXTRAS) --group test --resolution $(RESOLUTION) --python $(@D)/bin/python --output-file $(@D)/requirements.txt
	$(@D)/bin/python -m pip install --quiet --requirement $(@D)/requirements.txt
	$(@D)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(@D)/.test

$(VENV)/.kernels: tests/lab/kernels.py $(wildcard requirements/ipykernel-*.txt) $(VENV)/.test
	$(RUN) tests.lab.kernels
	@touch $@

$(VENV)/.typescript: tests/lab/typescript.py tests/lab/yarn.lock $(VENV)/.test
	$(RUN) tests.lab.typescript
	@touch $@

$(SETTINGS): binder/overrides.json | $(VENV)/bin/pip
	@mkdir -p $(@D)
	@cp $< $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)
