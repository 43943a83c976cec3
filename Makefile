# The two main commands are `make lab` (try it) and `make test` (check it).
# Both need python3 (3.11 or newer, with venv), make and the package index. Everything is installed in .venv,
# except a browser for the tests if none is found (see tests/lab/browser.py).

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python -m
SETTINGS = $(VENV)/share/jupyter/lab/settings/overrides.json
SCREEN := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname)))

EXTRAS := --extra all --extra dask --extra polars --extra keyring --extra figures --extra mcp --extra prices --extra otel --extra urls
COMPILE = $(VENV)/bin/uv pip compile --quiet --no-config pyproject.toml --custom-compile-command 'make lock'
INSTALL = $(VENV)/bin/uv pip --quiet --no-config
LOCKED = --universal --python-version 3.11 --generate-hashes --exclude-newer '7 days' --upgrade
LOCK = $(COMPILE) $(LOCKED)
LOCK_GROUP = $(VENV)/bin/uv pip compile --quiet --no-config --custom-compile-command 'make lock' $(LOCKED)  # without the package

# Old releases have no wheels for a new Python.
OLDEST_PYTHON = $(or $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null),$(PYTHON))
# What ipywidgets 7 and today's traitlets and ipykernel, and Matplotlib 3.8 and today's pyparsing, say to each other.
OLD_PACKAGES = -W 'ignore:Deprecated in traitlets 4.1:DeprecationWarning' \
  -W 'ignore:The `ipykernel.comm.Comm` class:DeprecationWarning' \
  -W ignore::pyparsing.warnings.PyparsingDeprecationWarning

# $(call resolve,environment,python,resolution): an environment without a lock, resolved anew in every run.
define resolve
	test -x $(1)/bin/python || $(2) -m venv $(1)
	$(COMPILE) $(EXTRAS) --group test --upgrade --resolution $(3) --python $(1)/bin/python --output-file $(1)/requirements.txt
	$(INSTALL) sync --python $(1)/bin/python $(1)/requirements.txt
	$(INSTALL) install --python $(1)/bin/python --no-deps --no-build-isolation --editable .
endef

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE  # hundreds of test processes would compile the package again

.DEFAULT_GOAL := help
.PHONY: help lab docs types lite test test-newest test-lowest test-integrations test-colab test-binder test-marimo test-sdist
.PHONY: soak bench fuzz attack lint format notebooks pictures dist lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(VENV)/.lab $(SETTINGS)  ## open JupyterLab at the first notebook
	@$(VENV)/bin/jupyter trust notebooks/*.ipynb >/dev/null  # ours: their saved tables keep their style
	$(RUN) jupyterlab --allow-root $(if $(SCREEN),,--no-browser) --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/00_start.ipynb \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

.PHONY: minify
minify: $(VENV)/.test  ## minify the scripts of the views that changed
	$(RUN) tests.lab.minify

test: lint $(VENV)/.kernels $(VENV)/.typescript  ## run everything; BROWSER=none skips the browser tests
	$(RUN) tests.lab.browser
	$(MAKE) --jobs 3 --output-sync=target VENV=$(VENV) test-in-browser test-first-part test-second-part

# Three parts for two cores. The first takes one core and waits at times; the other two use what it leaves.
FIRST_PART = tests/importers tests/frames tests/tools tests/store tests/widgets
.PHONY: test-in-browser test-first-part test-second-part
test-in-browser:
	$(if $(filter none,$(BROWSER)),,$(RUN) pytest -m browser tests/lab)
	$(RUN) pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg
test-first-part:
	nice $(RUN) pytest -m 'not browser' $(FIRST_PART)
test-second-part:
	nice $(RUN) pytest -m 'not browser' $(addprefix --ignore ,$(FIRST_PART))

test-newest: $(VENV)/.test  ## run everything with the newest releases; without a browser unless BROWSER= names one
	$(call resolve,.venv-newest,$(PYTHON),highest)
	$(MAKE) --old-file .venv-newest/.test VENV=.venv-newest BROWSER=$(or $(BROWSER),none) lint unlocked

test-lowest: $(VENV)/.test  ## run everything with the lowest releases that pyproject.toml allows
	$(call resolve,.venv-lowest,$(OLDEST_PYTHON),lowest-direct)
	$(MAKE) --old-file .venv-lowest/.test VENV=.venv-lowest BROWSER=$(or $(BROWSER),none) unlocked

test-integrations:  ## test with other frameworks, in an environment of their own
	$(MAKE) VENV=.venv-integrations .venv-integrations/.integrations
	.venv-integrations/bin/python -m pytest tests/integrations

docs:  ## build the documentation site in build/site; nothing is fetched while it is built
	$(MAKE) VENV=.venv-docs .venv-docs/.docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --quiet --strict
	@echo build/site/index.html

types: $(VENV)/.test  ## check the types that users see, with mypy and pyright in their strict modes
	$(RUN) mypy --strict tests/types/user_sample.py
	test -x .venv-types/bin/pyright || $(PYTHON) -m venv .venv-types
	.venv-types/bin/python -m pip install --quiet --require-hashes --requirement requirements/types.txt
	$(RUN) tests.types.user_types .venv-types/bin/pyright

lite: $(VENV)/.test  ## build a site for JupyterLite, and test the package with Pyodide under Node, without threads
	$(MAKE) VENV=.venv-lite .venv-lite/.lite
	$(RUN) tests.places.lite .venv-lite/bin/jupyter

test-colab:  ## install beside the packages of Google Colab (Python 3.13), and test widgets and frames there
	bash tests/places/colab.sh

test-binder:  ## build like Binder, and check that the notebooks are trusted and run
	bash tests/places/binder_build.sh

test-marimo: $(VENV)/.test  ## run a notebook of marimo
	test -x .venv-marimo/bin/python || $(PYTHON) -m venv .venv-marimo
	$(INSTALL) install --python .venv-marimo/bin/python --editable '.[all]' marimo
	.venv-marimo/bin/python -m tests.places.marimo_check

.PHONY: unlocked
unlocked: $(if $(filter none,$(BROWSER)),,$(VENV)/.kernels) $(VENV)/.typescript
	$(if $(filter none,$(BROWSER)),,$(RUN) tests.lab.browser)
	$(RUN) pytest $(if $(filter .venv-lowest,$(VENV)),$(OLD_PACKAGES))
	$(RUN) pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

soak: $(VENV)/.test  ## kill 500 processes that write to a store, and resume each
	NBTURNS_KILLS=500 $(RUN) pytest tests/store/test_killed_processes.py

bench: $(VENV)/.bench  ## measure time and memory, next to other packages
	$(RUN) benchmarks

SECONDS ?= 3600
fuzz: $(VENV)/.test  ## feed changed samples to every reader, for SECONDS=3600; keeps findings in tests/attack/corpus
	$(RUN) tests.attack.fuzz --seconds $(SECONDS)

attack: $(VENV)/.test  ## repeat the whole attack of docs/security.md and count; a small part of it is in make test
	$(RUN) tests.attack.counts

lint: $(VENV)/.test  ## check style and types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

format: $(VENV)/.test  ## fix the style automatically
	$(RUN) ruff check --fix
	$(RUN) ruff format

notebooks: $(VENV)/.test  ## run the notebooks and save their outputs
	$(RUN) tests.lab.notebooks

pictures: $(VENV)/.test  ## take the pictures of the README in docs/*.png
	$(RUN) tests.lab.browser
	$(RUN) tests.lab.pictures

dist: $(VENV)/.test  ## build the sdist and the wheel into dist/, and check them
	rm -rf dist
	$(RUN) hatchling build --directory dist
	$(MAKE) VENV=.venv-release .venv-release/.release
	.venv-release/bin/python -m twine check --strict dist/*

test-sdist: dist  ## run `make test` in the unpacked sdist; without a browser unless BROWSER= names one
	rm -rf build/sdist && mkdir -p build/sdist && tar --extract --gzip --file dist/*.tar.gz --directory build/sdist --strip-components 1
	$(MAKE) -C build/sdist BROWSER=$(or $(BROWSER),none) test

# One set of versions for the first three files: the largest group is resolved first and constrains the other two.
lock: $(VENV)/.test  ## renew requirements/*.txt; takes no release younger than seven days
	$(LOCK) $(EXTRAS) --group bench --output-file requirements/bench.txt
	$(LOCK) $(EXTRAS) --group test --constraint requirements/bench.txt --output-file requirements/test.txt
	$(LOCK) --extra all --group lab --constraint requirements/bench.txt --output-file requirements/lab.txt
	$(LOCK) $(EXTRAS) --group integrations --output-file requirements/integrations.txt
	for group in docs lite release types; do $(LOCK_GROUP) --group pyproject.toml:$$group --output-file requirements/$$group.txt; done
	$(LOCK_GROUP) --python-version 3.14 $(addprefix --no-emit-package ,psutil pexpect ptyprocess colorama) --group pyproject.toml:pyodide \
	  --output-file requirements/pyodide.txt  # the four are not for Pyodide; pip reads markers as of this machine

clean:  ## delete everything that was made, .venv included
	rm -rf .venv .venv-newest .venv-lowest .venv-integrations .venv-docs .venv-release .venv-types .venv-colab .venv-marimo .venv-lite artifacts build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: .venv/.lab, .venv/.test, … mark an installed lock file. They are renewed when it changes.
$(VENV)/.lab $(VENV)/.test $(VENV)/.bench $(VENV)/.integrations $(VENV)/.docs $(VENV)/.release $(VENV)/.lite: $(VENV)/.%: requirements/%.txt pyproject.toml | $(VENV)/bin/pip
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
