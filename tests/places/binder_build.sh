#!/usr/bin/env bash
# Build like Binder: the locked environment, then postBuild, then a notebook that is trusted and runs.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT
git ls-files -z | xargs -0 cp --parents --target-directory "$folder"
"${PYTHON:-python3}" -m venv "$folder/environment"
export NB_PYTHON_PREFIX="$folder/environment" PATH="$folder/environment/bin:$PATH" HOME="$folder/home" JUPYTER_DATA_DIR="$folder/home/jupyter"
mkdir -p "$HOME"
cd "$folder"
python -m pip install --quiet --require-hashes --requirement requirements/lab.txt # binder/requirements.txt names it
bash binder/postBuild
test -s "$NB_PYTHON_PREFIX/share/jupyter/lab/settings/overrides.json"
cd "$HOME"
python -c 'import nbturns as nt; assert nt.example().latest.text; assert "site-packages" in nt.__file__'
python - "$folder/notebooks" <<'PROGRAM'
import sys
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary

notary = NotebookNotary()
for path in Path(sys.argv[1]).glob("*.ipynb"):
    assert notary.check_signature(nbformat.read(path, 4)), f"{path.name} is not trusted"
print("the notebooks are trusted")
PROGRAM
jupyter nbconvert --to notebook --execute --stdout "$folder/notebooks/01_explore.ipynb" >/dev/null
echo "Binder: 1 passed, 0 failed"
