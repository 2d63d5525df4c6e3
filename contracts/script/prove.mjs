#!/usr/bin/env node
// Runs halmos on every `check_` function of test/symbolic and SMTChecker on smt/; see prove.sh.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { cpus } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { plant } from "../mutants/plant.mjs";
import { MUTANTS } from "../mutants/table.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const work = join(root, "cache-prove", "halmos");
const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(name) ? args[args.indexOf(name) + 1] : fallback);
const only = option("--only", "").split(",").filter(Boolean);
const jobs = Number(option("--jobs", Math.min(2, cpus().length)));

// Minutes, not seconds: left out of the short set.
const LONG = new Set([
  "check_p02_a_partial_withdrawal_pays_exactly_what_both_signed",
  "check_p08_the_deadline_is_set_once",
  "check_p25_two_locks_pay_no_more_and_no_less_than_is_held",
]);
// halmos: what its exit codes per property mean.
const PASS = 0;
const REFUTED = 1;
const VERDICTS = { 0: "PASS", 1: "FAIL", 2: "FAIL (timeout)", 3: "FAIL (stuck)", 4: "FAIL (all paths revert)", 5: "FAIL (exception)" };

const properties = symbolicProperties();
let failures = 0;
mkdirSync(work, { recursive: true });
const started = Date.now();
if (args.includes("--planted")) {
  await refuteAll();
} else {
  await proveAll();
  if (only.length === 0) await proveCore();
}
rmSync(work, { recursive: true, force: true });
console.log(`${failures === 0 ? "all as it must be" : `${failures} FAILED`}, ${seconds(started)} s`);
process.exit(failures === 0 ? 0 : 1);

// ------------------------------------------------------------------ the two kinds of run

/// Every property on the sources as they are.
async function proveAll() {
  const chosen = properties.filter((name) =>
    only.length > 0 ? only.includes(name) : !args.includes("--short") || !LONG.has(name));
  if (chosen.length === 0) fail("no property to prove");
  await build(root);
  await inParallel(chosen, async (name) => {
    const { code, time, output } = await halmos(root, name);
    console.log(`${VERDICTS[code] ?? `FAIL (${code})`} ${name} (${time} s)`);
    if (code === PASS) return;
    failures += 1;
    console.log(counterexample(output) || output.trim().split("\n").slice(-15).join("\n"));
  });
}

/// A property proves something only if a bug refutes it: for each, one planted bug (or all of them).
async function refuteAll() {
  const planted = properties.flatMap((name) => {
    const bugs = MUTANTS.filter(({ id, proof }) => proof === name && (only.length === 0 || only.includes(id)));
    if (bugs.length === 0 && only.length === 0) {
      failures += 1;
      console.log(`FAIL ${name}: the table of mutants has no bug for it`);
    }
    return args.includes("--all") || only.length > 0 ? bugs : bugs.slice(0, 1);
  });
  const unknown = MUTANTS.filter(({ proof }) => proof && !properties.includes(proof));
  for (const { id, proof } of unknown) {
    failures += 1;
    console.log(`FAIL ${id}: there is no property ${proof}`);
  }
  await inParallel(planted, async (mutant) => {
    const project = plantedProject(mutant);
    await build(project);
    const { code, time, output } = await halmos(project, mutant.proof);
    const refuted = code === REFUTED;
    if (!refuted) failures += 1;
    console.log(`${refuted ? "refuted, as it must be:" : `FAIL (${VERDICTS[code] ?? code}), not refuted:`} ${mutant.proof} by ${mutant.id}, which breaks "${mutant.rule}" (${time} s)`);
    console.log(counterexample(output));
    rmSync(project, { recursive: true, force: true });
  });
}

/// The abstract core, with its own broken variants.
async function proveCore() {
  const { code, output } = await run("node", ["smt/prove.mjs"], root);
  process.stdout.write(output);
  if (code !== 0) failures += 1;
}

// ------------------------------------------------------------------ halmos

function symbolicProperties() {
  const folder = join(root, "test", "symbolic");
  return readdirSync(folder).sort().flatMap((file) =>
    [...readFileSync(join(folder, file), "utf8").matchAll(/function (check_\w+)\(/g)].map(([, name]) => name));
}

/// Compiles a project once, so that the runs that follow can share it.
async function build(project) {
  const begun = Date.now();
  const command = ["forge", "build", "--ast", "--root", project, "--extra-output", "storageLayout", "metadata"];
  const { code, output } = await run(join(root, "script", "tool.sh"), command, project);
  if (code !== 0) fail(`the symbolic tests do not compile:\n${output}`);
  if (project === root) console.log(`compiled (${seconds(begun)} s)`);
}

/// Runs one property. A property that halmos did not report counts as failed.
async function halmos(project, name) {
  const begun = Date.now();
  const json = join(work, `${name}-${process.pid}-${begun}.json`);
  const { output } = await run(join(root, "..", ".venv", "bin", "halmos"), [
    "--root", project, "--forge-build-out", "out-prove", "--function", name,
    "--solver-timeout-assertion", "300s", "--no-status", "--json-output", json,
  ], project);
  let results = [];
  try {
    results = Object.values(JSON.parse(readFileSync(json, "utf8")).test_results).flat();
  } catch {
    // No report: `results` stays empty, which is a failure.
  }
  const result = results.find((entry) => entry.name.startsWith(`${name}(`));
  return { code: result?.exitcode ?? "no report", time: seconds(begun), output };
}

/// A copy of the project with one bug in it.
function plantedProject(mutant) {
  const project = join(work, mutant.id);
  plant(mutant, join(root, "src"), join(project, "src"));
  for (const folder of ["symbolic", "support"]) {
    cpSync(join(root, "test", folder), join(project, "test", folder), { recursive: true });
  }
  cpSync(join(root, "foundry.toml"), join(project, "foundry.toml"));
  for (const name of ["script", "node_modules"]) symlinkSync(join(root, name), join(project, name));
  return project;
}

/// The values that refute the property; those that are 0 go without saying.
function counterexample(output) {
  const lines = output.replace(/\x1b\[\d+m/g, "").split("\n");
  const first = lines.findIndex((line) => line.includes("Counterexample"));
  if (first === -1) return "";
  const values = lines.slice(first + 1).filter((line, i, all) => all.slice(0, i + 1).every((l) => /^\s+(p_|halmos_)/.test(l)));
  return values.filter((line) => !/= 0x0*$/.test(line)).map((line) => `     ${line.trim().replace(/_[0-9a-f]{7}_\d\d\b/, "").replace(/^p_/, "")}`).join("\n");
}

// ------------------------------------------------------------------ processes

async function inParallel(items, work_) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: jobs }, async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work_(item);
  }));
}

function run(command, parameters, cwd) {
  // halmos calls `forge` and its solver by name.
  const forge = join(root, "node_modules", "@foundry-rs");
  const folders = readdirSync(forge).filter((name) => name.startsWith("forge-")).map((name) => join(forge, name, "bin"));
  const PATH = [...folders, join(root, "..", ".venv", "bin"), process.env.PATH].join(delimiter);
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd, env: { ...process.env, PATH, FOUNDRY_PROFILE: "prove" } });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: -1, output: String(error) }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function seconds(since) {
  return Math.round((Date.now() - since) / 1000);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
