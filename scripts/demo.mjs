#!/usr/bin/env node
// The main job from nothing: two real nodes on a local chain pair, open a channel and stream payments both ways while
// one of them is killed; money comes in and goes out; they close together. Of three more channels one is closed by one
// side alone, and in two somebody cheats with an old state, and loses: once to a node, and once to a watchtower, while
// the victim is away.
//
//   demo.mjs [--json] [--keep]
//
// Ends with 0 only if every sum is exact, on both nodes, in the contract's own events and in the accounts on chain.
// --json prints figures instead of words; --keep (make demo KEEP=1) leaves the nodes running to play with.
import { spawn, execFile } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(join(root, "contracts/package.json"));
const { createPublicClient, createWalletClient, formatEther, http, parseEther } = require("viem");
const { mnemonicToAccount, privateKeyToAccount } = require("viem/accounts");
const run = promisify(execFile);

const isJson = process.argv.includes("--json");
const isKept = process.argv.includes("--keep");
const binary = process.env.LOCKSTEP_BINARY ?? join(root, "target/debug/lockstep");
const towerBinary = process.env.LOCKSTEP_TOWER_BINARY ?? join(root, "target/debug/lockstep-watchtower");
const folder = mkdtempSync(join(tmpdir(), "lockstep-demo-"));
// The public key of every local development chain.
const RICH = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
// An account of our own per chain: lockstep takes 64 indexes for each chain id.
const CHAIN_ID = 31_337;
const ACCOUNT_INDEX = CHAIN_ID * 64;
const PATIENCE_MS = 180_000;
const POLL_MS = 200;
// The stream: each side pays so many batches, each payment so much, in wei.
const ROUNDS = 30;
const BATCH = 200;
const STREAMED = { alice: 1_000_000_000_000n, bob: 2_000_000_000_000n };

const figures = {};
let checks = 0;
const tell = (text) => { if (!isJson) console.log(text); };
const title = (text) => tell(`\n${text}`);
const pause = () => new Promise((done) => setTimeout(done, POLL_MS));

class Mismatch extends Error {}
class Interrupted extends Error {}

/// Every unit of money must be where it belongs.
function expectEqual(what, actual, expected) {
  if (actual !== expected) throw new Mismatch(`${what}: ${actual}, expected ${expected}`);
  checks += 1;
}

async function until(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`no sign of this: ${what}; see the logs in ${folder}`);
    await pause();
  }
}

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/// One node: its folder, its process, its command line.
class Node {
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
class Tower {
  constructor(url, deployment, password, [p2p, admin]) {
    this.data = join(folder, "tower");
    this.flags = ["--data-dir", this.data, "--password-file", password, "--json"];
    this.settings = [
      `listen = ["/ip4/127.0.0.1/tcp/${p2p}"]`, `external = ["/ip4/127.0.0.1/tcp/${p2p}"]`, `admin = "127.0.0.1:${admin}"`,
      "min_window_secs = 60", "allow_swap = true",
      "[[chain]]", `endpoints = ["${url}"]`, `deployment = "${deployment}"`, "lanes = 1",
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

async function main() {
  const [chainPort, ...ports] = await Promise.all(Array.from({ length: 9 }, freePort));
  const url = `http://127.0.0.1:${chainPort}`;
  const password = join(folder, "password");
  writeFileSync(password, "only for the demo\n", { mode: 0o600 });
  const options = (rpc, p2p) => ({
    LOCKSTEP_CHAIN_ENDPOINTS: url,
    LOCKSTEP_RPC_LISTEN: `127.0.0.1:${rpc}`,
    LOCKSTEP_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${p2p}`,
    LOCKSTEP_PASSWORD_FILE: password,
  });
  const alice = new Node("alice", options(ports[0], ports[1]));
  const bob = new Node("bob", options(ports[2], ports[3]));
  const carol = new Node("carol", options(ports[4], ports[5]));
  const deployments = join(alice.data, "deployments");
  for (const node of [bob, carol]) node.env.LOCKSTEP_CHAIN_DEPLOYMENTS = deployments;
  const tower = new Tower(url, join(deployments, "dev.json"), password, ports.slice(6));
  const people = { alice, bob, carol, tower };
  const nodes = [tower, carol, bob, alice]; // Alice's node carries the chain: it ends last.
  const signal = new Promise((done) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, done);
  });
  try {
    await Promise.race([play(people, url), signal.then(() => { throw new Interrupted(); })]);
    report();
    if (isKept) {
      explain(alice, bob);
      await signal;
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      console.error(`The nodes' folders and logs are in ${folder}`);
      throw error;
    }
    process.exitCode = 130;
  } finally {
    for (const node of nodes) await node.stop();
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}

/// All chapters.
async function play({ alice, bob, carol, tower }, url) {
  title("1. Two nodes, one local chain");
  await alice.ask("init", "--yes", "--words-to", join(folder, "alice.words"));
  await alice.start("--dev");
  tell("   Alice's node has started a chain that makes a block a second, and put the contracts on it.");
  const chain = createPublicClient({ transport: http(url), pollingInterval: POLL_MS });
  const owner = await settle_in(bob, chain, url);
  tell(`   Bob's node has joined it; his account ${owner.address} holds 100 ETH.`);

  const accounts = new Accounts(chain);
  for (const node of [alice, bob]) await accounts.add(node);
  const first = await agreement(alice, bob, chain);
  const others = await alone(alice, bob, chain, url, owner);
  await accounts.close([first, ...others]);
  await away(bob, carol, tower, chain, url, owner);
}

/// A node of its own on Alice's chain, with 100 ETH; returns its account.
async function settle_in(node, chain, url) {
  const words = join(folder, `${node.name}.words`);
  await node.ask("init", "--yes", "--words-to", words);
  await node.start();
  const owner = mnemonicToAccount(readFileSync(words, "utf8").trim(), { addressIndex: ACCOUNT_INDEX });
  expectEqual(`${node.name}'s account`, await account(node), owner.address.toLowerCase());
  await send(chain, url, RICH, { to: owner.address, value: parseEther("100") });
  return owner;
}

/// Bob opens towards Alice's invite, both bring money; returns the channel's id once both may pay.
async function open(alice, bob, theirs, ours) {
  const { invite } = await alice.ask("invite", "--no-qr");
  const opening = bob.ask("open", invite, `${theirs}ETH`, "--ask", `${ours}ETH`);
  const offer = await until("Bob's offer", async () => (await alice.ask("join"))[0]);
  await alice.ask("join", offer.channelId);
  await opening;
  const total = parseEther(theirs) + parseEther(ours);
  for (const node of [alice, bob]) {
    await until(`${node.name} counts both deposits`, async () => {
      const channel = await node.channel(offer.channelId);
      return channel?.phase === "open" && BigInt(channel.capacity) === total;
    });
  }
  return offer.channelId;
}

async function agreement(alice, bob, chain) {
  title("2. They pair by an invite link and open a channel");
  const id = await open(alice, bob, "2", "1");
  tell(`   ${id}: Bob brought 2 ETH, Alice 1 ETH.`);

  title("3. They pay each other, off the chain");
  const before = await chain.getBlockNumber();
  await bob.ask("pay", id, "0.3ETH", "--memo", "a coffee machine");
  await alice.ask("pay", id, "0.05ETH", "--memo", "change");
  const { invoice } = await alice.ask("invoice", id, "0.25ETH");
  await bob.ask("pay", invoice);
  tell("   Bob paid 0.3 ETH and an invoice of 0.25 ETH; Alice gave back 0.05 ETH.");
  await stream(alice, bob, id);
  const transactions = await sentSince(chain, before, [await account(alice), await account(bob)]);
  expectEqual("transactions for all these payments", transactions, 0);
  const each = BigInt(ROUNDS * BATCH);
  const gained = each * (STREAMED.bob - STREAMED.alice);
  const [hers, his] = [parseEther("1.5") + gained, parseEther("1.5") - gained];
  await expectBalances(alice, bob, id, hers, his);
  tell(`   Exact on both sides: ${formatEther(hers)} ETH and ${formatEther(his)} ETH; no transaction, no gas.`);

  title("4. Money comes in and goes out while the channel stays open");
  await bob.ask("deposit", id, "1ETH");
  await until("Bob's deposit counts", async () => BigInt((await bob.channel(id)).ownBalance) === his + parseEther("1"));
  await bob.ask("withdraw", id, "0.5ETH");
  tell("   Bob added 1 ETH and took 0.5 ETH out.");
  const left = his + parseEther("0.5");
  await until("the withdrawal is final", async () => BigInt((await alice.channel(id)).counterpartyBalance) === left);
  await expectBalances(alice, bob, id, hers, left);

  title("5. They close together");
  await alice.ask("close", id);
  await expectSettled(alice, bob, chain, id, hers, left);
  tell(`   One transaction, no waiting: ${formatEther(hers)} ETH to Alice, ${formatEther(left)} ETH to Bob.`);
  return id;
}

/// Both pay without a pause, and Bob's node is killed in the middle of it. What is asked for again under the same key
/// is paid once.
async function stream(alice, bob, id) {
  const total = 2 * ROUNDS * BATCH;
  tell(`   Now a stream of ${total} payments, half of them each way, with Bob's node killed in the middle:`);
  const view = new View(total);
  const began = Date.now();
  const streams = Promise.all([alice, bob].map((node) => pour(node, id, view)));
  await until("a third of the payments", async () => view.paid > total / 3);
  await bob.kill();
  const killed = Date.now();
  view.note("Bob's node got SIGKILL");
  await bob.start();
  figures.back_seconds = (Date.now() - killed) / 1000;
  view.note(`Bob's node is back after ${figures.back_seconds.toFixed(1)} s`);
  await streams;
  await until("all payments are final", async () => {
    const sides = await Promise.all([alice.channel(id), bob.channel(id)]);
    return sides.every((side) => side.pendingPayments === 0);
  });
  figures.payments = total;
  figures.payments_seconds = (Date.now() - began) / 1000;
  view.note(`all ${total} payments are final (${figures.payments_seconds.toFixed(1)} s)`);
}

async function pour(node, id, view) {
  const payments = Array.from({ length: BATCH }, () => ({ amount: STREAMED[node.name].toString() }));
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = { channelId: id, payments, idempotencyKey: `${node.name}-${round}`, waitMillis: 30_000 };
    await until(`${node.name}'s batch ${round}`, () => rpc(node, "lockstep_payBatch", order));
    view.add(BATCH);
  }
}

/// How far the stream has come: one line that moves on a terminal, and a few lines elsewhere.
class View {
  constructor(total) {
    Object.assign(this, { total, paid: 0, shown: 0 });
  }

  add(count) {
    this.paid += count;
    const part = Math.floor((20 * this.paid) / this.total);
    if (isJson || part === this.shown) return;
    this.shown = part;
    const bar = `   [${"#".repeat(part).padEnd(20)}] ${this.paid} of ${this.total}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${bar}`);
    else if (part % 5 === 0) console.log(bar);
  }

  note(text) {
    if (!isJson && process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    tell(`   ${text}`);
  }
}

/// Two closes that only one side wants: their challenge periods pass side by side.
async function alone(alice, bob, chain, url, owner) {
  title("6. Alice closes a second channel alone");
  const honest = await open(alice, bob, "1", "0.5");
  await bob.ask("pay", honest, "0.2ETH");
  await alice.ask("force-close", honest, "--yes");
  tell("   Bob paid 0.2 ETH. She brings the newest state to the chain; the challenge period runs.");

  title("7. Bob cheats in a third");
  const cheated = await open(alice, bob, "1", "1");
  await bob.ask("pay", cheated, "0.1ETH");
  const proof = join(folder, "old.proof");
  await bob.ask("export-proof", cheated, "--to", proof);
  await bob.ask("pay", cheated, "0.6ETH");
  tell("   Bob paid 0.1 ETH, kept a proof of that state, and paid another 0.6 ETH.");
  const old = JSON.parse(readFileSync(proof, "utf8")).calls.find((call) => call.function.startsWith("initiateClose"));
  await send(chain, url, owner, { to: old.to, data: old.calldata });
  tell("   He brings the old state to the chain, by hand: his own node would refuse. If nobody answers, he gets 0.9 ETH.");
  await until("Alice's node answers", async () => {
    const { close } = await alice.channel(cheated);
    return close !== null && close.version === 2;
  });
  tell("   Alice's node has seen it and answered with the newest state, by itself.");

  await expectSettled(alice, bob, chain, honest, parseEther("0.7"), parseEther("0.8"));
  tell("   The second channel has ended: 0.7 ETH to Alice, 0.8 ETH to Bob.");
  await expectSettled(alice, bob, chain, cheated, parseEther("1.7"), parseEther("0.3"));
  tell("   And the third: 1.7 ETH to Alice, 0.3 ETH to Bob. The cheat gained nothing.");
  return [honest, cheated];
}

/// Carol's node is down when Bob cheats, and his own node, too: only her tower can answer.
async function away(bob, carol, tower, chain, url, owner) {
  title("9. Bob cheats again, while his victim is away");
  await settle_in(carol, chain, url);
  const { address, accounts: [{ lanes: [lane] }] } = await tower.start();
  await send(chain, url, RICH, { to: lane, value: parseEther("1") });
  await carol.ask("tower", "add", address);
  tell("   Carol has a node of her own and uses a watchtower, a program of somebody else.");
  const id = await open(carol, bob, "1", "1");
  await bob.ask("pay", id, "0.1ETH");
  const proof = join(folder, "old-carol.proof");
  await bob.ask("export-proof", id, "--to", proof);
  await bob.ask("pay", id, "0.6ETH");
  const receipt = await until("the tower's receipt for the newest state", async () => {
    const receipts = await carol.ask("tower", "receipts", id);
    return receipts.find(({ version }) => version === 2);
  });
  await carol.stop();
  await bob.stop();
  tell("   Bob paid her 0.1 and 0.6 ETH; the tower has signed a receipt for the newest state. Carol's node goes down.");
  const old = JSON.parse(readFileSync(proof, "utf8")).calls.find((call) => call.function.startsWith("initiateClose"));
  await send(chain, url, owner, { to: old.to, data: old.calldata });
  tell("   Bob brings the state of 0.1 ETH to the chain.");
  const [begun, answered] = await until("the tower answers", async () => {
    const closings = await events(chain, "ChannelClosing", id);
    return closings.length > 1 && closings;
  });
  expectEqual("the version that Bob showed", begun.version, 1n);
  expectEqual("the version that the tower showed", answered.version, 2n);
  tell("   The tower has answered with the newest state.");
  await bob.start();
  await until("the channel is closed", async () => (await events(chain, "ChannelClosed", id))[0]);
  await carol.start();
  await expectSettled(carol, bob, chain, id, parseEther("1.7"), parseEther("0.3"));
  tell("   Carol is back: 1.7 ETH to her, 0.3 ETH to Bob.");
  const file = join(folder, "receipt.json");
  writeFileSync(file, JSON.stringify(receipt));
  const ends = String(begun.closesAt);
  const judged = async (version) => {
    const words = ["tower", "verify-receipt", file, "--settled-version", String(version), "--closes-at", ends];
    return (await carol.ask(...words)).verdict;
  };
  expectEqual("the receipt says of what happened", await judged(2), "kept");
  expectEqual("and would have said", await judged(1), "failed");
  tell("   Her receipt proves, offline, that the tower kept its word. Had the old version been settled, it would prove the failure.");
}

/// Who owned what before, and owns what now, to the wei.
class Accounts {
  constructor(chain) {
    this.chain = chain;
    this.rows = [];
  }

  async add(node) {
    const address = await account(node);
    const before = await this.chain.getBalance({ address });
    this.from = await this.chain.getBlockNumber();
    this.rows.push({ node, address, before });
  }

  /// What went in and out by transactions and by the contract's payouts must explain each balance.
  async close(channels) {
    title("8. Who owned what, to the wei");
    const payouts = [0n, 0n];
    for (const channelId of channels) {
      const closed = await closing(this.chain, channelId);
      payouts[1] += closed.paid1; // Bob has opened each: he is participant 1.
      payouts[0] += closed.paid2;
    }
    payouts[1] += parseEther("0.5"); // What he took out of the first while it was open.
    const lines = [];
    for (const [place, { node, address, before }] of this.rows.entries()) {
      const { paidIn, gas } = await spentSince(this.chain, this.from, address);
      const after = await this.chain.getBalance({ address });
      expectEqual(`${node.name}'s account`, after, before - paidIn + payouts[place] - gas);
      lines.push([node.name, before, paidIn, payouts[place], gas, after]);
    }
    const head = ["", "before", "paid in", "paid out", "gas", "after"];
    const cells = [head, ...lines.map((line) => line.map(String))];
    const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    for (const row of cells) tell(`   ${row.map((cell, column) => cell.padStart(widths[column])).join("  ")}`);
  }
}

/// The nodes go on until somebody has played enough.
function explain(alice, bob) {
  title("The nodes go on. In other terminals:");
  for (const node of [alice, bob]) {
    tell(`\n   # ${node.name}`);
    for (const [name, value] of Object.entries(node.env)) {
      if (name.startsWith("LOCKSTEP_") && name !== "LOCKSTEP_BINARY") tell(`   export ${name}=${value}`);
    }
  }
  tell(`\n   alias lockstep=${binary}`);
  tell("   lockstep status; lockstep channels --all; lockstep invite   # and so on: lockstep --help");
  tell("\n   Ctrl-C ends both, and the chain.");
}

async function expectBalances(alice, bob, id, forAlice, forBob) {
  const [hers, his] = [await alice.channel(id), await bob.channel(id)];
  expectEqual("Alice's balance", BigInt(hers.ownBalance), forAlice);
  expectEqual("Bob's balance", BigInt(his.ownBalance), forBob);
  expectEqual("Bob's balance as Alice sees it", BigInt(hers.counterpartyBalance), forBob);
  expectEqual("Alice's balance as Bob sees it", BigInt(his.counterpartyBalance), forAlice);
}

/// Both nodes say settled, and the contract's event says the same sums. Bob has opened: he is participant 1.
async function expectSettled(alice, bob, chain, id, forAlice, forBob) {
  for (const node of [alice, bob]) {
    await until(`${node.name} sees the channel settled`, async () => (await node.channel(id)).settled !== null);
  }
  const [hers, his] = (await alice.channel(id)).settled;
  expectEqual("Alice got", BigInt(hers), forAlice);
  expectEqual("Bob got", BigInt(his), forBob);
  const closed = await closing(chain, id);
  expectEqual("the contract paid Bob", closed.paid1, forBob);
  expectEqual("the contract paid Alice", closed.paid2, forAlice);
}

/// The contract's own word about how a channel ended.
async function closing(chain, channelId) {
  const closings = await events(chain, "ChannelClosed", channelId);
  expectEqual("closings on chain", closings.length, 1);
  return closings[0];
}

/// All events of one kind about a channel, oldest first.
async function events(chain, eventName, channelId) {
  const { abi } = JSON.parse(readFileSync(join(root, "contracts/artifacts/PaymentChannel.json"), "utf8"));
  const found = await chain.getContractEvents({ abi, eventName, args: { channelId }, fromBlock: 0n });
  return found.map(({ args }) => args);
}

/// The account that owns a node's channels on this chain.
function account(node) {
  return until(`${node.name}'s account`, async () => (await node.ask("status")).accounts[0].account.toLowerCase());
}

async function sentSince(chain, block, accounts) {
  const sent = await Promise.all(accounts.map((address) => transactionsOf(chain, block, address)));
  return sent.flat().length;
}

/// What an account's own transactions took from it, reverted ones for their gas alone.
async function spentSince(chain, block, address) {
  let [paidIn, gas] = [0n, 0n];
  for (const { hash, value } of await transactionsOf(chain, block, address)) {
    const receipt = await chain.getTransactionReceipt({ hash });
    gas += receipt.gasUsed * receipt.effectiveGasPrice;
    if (receipt.status === "success") paidIn += value;
  }
  return { paidIn, gas };
}

async function transactionsOf(chain, block, address) {
  const now = await chain.getBlockNumber();
  const found = [];
  for (let number = block + 1n; number <= now; number += 1n) {
    const { transactions } = await chain.getBlock({ blockNumber: number, includeTransactions: true });
    found.push(...transactions.filter(({ from }) => from.toLowerCase() === address));
  }
  return found;
}

async function send(chain, url, sender, request) {
  const wallet = createWalletClient({ account: sender, transport: http(url) });
  const hash = await wallet.sendTransaction({ ...request, chain: null });
  const receipt = await chain.waitForTransactionReceipt({ hash });
  expectEqual("the transaction went through", receipt.status, "success");
}

/// What any JSON-RPC client can do: a method, parameters by name, a bearer token.
async function rpc(node, method, params) {
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

function report() {
  figures.checks = checks;
  figures.seconds = (Date.now() - started) / 1000;
  tell(`\nAll ${checks} sums and refusals are exactly as they must be (${figures.seconds.toFixed(0)} s).`);
  if (isJson) console.log(JSON.stringify(figures));
}

const started = Date.now();
try {
  await main();
} catch (error) {
  console.error(error instanceof Mismatch ? `WRONG: ${error.message}` : error);
  process.exitCode = 1;
}
