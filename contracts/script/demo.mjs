#!/usr/bin/env node
// Plays two whole lives of a payment channel on a chain of its own, and explains them: one that ends in a
// dispute because one side cheats, and one that ends in agreement.
//
//   demo.mjs [--json]
//
// Ends with 0 only if every unit of money is where it must be. --json prints figures instead of words.
import { keccak256, parseEther, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { Channel, NO_INTENT, NO_SIGNATURE } from "./demo/channel.mjs";
import { startChain } from "./demo/chain.mjs";
import { ether, narrator } from "./demo/tell.mjs";
import { deploy, plan, windowOf } from "./deploy.mjs";

const isJson = process.argv.includes("--json");
const tell = narrator(isJson);
const CHALLENGE_PERIOD = 3_600;
// The public keys of every local development chain.
const KEYS = {
  Alice: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  Bob: "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  Tower: "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
};
const eth = parseEther;

class Mismatch extends Error {}

class Stage {
  constructor(chain, parties, contract, abi, chainId) {
    Object.assign(this, { chain, parties, contract, abi, chainId });
    this.gas = [];
    this.fees = new Map(Object.keys(parties).map((name) => [name, 0n]));
    this.checks = 0;
  }

  /// Sends a transaction, books its fee and says what it cost.
  async send(name, functionName, args, { value = 0n, text, life }) {
    const { wallet } = this.parties[name];
    const { client } = this.chain;
    const request = { address: this.contract, abi: this.abi, functionName, args, value, account: wallet.account };
    await client.simulateContract(request);
    const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) });
    if (receipt.status !== "success") throw new Mismatch(`${functionName} failed in ${receipt.transactionHash}`);
    this.fees.set(name, this.fees.get(name) + receipt.gasUsed * receipt.effectiveGasPrice);
    this.gas.push({ life, step: functionName, by: name, gas: Number(receipt.gasUsed) });
    tell.step(text, receipt.gasUsed);
    return receipt;
  }

  /// A call that the contract must refuse, with the error's name.
  async expectRefusal(name, functionName, args, errorName, text) {
    const { wallet } = this.parties[name];
    const request = { address: this.contract, abi: this.abi, functionName, args, account: wallet.account };
    const refused = await this.chain.client.simulateContract(request).then(
      () => "nothing: the call would succeed",
      (error) => error.walk?.((cause) => cause.data?.errorName !== undefined)?.data?.errorName ?? error.shortMessage,
    );
    this.check(`refusal of ${functionName}`, refused, errorName);
    tell.step(`${text} The contract refuses: ${errorName}.`);
  }

  check(what, actual, expected) {
    if (actual !== expected) throw new Mismatch(`${what}: expected ${expected}, found ${actual}`);
    this.checks += 1;
  }

  read(functionName, args) {
    return this.chain.client.readContract({ address: this.contract, abi: this.abi, functionName, args });
  }

  /// What everybody has now, fees added back: only channels can change it.
  async holdings() {
    const balance = (address) => this.chain.client.getBalance({ address });
    const result = { contract: await balance(this.contract) };
    for (const [name, { account }] of Object.entries(this.parties)) {
      result[name] = (await balance(account.address)) + this.fees.get(name);
    }
    return result;
  }
}

function party(chain, name) {
  const wallet = chain.wallet(KEYS[name]);
  // One signing key per channel side, apart from the account that holds the money.
  return { wallet, account: wallet.account, signer: privateKeyToAccount(keccak256(stringToHex(`demo signer of ${name}`))) };
}

function balancesAt(deposit1, deposit2, net) {
  return [deposit1 - net, deposit2 + net];
}

/// Prints the table of a life and checks it against the chain to the last unit.
async function settle(stage, before, [deposit1, deposit2], net) {
  const after = await stage.holdings();
  const [alice, bob] = balancesAt(deposit1, deposit2, net);
  const paidOut = { Alice: alice, Bob: bob };
  const rows = [];
  for (const [name, deposit] of [["Alice", deposit1], ["Bob", deposit2]]) {
    const change = after[name] - before[name];
    stage.check(`${name}'s payout`, change + deposit, paidOut[name]);
    rows.push([name, ether(deposit), ether(paidOut[name]), ether(change)]);
  }
  stage.check("what the contract still holds", after.contract, 0n);
  stage.check("the tower's money", after.Tower, before.Tower);
  rows.push(["contract", "", ether(after.contract), ""]);
  tell.table(["", "put in", "got back", "difference"], rows);
  return { deposits: [deposit1, deposit2], payouts: [alice, bob], contractHolds: after.contract };
}

async function disputedLife(stage) {
  const life = "dispute";
  const { Alice, Bob } = stage.parties;
  const [deposit1, deposit2] = [eth("10"), eth("5")];
  const channel = new Channel({ contract: stage.contract, chainId: stage.chainId, left: Alice, right: Bob, challengePeriod: CHALLENGE_PERIOD, name: "demo: dispute" });
  tell.title("First life: Alice cheats");
  tell.say(`Alice and Bob lock money once, then pay each other without the chain. Their channel is named by the hash of
    its terms, ${channel.id.slice(0, 10)}..., before anything is on the chain. The challenge period is ${CHALLENGE_PERIOD / 60} minutes.`);
  const before = await stage.holdings();
  await stage.send("Alice", "openChannel", [channel.terms, deposit1, "0x"], { value: deposit1, life, text: `Alice opens with ${ether(deposit1)}: pending until Bob joins` });
  await stage.send("Bob", "joinChannel", [channel.terms, deposit2, "0x"], { value: deposit2, life, text: `Bob joins with ${ether(deposit2)}: the channel is active` });

  tell.say("Three payments, each a state that both sign. No transaction, no fee, no waiting:");
  const first = await channel.pay(eth("3"));
  tell.step(`version 1: Alice pays Bob 3 ETH (net ${ether(channel.net)})`);
  await channel.pay(-eth("1"));
  tell.step(`version 2: Bob pays back 1 ETH (net ${ether(channel.net)})`);
  const newest = await channel.pay(eth("4"));
  tell.step(`version 3: Alice pays 4 ETH more (net ${ether(channel.net)})`);
  stage.check("digest of the newest state", await stage.read("stateDigest", [channel.id, newest.state]), newest.digest);
  const [alice, bob] = balancesAt(deposit1, deposit2, channel.net);
  tell.say(`Now ${ether(alice)} are Alice's and ${ether(bob)} are Bob's. Only the two of them know it.`);

  tell.say("Bob goes offline. Alice takes version 1 to the chain, in which she still had 7 ETH:");
  await stage.send("Alice", "initiateClose", [channel.terms, first.state, first.signature1, first.signature2, NO_INTENT], { life, text: "Alice starts to close with the old state; the challenge period begins" });
  const { closesAt } = await stage.read("channelOf", [channel.id]);
  await stage.expectRefusal("Alice", "closeChannel", [channel.terms], "WindowOpen", "Alice tries to take the money at once.");
  tell.say("Bob's watchtower sees the close. It holds no money and no key of the channel, only version 3 with both signatures:");
  await stage.send("Tower", "challengeClose", [channel.terms, newest.state, newest.signature1, newest.signature2], { life, text: "the tower answers with version 3; the deadline stays where it was" });
  stage.check("the deadline", (await stage.read("channelOf", [channel.id])).closesAt, closesAt);
  await stage.expectRefusal("Alice", "challengeClose", [channel.terms, first.state, first.signature1, first.signature2], "StaleVersion", "Alice shows her old state again.");

  await stage.chain.test.setNextBlockTimestamp({ timestamp: BigInt(closesAt) });
  await stage.chain.test.mine({ blocks: 1 });
  tell.say(`${CHALLENGE_PERIOD / 60} minutes later anybody may settle:`);
  await stage.send("Tower", "closeChannel", [channel.terms], { life, text: "the channel is settled at version 3 and both are paid" });
  return settle(stage, before, [deposit1, deposit2], channel.net);
}

async function peacefulLife(stage) {
  const life = "agreement";
  const { Alice, Bob } = stage.parties;
  const [deposit1, deposit2] = [eth("2"), 0n];
  const channel = new Channel({ contract: stage.contract, chainId: stage.chainId, left: Alice, right: Bob, challengePeriod: CHALLENGE_PERIOD, name: "demo: agreement" });
  tell.title("Second life: both agree");
  tell.say("Bob signs his consent beforehand, so one transaction opens the channel; he brings no money of his own.");
  const before = await stage.holdings();
  const { timestamp } = await stage.chain.client.getBlock();
  const consent = await channel.consent(deposit1, timestamp + 600n);
  await stage.send("Alice", "openChannel", [channel.terms, deposit1, consent], { value: deposit1, life, text: `Alice opens with ${ether(deposit1)} and Bob's consent: active at once` });
  const payments = 25;
  for (let i = 0; i < payments; i += 1) await channel.pay(eth("0.01"));
  tell.step(`${payments} payments of 0.01 ETH from Alice to Bob, all off the chain (version ${channel.version})`);
  const old = await channel.pay(eth("0.05"));
  tell.step(`one more of 0.05 ETH (version ${channel.version}, net ${ether(channel.net)})`);
  const final = await channel.finish();
  tell.say("They part in peace: both sign a final state, which needs no challenge period.");
  const short = ({ version, net }) => ({ version, net });
  await stage.expectRefusal("Bob", "cooperativeClose", [channel.terms, short(old.state), old.signature1, old.signature2], "BadSignature", "An ordinary state can't be passed off as a final one.");
  await stage.send("Bob", "cooperativeClose", [channel.terms, short(final.state), final.signature1, final.signature2], { life, text: "Bob closes with the final state; both are paid in the same transaction" });
  await stage.expectRefusal("Alice", "initiateClose", [channel.terms, old.state, old.signature1, old.signature2, NO_INTENT], "WrongStatus", "What is closed stays closed.");
  return settle(stage, before, [deposit1, deposit2], channel.net);
}

function report(stage, lives) {
  const total = (life) => stage.gas.filter((entry) => entry.life === life).reduce((sum, { gas }) => sum + gas, 0);
  tell.title("Gas");
  const rows = stage.gas.map(({ life, step, by, gas }) => [`${life}: ${step}`, by, gas]);
  for (const life of Object.keys(lives)) rows.push([`${life}: whole life`, "", total(life)]);
  tell.table(["step", "sent by", "gas"], rows);
  tell.say(`All ${stage.checks} sums and refusals are exactly as they must be.`);
  if (!isJson) return;
  const figures = { ok: true, checks: stage.checks, gas: stage.gas, gasPerLife: Object.fromEntries(Object.keys(lives).map((life) => [life, total(life)])), lives };
  console.log(JSON.stringify(figures, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2));
}

async function main() {
  // Whoever reads may stop reading, as `head` does.
  process.stdout.on("error", () => process.exit(1));
  const chain = await startChain();
  const parties = Object.fromEntries(Object.keys(KEYS).map((name) => [name, party(chain, name)]));
  tell.title("Lockstep: a payment channel from open to close");
  tell.say(`A chain for development runs at ${chain.url}; nothing here costs real money.`);
  const what = plan({ artifactName: "PaymentChannel", window: windowOf("development:60") });
  const { channel: deployed, chainId } = await deploy({ client: chain.client, wallet: parties.Tower.wallet, network: "demo", what, say: (line) => tell.step(line) });
  const stage = new Stage(chain, parties, deployed.address, what.channel.artifact.abi, chainId);
  const lives = { dispute: await disputedLife(stage), agreement: await peacefulLife(stage) };
  report(stage, lives);
}

main().then(
  () => process.exit(0),
  (error) => {
    const reason = error instanceof Mismatch ? error.message : (error.stack ?? String(error));
    if (isJson) console.log(JSON.stringify({ ok: false, error: reason }));
    console.error(`demo: ${reason}`);
    process.exit(1);
  },
);
