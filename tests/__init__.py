"""Tests, in the folders of the package; `lab/` has those that need a real JupyterLab."""
