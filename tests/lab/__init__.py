"""A real JupyterLab in a real browser, because that is where the views live."""
