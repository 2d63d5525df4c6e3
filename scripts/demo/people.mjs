// Who takes part: nodes and a watchtower, as processes with a command line.
import { execFile, spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { folder, root, until } from "./kit.mjs";

const run = promisify(execFile);
export const binary = process.env.LOCKSTEP_BINARY ?? join(root, "target/debug/lockstep");
const towerBinary = process.env.LOCKSTEP_TOWER_BINARY ?? join(root, "target/debug/lockstep-watchtower");

/// One node: its folder, its process, its command line.
export class Node {
  constructor(name, options) {
    this.name = name;
    this.data = join(folder, name);
    this.env = { ...process.env, ...options, HOME: folder, LOCKSTEP_DATA_DIR: this.data, RUST_BACKTRACE: "0" };
  }

  start(...flags) {
    this.code = undefined;
    const log = openSync(join(folder, `${this.name}.log`), "a");
    this.process = spawn(binary, ["node", ...flags], { env: this.env, stdio: ["ignore", log, log] });
    this.process.on("exit", (code, signal) => { this.code = code ?? signal; });
    return until(`${this.name}'s node serves`, async () => {
      if (this.code !== undefined) throw new Error(`${this.name}'s node has stopped`);
      return (await this.ask("status")).state === "ready";
    });
  }

  /// A command as a person would type it, answered in JSON.
  async ask(...words) {
    try {
      const { stdout } = await run(binary, [...words, "--json"], { env: this.env, maxBuffer: 1 << 26 });
      return stdout.trim() === "" ? {} : JSON.parse(stdout.trim().split("\n").at(-1));
    } catch (error) {
      throw new Error(`${this.name}: lockstep ${words.join(" ")}\n${error.stderr ?? error}`);
    }
  }

  async channel(id) {
    const all = await this.ask("channels", "--all");
    return all.find((channel) => channel.channelId === id);
  }

  /// The plug is pulled: no time to say or to save anything.
  async kill() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGKILL");
    await ended;
  }

  async stop() {
    if (this.process === undefined || this.code !== undefined) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    await this.ask("stop").catch(() => this.process.kill());
    await ended;
  }
}

/// A stand-alone watchtower: it knows nobody's keys, only states that both sides have signed.
export class Tower {
  constructor(endpoints, deployment, password, [p2p, admin]) {
    this.data = join(folder, "tower");
    this.flags = ["--data-dir", this.data, "--password-file", password, "--json"];
    this.settings = [
      `listen = ["/ip4/127.0.0.1/tcp/${p2p}"]`, `external = ["/ip4/127.0.0.1/tcp/${p2p}"]`, `admin = "127.0.0.1:${admin}"`,
      "min_window_secs = 60", "allow_swap = true",
      // There is no other tower to leave the first part of a window to.
      "stagger = false",
      "[[chain]]", `endpoints = ${JSON.stringify(endpoints)}`, 'kind = "optimism"', `deployment = "${deployment}"`,
      "lanes = 1",
    ].join("\n");
  }

  async start() {
    await this.ask("init", "--words-to", join(folder, "tower.words"));
    writeFileSync(join(this.data, "tower.toml"), this.settings);
    const log = openSync(join(folder, "tower.log"), "a");
    this.process = spawn(towerBinary, ["run", ...this.flags], { stdio: ["ignore", log, log] });
    return until("the tower's address", () => this.ask("info"));
  }

  async ask(...words) {
    const { stdout } = await run(towerBinary, [...words, ...this.flags]);
    return stdout.trim() === "" ? {} : JSON.parse(stdout);
  }

  async stop() {
    if (this.process === undefined || this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill();
    await ended;
  }
}

/// What any JSON-RPC client can do: a method, parameters by name, a bearer token.
export async function rpc(node, method, params) {
  const token = readFileSync(join(node.data, "tokens/admin.token"), "utf8").trim();
  const response = await fetch(`http://${node.env.LOCKSTEP_RPC_LISTEN}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error) throw new Error(`${node.name}: ${method}: ${error.message}`);
  return result;
}

/// The account that owns a node's channels on the rollup.
export function account(node) {
  return until(`${node.name}'s account`, async () => (await node.ask("status")).accounts[0].account.toLowerCase());
}
