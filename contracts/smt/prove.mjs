#!/usr/bin/env node
// SMTChecker (CHC) on the abstract cores: every assertion must be proved for any number of calls, and
// every broken variant must be refuted. The Horn clauses go to the z3 of .venv: the one inside the
// compiler is ten times slower, and any time limit stops its wasm build.
//
//   prove.mjs [--short]      --short leaves the broken variants out
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BROKEN } from "./broken.mjs";

const solc = createRequire(import.meta.url)("solc");
const here = dirname(fileURLToPath(import.meta.url));
const z3 = join(here, "..", "..", ".venv", "bin", "z3");
const CORES = ["LifeCore", "MoneyCore"];
const QUERY_LIMIT_SECS = 300;

// Message codes of SMTChecker.
const PROVED = "9576";
const MAY_FAIL = "6328";

const scratch = mkdtempSync(join(tmpdir(), "lockstep-smt-"));
let failures = 0;
try {
  for (const core of CORES) proveCore(core);
  if (!process.argv.includes("--short")) BROKEN.forEach(refuteVariant);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);

/// Every assertion of a core must be proved; one that the checker does not mention is not.
function proveCore(core) {
  const source = sourceOf(core);
  const begun = Date.now();
  const found = check(core, source);
  for (const { line, claim } of assertionsOf(source)) {
    const proved = found.get(line) === PROVED;
    if (!proved) failures += 1;
    console.log(`${proved ? "PASS" : "FAIL"} ${core}: ${claim}`);
  }
  console.log(`     ${core} took ${seconds(begun)} s`);
}

/// The broken rule must violate the assertion it was planted under.
function refuteVariant({ core, within, find, replace, refutes }) {
  const source = edited(sourceOf(core), within, find, replace);
  const assertion = assertionsOf(source).find(({ claim }) => claim === refutes);
  if (assertion === undefined) throw new Error(`${core} claims nowhere: ${refutes}`);
  const begun = Date.now();
  const found = check(core, source, assertion.line);
  const refuted = found.get(assertion.line) === MAY_FAIL && found.answers.includes("unsat");
  if (!refuted) failures += 1;
  console.log(`${refuted ? "refuted, as it must be" : "FAIL, not refuted"}: ${core} with a broken ${within}: ${refutes} (${seconds(begun)} s)`);
}

/// Runs the checker: line of an assertion -> message code; `answers` holds what z3 said. With
/// `keepLine` every other assertion is left out.
function check(core, source, keepLine) {
  const content = keepLine === undefined ? source : source.split("\n").map((text, i) =>
    isAssertion(text) && i + 1 !== keepLine ? "" : text).join("\n");
  const file = `${core}.sol`;
  const answers = [];
  const input = {
    language: "Solidity",
    sources: { [file]: { content } },
    settings: {
      modelChecker: { engine: "chc", solvers: ["smtlib2"], targets: ["assert"], showProvedSafe: true, showUnproved: true, showUnsupported: true, contracts: { [file]: [core] } },
      outputSelection: { "*": { "*": ["abi"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { smtSolver: (query) => solve(query, answers) }));
  const found = new Map();
  for (const { severity, errorCode, formattedMessage } of output.errors ?? []) {
    if (severity === "error") throw new Error(formattedMessage);
    const place = /--> \w+\.sol:(\d+):/.exec(formattedMessage);
    if (place !== null && !found.has(Number(place[1]))) found.set(Number(place[1]), errorCode);
  }
  found.answers = answers;
  return found;
}

function solve(query, answers) {
  const file = join(scratch, "query.smt2");
  writeFileSync(file, query);
  const { stdout, error } = spawnSync(z3, [`-T:${QUERY_LIMIT_SECS}`, file], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (error) throw error;
  answers.push(stdout.split("\n", 1)[0].trim());
  return { contents: stdout };
}

// ------------------------------------------------------------------ text

function sourceOf(core) {
  return readFileSync(join(here, `${core}.sol`), "utf8");
}

function isAssertion(text) {
  return text.trim().startsWith("assert(");
}

/// Each assertion with the comment above it, which says what it claims.
function assertionsOf(source) {
  const lines = source.split("\n");
  return lines.flatMap((text, i) =>
    isAssertion(text) ? [{ line: i + 1, claim: lines[i - 1].trim().replace(/^\/\/ /, "") }] : []);
}

/// Replaces a text that occurs once in one function.
function edited(source, within, find, replace) {
  const start = source.indexOf(`function ${within}(`);
  const end = source.indexOf("\n    }\n", start);
  const body = source.slice(start, end);
  if (start === -1 || body.split(find).length !== 2) throw new Error(`nothing to break in ${within}: ${find}`);
  return source.slice(0, start) + body.replace(find, () => replace) + source.slice(end);
}

function seconds(since) {
  return ((Date.now() - since) / 1000).toFixed(1);
}
