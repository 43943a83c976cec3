// Run the checks for Pyodide: node pyodide_run.mjs <folder of pyodide> <packages> <fixtures> <checks>
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , home, packages, fixtures, checks] = process.argv;
const { loadPyodide } = await import(pathToFileURL(join(home, "pyodide.mjs")));
const pyodide = await loadPyodide({ indexURL: join(home, "/") });
for (const [folder, root] of Object.entries({ "/packages": packages, "/fixtures": fixtures })) {
  pyodide.FS.mkdirTree(folder);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, folder);
}
const program = readFileSync(checks, "utf-8");
try {
  pyodide.runPython("import sys; sys.path.insert(0, '/packages')");
  await pyodide.runPythonAsync(`${program}\nawait main()\n`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
