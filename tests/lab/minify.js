// Reads a list of [name, source, isWhole] from the standard input and writes a list of [name, minified source].
const terser = require(process.argv[2]);

// Names of a module stay, because all modules of a view share one scope; those of a whole bundle do not.
const options = (isWhole) => ({
  toplevel: isWhole,
  compress: { passes: isWhole ? 3 : 2, ecma: 2020 },
  mangle: { toplevel: isWhole },
  format: { comments: false },
});

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const minified = [];
  for (const [name, source, isWhole] of JSON.parse(Buffer.concat(chunks).toString("utf8"))) {
    minified.push([name, (await terser.minify(source, options(isWhole))).code]);
  }
  process.stdout.write(JSON.stringify(minified));
}

void main();
