#!/usr/bin/env node
// Compiles src/ with the pinned solc of contracts/ and writes artifacts/*.hex: runtime code for a local chain.
// With --check it writes nothing and fails if a committed file differs.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const solc = createRequire(join(here, "../../../contracts/package.json"))("solc");
const check = process.argv.includes("--check");
const files = readdirSync(join(here, "src")).sort();
const sources = Object.fromEntries(
  files.map((name) => [name, { content: readFileSync(join(here, "src", name), "utf8") }]),
);
const settings = {
  evmVersion: "cancun",
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
const problems = (output.errors ?? []).filter((error) => error.severity !== "info");
for (const problem of problems) console.error(problem.formattedMessage);
if (problems.length > 0) process.exit(1);

for (const [file, contracts] of Object.entries(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    const path = join(here, "artifacts", `${name}.hex`);
    const hex = `${contract.evm.deployedBytecode.object}\n`;
    if (!check) writeFileSync(path, hex);
    else if (readFileSync(path, "utf8") !== hex) {
      console.error(`${name}.hex is not what ${file} compiles to: run compile.mjs`);
      process.exitCode = 1;
    }
  }
}
