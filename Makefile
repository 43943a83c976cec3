# Two commands matter: `make lab` to look, `make test` to be sure.
# Both need python3 (3.11 or newer, with venv), make and the package index; all they install goes to .venv,
# except a browser for the tests where none is found (see tests/lab/browser.py).

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
SETTINGS := $(VENV)/share/jupyter/lab/settings/overrides.json
SCREEN := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname)))

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help lab test bench lint format notebooks clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(VENV)/.lab $(SETTINGS)  ## open JupyterLab at the first notebook
	@$(VENV)/bin/jupyter trust notebooks/*.ipynb >/dev/null  # ours: their saved tables keep their style
	$(RUN) jupyterlab --allow-root $(if $(SCREEN),,--no-browser) --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/notebooks/01_explore.ipynb \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

test: lint $(VENV)/.kernels $(VENV)/.typescript  ## run everything; BROWSER=none leaves out what needs a browser
	$(RUN) tests.lab.browser
	$(RUN) pytest
	$(RUN) pytest --nbval notebooks --nbval-sanitize-with tests/nbval.cfg

bench: $(VENV)/.bench  ## measure what time and memory come to here
	$(RUN) benchmarks

lint: $(VENV)/.test  ## check style and types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

format: $(VENV)/.test  ## put the style right where a tool can
	$(RUN) ruff check --fix
	$(RUN) ruff format

notebooks: $(VENV)/.test  ## run the notebooks and keep their outputs
	$(RUN) tests.lab.notebooks

clean:  ## take away everything that was made, .venv too
	rm -rf $(VENV) artifacts build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: .venv/.lab and .venv/.test stand for an installed extra and are made anew when pyproject.toml changes.
$(VENV)/.lab $(VENV)/.test $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(VENV)/bin/pip
	$(RUN) pip install --quiet --editable '.[$*]'
	@touch $@

$(VENV)/.kernels: tests/lab/kernels.py $(VENV)/.test
	$(RUN) tests.lab.kernels
	@touch $@

$(VENV)/.typescript: tests/lab/typescript.py $(VENV)/.test
	$(RUN) tests.lab.typescript
	@touch $@

$(SETTINGS): binder/overrides.json | $(VENV)/bin/pip
	@mkdir -p $(@D)
	@cp $< $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)
