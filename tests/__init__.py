"""The tests: one file for each module, and `lab/` for what only a real JupyterLab can show."""
