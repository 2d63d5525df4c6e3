#!/usr/bin/env node
// Plants each bug of mutants/ into a copy of the contract and runs the forge tests against it. A bug that
// no test finds fails the run, unless the table argues why none can.
//
//   mutants.mjs [--short] [--only ID,ID...] [--jobs N]
//
// The unchanged sources go first and must pass: else a kill would prove nothing.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { plant } from "../mutants/plant.mjs";
import { MUTANTS } from "../mutants/table.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const work = join(root, "artifacts-mutant"); // forge may read it (fs_permissions)
const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(name) ? args[args.indexOf(name) + 1] : fallback);
const only = option("--only", "").split(",").filter(Boolean);
const jobs = Number(option("--jobs", Math.min(2, cpus().length)));
const BASELINE = { id: "none", rule: "the sources as they are", edits: [] };

// Cheapest first; the first test that fails ends a mutant.
const PHASES = ["test/{unit,vectors}/**", "test/fuzz/**", "test/invariant/**"];
const NOT_SETTLED = new Set(["setUp()", "constructor()"]);

const chosen = MUTANTS.filter(({ id, short }) =>
  only.length > 0 ? only.includes(id) : !args.includes("--short") || short);
if (only.some((id) => !MUTANTS.some((mutant) => mutant.id === id))) fail(`no such mutant in ${only}`);

process.exitCode = 1; // until all is said
const started = Date.now();
rmSync(work, { recursive: true, force: true });
const baseline = await judge(BASELINE);
if (baseline.verdict !== "survived") fail(`the tests fail without any planted bug: ${baseline.by}`);
console.log(`no bug planted: all tests pass (${baseline.seconds} s)`);

const results = [];
const waiting = [...chosen];
await Promise.all(Array.from({ length: jobs }, async () => {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const result = await judge(mutant);
    results.push({ ...result, mutant });
    console.log(`${mutant.id} ${label(result, mutant)} (${result.seconds} s): ${mutant.rule}${result.by ? `\n     ${result.by}` : ""}`);
  }
}));
rmSync(work, { recursive: true, force: true });
report();

/// Compiles the sources with the bug and runs the tests, phase by phase.
async function judge(mutant) {
  const begun = Date.now();
  const done = (verdict, by) => ({ verdict, by, seconds: Math.round((Date.now() - begun) / 1000) });
  const folder = join(work, mutant.id);
  const src = join(folder, "src");
  const artifacts = join(folder, "artifacts");
  mkdirSync(folder, { recursive: true });
  plant(mutant, join(root, "src"), src);
  // The other build stays as committed: its rules are the same sources.
  cpSync(join(root, "artifacts"), artifacts, { recursive: true });
  const compiled = await run("node", ["script/compile.mjs", "--src", src, "--out", artifacts, "--evm", "cancun", "--lenient"]);
  if (compiled.code !== 0) return done("does not compile", lastLines(compiled.output));
  for (const path of PHASES) {
    const found = await test(path, `artifacts-mutant/${mutant.id}/artifacts`, folder);
    if (found !== null) return done(found.by === null ? "broken" : "killed", found.by ?? found.why);
  }
  rmSync(folder, { recursive: true, force: true });
  return done("survived", "");
}

/// The first failing test of one phase, or null.
async function test(path, artifacts, folder) {
  const { code, output } = await run("script/tool.sh", ["forge", "test", "--match-path", path, "--fail-fast", "--json"], {
    LOCKSTEP_ARTIFACTS: artifacts,
    // What one mutant fails on is no input for the next.
    FOUNDRY_FUZZ_FAILURE_PERSIST_DIR: join(folder, "fuzz"),
    FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR: join(folder, "invariant"),
  });
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) {
    if (code === 0 && output.includes("No tests")) return null;
    return { by: null, why: lastLines(output) };
  }
  const failed = Object.entries(JSON.parse(line)).flatMap(([suite, { test_results }]) =>
    Object.entries(test_results)
      .filter(([, { status }]) => status === "Failure")
      .map(([name]) => `${suite.split(":")[1]}.${name}`));
  if (failed.length === 0) return code === 0 ? null : { by: null, why: lastLines(output) };
  // A suite that can't even be set up shows a broken build, unless a real test fails as well.
  const named = failed.find((name) => !NOT_SETTLED.has(name.split(".")[1]));
  return named === undefined ? { by: null, why: `only ${failed[0]} fails` } : { by: named };
}

function run(command, parameters, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: root, env: { ...process.env, ...env } });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: -1, output: String(error) }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function label({ verdict }, { equivalent }) {
  if (verdict !== "survived") return verdict;
  return equivalent ? "survived, as argued" : "SURVIVED";
}

function report() {
  const by = (verdict) => results.filter((result) => result.verdict === verdict);
  const argued = by("survived").filter(({ mutant }) => mutant.equivalent);
  const missed = by("survived").filter(({ mutant }) => !mutant.equivalent);
  const broken = [...by("does not compile"), ...by("broken")];
  const wrong = by("killed").filter(({ mutant }) => mutant.equivalent);
  console.log(`\n${by("killed").length} of ${results.length} killed, ${argued.length} argued equivalent, `
    + `${missed.length} missed, ${broken.length} without a verdict, ${Math.round((Date.now() - started) / 1000)} s`);
  for (const { mutant } of argued) console.log(`  ${mutant.id} equivalent: ${mutant.equivalent}`);
  for (const { mutant } of missed) console.log(`  ${mutant.id} MISSED: no test holds "${mutant.rule}"`);
  for (const { mutant, by: why } of broken) console.log(`  ${mutant.id} without a verdict: ${why}`);
  for (const { mutant, by: test } of wrong) console.log(`  ${mutant.id} is argued equivalent but killed by ${test}: correct the table`);
  if (missed.length + broken.length + wrong.length === 0) process.exitCode = 0;
}

function lastLines(text) {
  return text.trim().split("\n").slice(-4).join(" | ").slice(0, 400);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
