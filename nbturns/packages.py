"""Packages that are imported only when they are needed, and the error that names one that is missing."""

from __future__ import annotations

import importlib.util
import sys

from .errors import MissingPackageError

# The package to install for an import of another name; an optional package by the extra that has its bound.
DISTRIBUTIONS = {
    "IPython": "ipython",
    "anthropic": "'nbturns[anthropic]'",
    "dask": "'nbturns[dask]'",
    "dotenv": "python-dotenv",
    "httpx": "'nbturns[httpx]'",
    "httpx2": "'nbturns[httpx2]'",
    "keyring": "'nbturns[keyring]'",
    "matplotlib": "'nbturns[figures]'",
    "mcp": "'nbturns[mcp]'",
    "openai": "'nbturns[openai]'",
    "polars": "'nbturns[polars]'",
    "yaml": "pyyaml",
}


def require(*packages: str, extra: str = "") -> None:
    """Check that packages are installed, without importing them.

    `extra` is the extra of nbturns that brings them, where it is not the usual one. Raises
    MissingPackageError for the first package that is missing.
    """
    for package in packages:
        if not is_installed(package):
            raise missing_package_error(package, extra=extra)


def is_installed(package: str) -> bool:
    """Return whether `package` can be imported; nothing is imported but its parents."""
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:  # a parent of it is missing
        return False


def missing_package_error(package: str, *, extra: str = "") -> MissingPackageError:
    """Return the error for a package that is not installed."""
    requirement = f"'nbturns[{extra}]'" if extra else DISTRIBUTIONS.get(package, package)
    command = f"pip install {requirement}"
    return MissingPackageError(f"the package {package} is not installed: {command}", package=package, command=command)


def failed_import_error(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error that names the missing package of a failed import; `error` itself when no package is missing."""
    package = error.name or ""
    if isinstance(error, MissingPackageError) or "." in package or is_installed(package or "sys"):
        return error
    return missing_package_error(package)
