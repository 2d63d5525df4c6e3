#!/usr/bin/env node
// The main job from nothing: two real nodes on a local chain pair, open a channel, pay each other, move money in
// and out while it is open, and close it together. Then one of them cheats with an old state, and loses.
//
//   demo.mjs [--json] [--keep]
//
// Ends with 0 only if every sum is exact, on both nodes and in the contract's own events. --json prints figures
// instead of words; --keep leaves the folders and logs.
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
const binary = process.env.LOCKSTEP_BINARY ?? join(root, "target/debug/lockstep");
const folder = mkdtempSync(join(tmpdir(), "lockstep-demo-"));
// The public key of every local development chain.
const RICH = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
// An account of our own per chain: lockstep takes 64 indexes for each chain id.
const CHAIN_ID = 31_337;
const ACCOUNT_INDEX = CHAIN_ID * 64;
const PATIENCE_MS = 180_000;
const POLL_MS = 200;

const figures = {};
let checks = 0;
const tell = (text) => { if (!isJson) console.log(text); };
const title = (text) => tell(`\n${text}`);
const pause = () => new Promise((done) => setTimeout(done, POLL_MS));

class Mismatch extends Error {}

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
    const log = openSync(join(folder, `${this.name}.log`), "a");
    this.process = spawn(binary, ["node", ...flags], { env: this.env, stdio: ["ignore", log, log] });
    this.process.on("exit", (code) => { this.code = code; });
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

  async stop() {
    if (this.process === undefined || this.code !== undefined) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    await this.ask("stop").catch(() => this.process.kill());
    await ended;
  }
}

async function main() {
  const [chainPort, ...ports] = await Promise.all(Array.from({ length: 5 }, freePort));
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
  bob.env.LOCKSTEP_CHAIN_DEPLOYMENTS = join(alice.data, "deployments");
  const nodes = [bob, alice]; // Alice's node carries the chain: it ends last.
  try {
    title("1. Two nodes, one local chain");
    await alice.ask("init", "--yes", "--words-to", join(folder, "alice.words"));
    await alice.start("--dev");
    tell("   Alice's node has started a chain that makes a block a second, and put the contracts on it.");
    const words = join(folder, "bob.words");
    await bob.ask("init", "--yes", "--words-to", words);
    await bob.start();
    const chain = createPublicClient({ transport: http(url), pollingInterval: POLL_MS });
    const owner = mnemonicToAccount(readFileSync(words, "utf8").trim(), { addressIndex: ACCOUNT_INDEX });
    expectEqual("Bob's account", await account(bob), owner.address.toLowerCase());
    await send(chain, url, RICH, { to: owner.address, value: parseEther("100") });
    tell(`   Bob's node has joined it; his account ${owner.address} holds 100 ETH.`);

    await agreement(alice, bob, chain);
    await dispute(alice, bob, chain, url, owner);
  } finally {
    for (const node of nodes) await node.stop();
    if (!process.argv.includes("--keep")) rmSync(folder, { recursive: true, force: true });
  }
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
  const many = 1_000;
  const began = Date.now();
  const payments = (count) => Array.from({ length: count }, () => ({ amount: "1000000000000" }));
  const both = [bob, alice].map((node) => rpc(node, "lockstep_payBatch", {
    channelId: id, payments: payments(many), idempotencyKey: "demo", waitMillis: 30_000,
  }));
  await Promise.all(both);
  await until("all payments are final", async () => {
    const sides = await Promise.all([alice.channel(id), bob.channel(id)]);
    return sides.every((side) => side.pendingPayments === 0);
  });
  const seconds = (Date.now() - began) / 1000;
  figures.payments = 2 * many;
  figures.payments_seconds = seconds;
  tell(`   Then ${2 * many} payments of 0.000001 ETH at once, half of them each way: ${seconds.toFixed(2)} s here, no gas.`);
  const transactions = await sentSince(chain, before, [await account(alice), await account(bob)]);
  expectEqual("transactions for all these payments", transactions, 0);
  await expectBalances(alice, bob, id, parseEther("1.5"), parseEther("1.5"));

  title("4. Money comes in and goes out while the channel stays open");
  await bob.ask("deposit", id, "1ETH");
  await until("Bob's deposit counts", async () => BigInt((await bob.channel(id)).ownBalance) === parseEther("2.5"));
  await bob.ask("withdraw", id, "0.5ETH");
  tell("   Bob added 1 ETH and took 0.5 ETH out.");
  await until("the withdrawal is final", async () => BigInt((await alice.channel(id)).counterpartyBalance) === parseEther("2"));
  await expectBalances(alice, bob, id, parseEther("1.5"), parseEther("2"));

  title("5. They close together");
  await alice.ask("close", id);
  await expectSettled(alice, bob, chain, id, parseEther("1.5"), parseEther("2"));
  tell("   One transaction, no waiting: 1.5 ETH to Alice, 2 ETH to Bob.");
}

async function dispute(alice, bob, chain, url, owner) {
  title("6. Bob cheats");
  const id = await open(alice, bob, "1", "1");
  await bob.ask("pay", id, "0.1ETH");
  const proof = join(folder, "old.proof");
  await bob.ask("export-proof", id, "--to", proof);
  await bob.ask("pay", id, "0.6ETH");
  tell("   Bob paid 0.1 ETH, kept a proof of that state, and paid another 0.6 ETH.");
  const old = JSON.parse(readFileSync(proof, "utf8")).calls.find((call) => call.function.startsWith("initiateClose"));
  await send(chain, url, owner, { to: old.to, data: old.calldata });
  tell("   He brings the old state to the chain, by hand: his own node would refuse. If nobody answers, he gets 0.9 ETH.");
  await until("Alice's node answers", async () => {
    const { close } = await alice.channel(id);
    return close !== null && close.version === 2;
  });
  tell("   Alice's node has seen it and answered with the newest state, by itself.");
  await expectSettled(alice, bob, chain, id, parseEther("1.7"), parseEther("0.3"));
  tell("   After the challenge period: 1.7 ETH to Alice, 0.3 ETH to Bob. The cheat gained nothing.");
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
  const { abi } = JSON.parse(readFileSync(join(root, "contracts/artifacts/PaymentChannel.json"), "utf8"));
  const events = await chain.getContractEvents({ abi, eventName: "ChannelClosed", args: { channelId: id }, fromBlock: 0n });
  expectEqual("closings on chain", events.length, 1);
  expectEqual("the contract paid Bob", events[0].args.paid1, forBob);
  expectEqual("the contract paid Alice", events[0].args.paid2, forAlice);
}

/// The account that owns a node's channels on this chain.
function account(node) {
  return until(`${node.name}'s account`, async () => (await node.ask("status")).accounts[0].account.toLowerCase());
}

async function sentSince(chain, block, accounts) {
  const now = await chain.getBlockNumber();
  let count = 0;
  for (let number = block + 1n; number <= now; number += 1n) {
    const { transactions } = await chain.getBlock({ blockNumber: number, includeTransactions: true });
    count += transactions.filter(({ from }) => accounts.includes(from.toLowerCase())).length;
  }
  return count;
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

const started = Date.now();
try {
  await main();
  figures.checks = checks;
  figures.seconds = (Date.now() - started) / 1000;
  tell(`\nAll ${checks} sums and refusals are exactly as they must be (${figures.seconds.toFixed(0)} s).`);
  if (isJson) console.log(JSON.stringify(figures));
} catch (error) {
  console.error(error instanceof Mismatch ? `WRONG: ${error.message}` : error);
  process.exitCode = 1;
}
