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
INSTALL = $(VENV)/bin/uv pip --quiet --no-config
LOCK = $(COMPILE) --universal --python-version 3.11 --generate-hashes --exclude-newer '7 days' --upgrade

# Old releases have no wheels for a new Python.
OLDEST_PYTHON = $(or $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null),$(PYTHON))
# What ipywidgets 7 and today's traitlets and ipykernel say to each other.
OLD_WIDGETS = -W 'ignore:Deprecated in traitlets 4.1:DeprecationWarning' \
  -W 'ignore:The `ipykernel.comm.Comm` class:DeprecationWarning'

# $(call resolve,environment,python,resolution): an environment without a lock, resolved anew in every run.
define resolve
	test -x $(1)/bin/python || $(2) -m venv $(1)
	$(COMPILE) $(EXTRAS) --group test --upgrade --resolution $(3) --python $(1)/bin/python --output-file $(1)/requirements.txt
	$(INSTALL) sync --python $(1)/bin/python $(1)/requirements.txt
	$(INSTALL) install --python $(1)/bin/python --no-deps --no-build-isolation --editable .
endef

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

test-newest: $(VENV)/.test  ## run everything with the newest releases; without a browser unless BROWSER= names one
	$(call resolve,.venv-newest,$(PYTHON),highest)
	$(MAKE) --old-file .venv-newest/.test VENV=.venv-newest BROWSER=$(or $(BROWSER),none) lint unlocked

test-lowest: $(VENV)/.test  ## run everything with the lowest releases that pyproject.toml allows
	$(call resolve,.venv-lowest,$(OLDEST_PYTHON),lowest-direct)
	$(MAKE) --old-file .venv-lowest/.test VENV=.venv-lowest BROWSER=$(or $(BROWSER),none) unlocked

.PHONY: unlocked
unlocked: $(if $(filter none,$(BROWSER)),,$(VENV)/.kernels) $(VENV)/.typescript
	$(if $(filter none,$(BROWSER)),,$(RUN) tests.lab.browser)
	$(RUN) pytest $(if $(filter .venv-lowest,$(VENV)),$(OLD_WIDGETS))
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
	$(RUN) pip install --quiet --require-hashes --requirement $<
	$(RUN) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

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
