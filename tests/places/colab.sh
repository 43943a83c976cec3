#!/usr/bin/env bash
# Install nbturns beside the packages of Google Colab, check that none of them changes, and run the tests of widgets and frames.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
environment=.venv-colab
packages=(ipython==7.34.0 ipywidgets==7.7.1 ipykernel==6.17.1 pandas==2.2.3)
find_python() { for name in "${COLAB_PYTHON:-}" python3.13 "$HOME"/.pyenv/versions/3.13.*/bin/python; do "$name" -c "" 2>/dev/null && echo "$name" && return; done; }
python=$(find_python) || { echo 'Colab has Python 3.13: name one with COLAB_PYTHON=' >&2 && exit 1; }
test -x "$environment/bin/python" || "$python" -m venv "$environment"
run="$environment/bin/python -m"
$run pip install --quiet "${packages[@]}" 'setuptools<81' hatchling editables
before=$($run pip freeze --exclude-editable)
$run pip install --quiet --editable . --no-build-isolation
after=$($run pip freeze --exclude-editable)
changed=$(comm -23 <(sort <<<"$before") <(sort <<<"$after"))
test -z "$changed" || { printf 'pip install nbturns changed:\n%s\n' "$changed" >&2 && exit 1; }
$run pip install --quiet pytest hypothesis playwright polars 'dask[dataframe,distributed]' duckdb
tested=$($run pip freeze)
for package in "${packages[@]}"; do grep --quiet --ignore-case --line-regexp "$package" <<<"$tested" || { echo "$package changed" >&2 && exit 1; }; done
$run pytest -p no:cacheprovider tests/widgets tests/frames -m 'not browser' \
  -W 'ignore::DeprecationWarning' -W 'ignore::PendingDeprecationWarning' "$@"
