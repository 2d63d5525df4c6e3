// Bugs that somebody could write into the contract. Each is a search and replace in src/ that must be
// found by a test (script/mutants.mjs); those with `proof` are also planted under the symbolic
// property named there, which must then give a counterexample (script/prove.sh --planted).
//
//   id        M and two digits, never used again
//   rule      what contract.md promises and the bug breaks
//   edits     [file under src/, text that occurs there once, its replacement]...
//   short     part of the quick set
//   proof     symbolic property that must fail
//   equivalent  why no test can see it: the mutant may survive
import { ENTRY } from "./entry.mjs";
import { EXIT } from "./exit.mjs";
import { RULES } from "./rules.mjs";

export const MUTANTS = [...RULES, ...EXIT, ...ENTRY];

const ids = new Set();
for (const { id } of MUTANTS) {
  if (ids.has(id)) throw new Error(`mutant ${id} is in the table twice`);
  ids.add(id);
}
