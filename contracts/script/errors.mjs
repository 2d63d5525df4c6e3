#!/usr/bin/env node
// Every custom error of the compiled contracts has a row in docs/contract-errors.md with exactly its
// signature, and a test that names it; every function and event has a test that uses it. Rows of errors
// that no contract has are refused too.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const artifacts = ["PaymentChannel", "DepositBox", "SecretRegistry"];
const abi = artifacts.flatMap((name) => JSON.parse(readFileSync(join(root, "artifacts", `${name}.json`), "utf8")).abi);
const table = readFileSync(join(root, "..", "docs", "contract-errors.md"), "utf8");

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? sources(path) : [readFileSync(path, "utf8")];
  });
}
const tests = ["unit", "support"].flatMap((dir) => sources(join(root, "test", dir))).join("\n");

const signature = ({ name, inputs }) => `${name}(${inputs.map((input) => `${input.type} ${input.name}`).join(", ")})`;
const types = ({ name, inputs }) => `${name}(${inputs.map((input) => input.type).join(",")})`;
const faults = [];

const errors = abi.filter(({ type }) => type === "error");
for (const error of errors) {
  if (!table.includes(`| \`${signature(error)}\` |`)) faults.push(`no row for error ${signature(error)}`);
  const named = tests.includes(`.${error.name}.selector`) || tests.includes(`"${types(error)}"`);
  if (!named) faults.push(`no test names error ${error.name}`);
}
const known = new Set(errors.map(signature));
for (const [, row] of table.matchAll(/^\| `([A-Z]\w*\([^`]*\))` \|/gm)) {
  if (!known.has(row)) faults.push(`no contract has error ${row}`);
}
for (const { name } of abi.filter(({ type }) => type === "event")) {
  if (!new RegExp(`emit I\\w+\\.${name}\\(`).test(tests)) faults.push(`no test expects event ${name}`);
}
for (const { name } of abi.filter(({ type }) => type === "function")) {
  // Getters of immutables are named in capitals; the others are called or encoded by name.
  if (!new RegExp(`\\.${name}\\b`).test(tests)) faults.push(`no test uses function ${name}`);
}

for (const fault of faults) console.error(fault);
console.log(`${errors.length} errors, ${abi.filter(({ type }) => type === "event").length} events, ${abi.filter(({ type }) => type === "function").length} functions`);
process.exitCode = faults.length > 0 ? 1 : 0;
