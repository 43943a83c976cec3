"""Write the minified modules of the views with terser, which is installed from the registry of npm when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nbturns
from nbturns.render.es_modules import bundle_name, joined_module, without_links
from nbturns.render.minified_modules import FILE_NAME, minified_module, source_digest

from . import npm_package

STATIC = Path(nbturns.__file__).parent / "static"
VERSION = "5.44.1"
LOCK = Path(__file__).with_name("terser.lock")
PLACE = Path(sys.prefix) / "terser"
MINIFIER = PLACE / "node_modules" / "terser" / "dist" / "bundle.min.js"
SCRIPT = Path(__file__).with_name("minify.js")
BUNDLES = ("output_views.js", "turn_view.js")  # what notebooks carry, and the view that is used most


def sources() -> dict[str, str]:
    """Return the source of each module by its name, and of the modules that are minified together with their imports."""
    modules = {path.name: path.read_text("utf-8") for path in sorted(STATIC.glob("*.js"))}
    return modules | {bundle_name(name): joined_module(name) for name in BUNDLES}


def changed_modules() -> list[str]:
    """Return the names of the modules whose minified form is missing or of an earlier source."""
    return [name for name, source in sources().items() if minified_module(name, source) is None]


def minified(modules: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return modules minified; a default export begins a line."""
    bundle_names = {bundle_name(name) for name in BUNDLES}
    request = json.dumps([[name, without_links(source), name in bundle_names] for name, source in modules])
    result = subprocess.run(
        [npm_package.node(), str(SCRIPT), str(MINIFIER)],
        input=request,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {name: code.replace("export default", "\nexport default ", 1) for name, code in json.loads(result.stdout)}


def main() -> int:
    """Minify the changed modules, and drop those that are gone."""
    wrong = "" if MINIFIER.is_file() else npm_package.install("terser", VERSION, LOCK, PLACE)
    if wrong:
        print(f"terser cannot be installed: {wrong}")
        return 1
    modules = sources()
    codes = {name: code for name, source in modules.items() if (code := minified_module(name, source)) is not None}
    codes |= minified((name, source) for name, source in modules.items() if name not in codes)
    records = [{"name": name, "source": source_digest(source), "code": codes[name]} for name, source in modules.items()]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    STATIC.joinpath(FILE_NAME).write_text(lines, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
