#!/usr/bin/env node
// Measures whole-transaction gas and compares it with the committed snapshots/*.json.
//
//   gas.mjs            prints the table; fails on any rise, on a goal that is missed, and on a fall
//                      that was not committed (it would hide the next rise)
//   gas.mjs --write    rewrites snapshots/
//
// --isolate makes forge run each call as a transaction of its own: base cost, calldata, cold storage, refunds.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const committedDir = join(root, "snapshots");
const write = process.argv.includes("--write");

// Sums that the goals are about, with both parties paid and no locks. The goals are those of the build
// with transient storage; a guard in a plain slot costs about 2,000 gas more in each call that pays. A
// token adds what its own transfers cost, so a token channel is shown without a goal.
const GOAL_GROUP = "PaymentChannel";
const sum = (...names) => (figures) => names.reduce((total, name) => total + figures[name], 0);
const step = (more, less) => (figures) => figures[more] - figures[less];
const ROWS = ["eth", "erc20"].flatMap((token) => [
  { title: `${token} open + join + cooperative close`, goal: token === "eth" ? 150_000 : null,
    value: sum(`${token} open`, `${token} join`, `${token} cooperative close by a stranger`) },
  { title: `${token} initiate + challenge + close`, goal: token === "eth" ? 170_000 : null,
    value: sum(`${token} initiate close`, `${token} challenge close`, `${token} close by a stranger`) },
  { title: `${token} each further challenge of a batch`, goal: 45_000,
    value: step(`${token} challenge batch of 11`, `${token} challenge batch of 10`) },
]).concat([{ title: "eth each further open of a batch", goal: null, value: step("eth open batch of 11", "eth open batch of 10") }]);

function measure(into) {
  const scratch = mkdtempSync(join(tmpdir(), "lockstep-gas-build-"));
  const result = spawnSync(join(root, "script", "tool.sh"), ["forge", "test", "--isolate"], {
    cwd: root,
    encoding: "utf8",
    env: {
      ...process.env,
      FORGE_SNAPSHOT_EMIT: "true",
      FOUNDRY_SNAPSHOTS: into,
      FOUNDRY_TEST: "test/gas",
      // The tokens of the tests are measured too, so they are compiled as real ones are.
      FOUNDRY_OPTIMIZER: "true",
      FOUNDRY_OUT: join(scratch, "out"),
      FOUNDRY_CACHE_PATH: join(scratch, "cache"),
    },
  });
  rmSync(scratch, { recursive: true, force: true });
  if (result.status !== 0) {
    console.error(result.stdout, result.stderr);
    throw new Error("the gas tests failed");
  }
}

function read(dir) {
  const files = readdirSync(dir).filter((file) => file.endsWith(".json")).sort();
  return Object.fromEntries(files.map((file) => {
    const entries = Object.entries(JSON.parse(readFileSync(join(dir, file), "utf8")));
    return [file.replace(".json", ""), Object.fromEntries(entries.map(([name, gas]) => [name, Number(gas)]))];
  }));
}

const cell = (value, width) => String(value ?? "-").padStart(width);

function print(group, fresh, committed, faults) {
  console.log(`\n${group}`.padEnd(55) + cell("goal", 10) + cell("committed", 11) + cell("now", 10) + cell("change", 8));
  const rows = ROWS.map(({ title, goal, value }) => ({
    title, goal: group === GOAL_GROUP ? goal : null, now: value(fresh), was: value(committed),
  }));
  const names = [...new Set([...Object.keys(fresh), ...Object.keys(committed)])].sort();
  for (const name of names) rows.push({ title: name, goal: null, now: fresh[name], was: committed[name] });
  for (const { title, goal, now, was } of rows) {
    const change = now - was;
    console.log(`  ${title}`.padEnd(54) + cell(goal, 10) + cell(was, 11) + cell(now, 10) + cell(change > 0 ? `+${change}` : change, 8));
    if (now === undefined) faults.push(`${group}: "${title}" is committed but was not measured`);
    else if (was === undefined) faults.push(`${group}: "${title}" is not committed`);
    else if (change > 0) faults.push(`${group}: "${title}" rose by ${change} gas`);
    else if (change < 0) faults.push(`${group}: "${title}" fell by ${-change} gas`);
    if (goal !== null && now > goal) faults.push(`${group}: "${title}" misses its goal by ${now - goal} gas`);
  }
}

const freshDir = mkdtempSync(join(tmpdir(), "lockstep-gas-"));
try {
  measure(freshDir);
  if (write) {
    for (const file of readdirSync(committedDir)) rmSync(join(committedDir, file));
    for (const file of readdirSync(freshDir)) copyFileSync(join(freshDir, file), join(committedDir, file));
  }
  const fresh = read(freshDir);
  const committed = read(committedDir);
  const faults = [];
  for (const group of new Set([...Object.keys(fresh), ...Object.keys(committed)])) {
    print(group, fresh[group] ?? {}, committed[group] ?? {}, faults);
  }
  for (const fault of faults) console.error(fault);
  if (faults.some((fault) => !fault.includes("goal"))) {
    console.error('if the change is wanted, run "make contracts-gas" and commit snapshots/ with the reason');
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
} finally {
  rmSync(freshDir, { recursive: true, force: true });
}
