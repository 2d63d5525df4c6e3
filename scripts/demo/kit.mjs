// What every part of the demo uses: words, patience, exact sums.
import { createServer } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const isJson = process.argv.includes("--json");
export const folder = mkdtempSync(join(tmpdir(), "lockstep-demo-"));
export const POLL_MS = 200;
const PATIENCE_MS = 180_000;

/// What is printed with --json.
export const figures = { checks: 0 };
export const tell = (text) => { if (!isJson) console.log(text); };
export const title = (text) => tell(`\n${text}`);
const pause = () => new Promise((done) => setTimeout(done, POLL_MS));

export class Mismatch extends Error {}
export class Interrupted extends Error {}

/// Every unit of money must be where it belongs.
export function expectEqual(what, actual, expected) {
  if (actual !== expected) throw new Mismatch(`${what}: ${actual}, expected ${expected}`);
  figures.checks += 1;
}

export async function until(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  for (;;) {
    const answer = await ask().catch((error) => { last = error; });
    if (answer) return answer;
    if (Date.now() > end) {
      throw new Error(`no sign of this: ${what}; see the logs in ${folder}`, { cause: last });
    }
    await pause();
  }
}

export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
