#!/usr/bin/env node
// The main job from nothing: two real nodes on a local L1 and rollup with the real contracts of the bridge. A channel
// is opened by one L1 transaction, and payments stream both ways while one node is killed; money comes in and goes
// out; they close together. Of three more channels one is closed by one side alone, and in two somebody cheats with an
// old state, and loses: once to a node, and once to a watchtower, while the victim is away. In the end money goes home
// to L1.
//
//   demo.mjs [--json] [--keep]
//
// Ends with 0 only if every sum is exact, on both nodes, in the contract's own events and in the accounts on both
// chains. --json prints figures instead of words; --keep (make demo KEEP=1) leaves the nodes running to play with.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Accounts } from "./demo/accounts.mjs";
import { Devnet } from "./demo/chain.mjs";
import {
  Interrupted, Mismatch, expectEqual, figures, folder, freePort, isJson, root, tell, title, until,
} from "./demo/kit.mjs";
import { Node, Tower, account, binary, rpc } from "./demo/people.mjs";
import { View } from "./demo/view.mjs";

const require = createRequire(join(root, "contracts/package.json"));
const { formatEther, parseEther } = require("viem");
const { mnemonicToAccount, privateKeyToAccount } = require("viem/accounts");

const isKept = process.argv.includes("--keep");
// The public key of every local development chain.
const RICH = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
// Accounts of our own per chain: lockstep takes 64 indexes for each chain id.
const ACCOUNTS_PER_CHAIN = 64;
// The stream: each side pays so many batches, each payment so much, in wei.
const ROUNDS = 30;
const BATCH = 200;
const STREAMED = { alice: 1_000_000_000_000n, bob: 2_000_000_000_000n };
// A little more than the challenge period, which is the least that is safe on an OP Stack chain.
const WINDOW_SECS = 36 * 3_600 + 60;
const NETWORK = "optimism-local";

async function main() {
  const devnet = new Devnet();
  const people = {};
  const signal = new Promise((done) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, done);
  });
  try {
    const interrupted = signal.then(() => { throw new Interrupted(); });
    await Promise.race([prepare(devnet, people).then(() => play(people, devnet)), interrupted]);
    report();
    if (isKept) {
      explain(people.alice, people.bob);
      await signal;
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) {
      console.error(`The nodes' folders and logs are in ${folder}`);
      throw error;
    }
    process.exitCode = 130;
  } finally {
    for (const one of Object.values(people)) await one.stop();
    await devnet.stop();
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}

/// Both chains, and folders for everybody; no node runs yet.
async function prepare(devnet, people) {
  await devnet.start();
  const ports = await Promise.all(Array.from({ length: 8 }, freePort));
  const password = join(folder, "password");
  writeFileSync(password, "only for the demo\n", { mode: 0o600 });
  const bridge = join(folder, "bridge.toml");
  writeFileSync(bridge, devnet.bridge);
  const deployments = join(folder, "deployments");
  mkdirSync(deployments);
  const options = (number) => ({
    LOCKSTEP_NETWORK: NETWORK,
    LOCKSTEP_CHAIN_KIND: "optimism",
    LOCKSTEP_CHAIN_ID: String(devnet.place.l2ChainId),
    LOCKSTEP_CHAIN_ENDPOINTS: devnet.l2.endpoints.join(","),
    LOCKSTEP_CHAIN_DEPLOYMENTS: deployments,
    LOCKSTEP_BRIDGE_ENDPOINTS: devnet.l1.endpoints.join(","),
    LOCKSTEP_BRIDGE_FILE: bridge,
    LOCKSTEP_RPC_LISTEN: `127.0.0.1:${ports[2 * number]}`,
    LOCKSTEP_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${ports[2 * number + 1]}`,
    LOCKSTEP_PASSWORD_FILE: password,
  });
  people.tower = new Tower(devnet.l2.endpoints, join(deployments, `${NETWORK}.json`), password, ports.slice(6));
  people.carol = new Node("carol", options(2));
  people.bob = new Node("bob", options(1));
  people.alice = new Node("alice", options(0));
}

/// All chapters.
async function play({ alice, bob, carol, tower }, devnet) {
  title("1. Two nodes, a local L1 and a rollup on it");
  const { l1, l2 } = devnet;
  const [hers, his] = [await move_in(alice, devnet, "100"), await move_in(bob, devnet, "1.9")];
  await alice.ask("deploy", "--yes");
  for (const node of [alice, bob]) await node.start();
  expectEqual("Alice's account", await account(alice), hers.address.toLowerCase());
  expectEqual("Bob's account", await account(bob), his.address.toLowerCase());
  const accounts = new Accounts();
  await accounts.add("Alice", l2, hers.address.toLowerCase());
  await accounts.add("Bob", l2, his.address.toLowerCase());
  const [bobs] = await until("Bob's account on L1", async () => {
    const all = await bob.ask("networks");
    return all[0]?.l1Account && all;
  });
  await l1.send(RICH, { to: bobs.l1Account, value: parseEther("10") });
  await accounts.add("Bob on L1", l1, bobs.l1Account.toLowerCase());
  tell("   The bridge between them is the real one. Alice put the channel contract on the rollup.");
  tell("   She has 100 ETH there; Bob has 1.9 ETH there, and 10 ETH on L1.");

  const first = await agreement(alice, bob, devnet, accounts);
  const others = await alone(alice, bob, devnet, his);
  const last = await away(bob, carol, tower, devnet, his, accounts);
  await home(bob, devnet, bobs.l1Account, accounts);
  // Bob has opened each: he is participant 1.
  for (const [channel, name] of [[first, "Alice"], ...others.map((id) => [id, "Alice"]), [last, "Carol"]]) {
    const closed = await closing(l2, channel);
    accounts.paid("Bob", closed.paid1);
    accounts.paid(name, closed.paid2);
  }
  await accounts.close();
}

/// A folder for a node, and money for its account on the rollup; returns the account.
async function move_in(node, { place, l2 }, ether) {
  const words = join(folder, `${node.name}.words`);
  await node.ask("init", "--yes", "--words-to", words);
  const addressIndex = place.l2ChainId * ACCOUNTS_PER_CHAIN;
  const owner = mnemonicToAccount(readFileSync(words, "utf8").trim(), { addressIndex });
  await l2.send(RICH, { to: owner.address, value: parseEther(ether) });
  return owner;
}

/// Bob opens towards Alice's invite, both bring money, his by one transaction on L1 if it is to; returns the
/// channel's id once both may pay.
async function open(alice, bob, theirs, ours, isFromL1 = false) {
  const { invite } = await alice.ask("invite", "--no-qr");
  const opening = bob.ask("open", invite, `${theirs}ETH`, "--ask", `${ours}ETH`, ...(isFromL1 ? ["--no-wait"] : []));
  const offer = await until("Bob's offer", async () => (await alice.ask("join"))[0]);
  const joining = alice.ask("join", offer.channelId);
  if (isFromL1) await fund(bob, offer.channelId);
  await Promise.all([joining, opening]);
  const total = parseEther(theirs) + parseEther(ours);
  for (const node of [alice, bob]) {
    await until(`${node.name} counts both deposits`, async () => {
      const channel = await node.channel(offer.channelId);
      return channel?.phase === "open" && BigInt(channel.capacity) === total;
    });
  }
  return offer.channelId;
}

/// One transaction on L1 opens the channel on the rollup, once Alice has signed that she joins.
async function fund(bob, channel) {
  const sent = await until("Alice's consent", () => bob.ask("fund", channel));
  expectEqual("what is on its way", sent.channelId, channel);
  expectEqual("it says when it arrives", typeof sent.arrivesAt, "number");
  await until("the money from L1 is in the channel", async () => {
    const [transfer] = await bob.ask("transfers");
    return transfer.state === "credited" && transfer.isOver;
  });
}

async function agreement(alice, bob, { l2 }, accounts) {
  title("2. They pair by an invite link and open a channel from L1");
  const counts = () => Promise.all([accounts.count("Bob"), accounts.count("Bob on L1")]);
  const before = await counts();
  const id = await open(alice, bob, "2", "1", true);
  const after = await counts();
  expectEqual("Bob's transactions on the rollup", after[0] - before[0], 0);
  expectEqual("Bob's transactions on L1", after[1] - before[1], 1);
  tell(`   ${id}: Bob brought 2 ETH, more than he has on the rollup: with one transaction,`);
  tell("   to the bridge on L1, which called the contract on the rollup. Alice brought 1 ETH.");

  title("3. They pay each other, off the chain");
  const block = await l2.client.getBlockNumber({ cacheTime: 0 });
  await bob.ask("pay", id, "0.3ETH", "--memo", "a coffee machine");
  await alice.ask("pay", id, "0.05ETH", "--memo", "change");
  const { invoice } = await alice.ask("invoice", id, "0.25ETH");
  await bob.ask("pay", invoice);
  tell("   Bob paid 0.3 ETH and an invoice of 0.25 ETH; Alice gave back 0.05 ETH.");
  await stream(alice, bob, id);
  const owners = await Promise.all([alice, bob].map(account));
  const sent = await Promise.all(owners.map((address) => l2.transactionsOf(block, address)));
  expectEqual("transactions for all these payments", sent.flat().length, 0);
  const each = BigInt(ROUNDS * BATCH);
  const gained = each * (STREAMED.bob - STREAMED.alice);
  const [hers, his] = [parseEther("1.5") + gained, parseEther("1.5") - gained];
  await expectBalances(alice, bob, id, hers, his);
  tell(`   Exact on both sides: ${formatEther(hers)} ETH and ${formatEther(his)} ETH; no transaction, no gas.`);

  title("4. Money comes in and goes out while the channel stays open");
  await bob.ask("deposit", id, "1ETH");
  await until("Bob's deposit counts", async () => BigInt((await bob.channel(id)).ownBalance) === his + parseEther("1"));
  await bob.ask("withdraw", id, "0.5ETH");
  accounts.paid("Bob", parseEther("0.5"));
  tell("   Bob added 1 ETH and took 0.5 ETH out.");
  const left = his + parseEther("0.5");
  await until("the withdrawal is final", async () => BigInt((await alice.channel(id)).counterpartyBalance) === left);
  await expectBalances(alice, bob, id, hers, left);

  title("5. They close together");
  await alice.ask("close", id);
  await expectSettled(alice, bob, l2, id, hers, left);
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

/// Two closes that only one side wants: their challenge periods pass side by side.
async function alone(alice, bob, devnet, owner) {
  const { l2 } = devnet;
  title("6. Alice closes a second channel alone");
  const honest = await open(alice, bob, "1", "0.5");
  await bob.ask("pay", honest, "0.2ETH");
  await alice.ask("force-close", honest, "--yes");
  tell("   Bob paid 0.2 ETH. She brings the newest state to the chain; the challenge period of 36 hours runs.");

  title("7. Bob cheats in a third");
  const cheated = await open(alice, bob, "1", "1");
  await bob.ask("pay", cheated, "0.1ETH");
  const proof = join(folder, "old.proof");
  await bob.ask("export-proof", cheated, "--to", proof);
  await bob.ask("pay", cheated, "0.6ETH");
  tell("   Bob paid 0.1 ETH, kept a proof of that state, and paid another 0.6 ETH.");
  const old = JSON.parse(readFileSync(proof, "utf8")).calls.find((call) => call.function.startsWith("initiateClose"));
  await l2.send(owner, { to: old.to, data: old.calldata });
  tell("   He brings the old state to the chain, by hand: his own node would refuse. If nobody answers, he gets 0.9 ETH.");
  await until("Alice's node answers", async () => {
    const { close } = await alice.channel(cheated);
    return close !== null && close.version === 2;
  });
  tell("   Alice's node has seen it and answered with the newest state, by itself.");

  await devnet.order("warp", WINDOW_SECS);
  tell("   The chains' clocks go on by 36 hours.");
  await expectSettled(alice, bob, l2, honest, parseEther("0.7"), parseEther("0.8"));
  tell("   The second channel has ended: 0.7 ETH to Alice, 0.8 ETH to Bob.");
  await expectSettled(alice, bob, l2, cheated, parseEther("1.7"), parseEther("0.3"));
  tell("   And the third: 1.7 ETH to Alice, 0.3 ETH to Bob. The cheat gained nothing.");
  return [honest, cheated];
}

/// Carol's node is down when Bob cheats, and his own node, too: only her tower can answer.
async function away(bob, carol, tower, devnet, owner, accounts) {
  const { l2 } = devnet;
  title("8. Bob cheats again, while his victim is away");
  const carols = await move_in(carol, devnet, "100");
  await carol.start();
  expectEqual("carol's account", await account(carol), carols.address.toLowerCase());
  await accounts.add("Carol", l2, carols.address.toLowerCase());
  const { address, accounts: [{ lanes: [lane] }] } = await tower.start();
  await l2.send(RICH, { to: lane, value: parseEther("1") });
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
  await l2.send(owner, { to: old.to, data: old.calldata });
  tell("   Bob brings the state of 0.1 ETH to the chain.");
  const [begun, answered] = await until("the tower answers", async () => {
    const closings = await l2.events("ChannelClosing", id);
    return closings.length > 1 && closings;
  });
  expectEqual("the version that Bob showed", begun.version, 1n);
  expectEqual("the version that the tower showed", answered.version, 2n);
  tell("   The tower has answered with the newest state. The chains' clocks go on by 36 hours.");
  await devnet.order("warp", WINDOW_SECS);
  await bob.start();
  await until("the channel is closed", async () => (await l2.events("ChannelClosed", id))[0]);
  await carol.start();
  await expectSettled(carol, bob, l2, id, parseEther("1.7"), parseEther("0.3"));
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
  return id;
}

/// From the rollup to L1, through every delay of the bridge.
async function home(bob, devnet, l1Account, accounts) {
  const { l1 } = devnet;
  title("9. Bob takes money home to L1");
  const before = await l1.balance(l1Account);
  const sum = parseEther("1");
  const ordered = await bob.ask("withdraw", "--to", "l1", "1ETH");
  const transfer = async (isSo) => {
    const all = await bob.ask("transfers");
    const one = all.find(({ transferId }) => transferId === ordered.transferId);
    return isSo(one) && one;
  };
  await until("the withdrawal is final on the rollup", () => transfer((it) => it.waitsFor.includes("a root on L1")));
  tell("   1 ETH has left the rollup. It waits for somebody to propose the rollup's state on L1.");
  await devnet.order("propose");
  const proven = await until("its proof is on L1", () => transfer((it) => it.state === "proven" && it.arrivesAt));
  const { timestamp } = await l1.client.getBlock();
  const wait = BigInt(proven.arrivesAt) - timestamp;
  tell(`   His node has proven it there. The state may be disputed: ${(Number(wait) / 86_400).toFixed(1)} days, as the contracts say.`);
  expectEqual("nothing is paid before that", await l1.balance(l1Account) < before, true);
  await devnet.order("warp", wait + 1n);
  await until("L1 has paid", () => transfer((it) => it.state === "done" && it.isOver));
  accounts.paid("Bob on L1", sum);
  tell("   The clocks go on by that, his node ends the dispute that nobody began, and L1 pays him 1 ETH.");
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
  tell("\n   Ctrl-C ends both, and the chains.");
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
  const closings = await chain.events("ChannelClosed", channelId);
  expectEqual("closings on chain", closings.length, 1);
  return closings[0];
}

function report() {
  figures.seconds = (Date.now() - started) / 1000;
  tell(`\nAll ${figures.checks} sums and refusals are exactly as they must be (${figures.seconds.toFixed(0)} s).`);
  if (isJson) console.log(JSON.stringify(figures));
}

const started = Date.now();
try {
  await main();
} catch (error) {
  console.error(error instanceof Mismatch ? `WRONG: ${error.message}` : error);
  process.exitCode = 1;
}
