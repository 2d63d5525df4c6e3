// The two chains: a local L1 and an OP Stack rollup with the real bridge contracts, and what is read from them.
import { spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { POLL_MS, expectEqual, folder, root, until } from "./kit.mjs";

const require = createRequire(join(root, "contracts/package.json"));
const { createPublicClient, createWalletClient, http } = require("viem");

const binary = process.env.LOCKSTEP_DEVNET_BINARY ?? join(root, "target/debug/devnet");
/// Where the rollup collects what L1 takes for a transaction's data.
const L1_FEE_VAULT = "0x420000000000000000000000000000000000001a";
/// Blocks that are read at once.
const PAGE = 64n;

/// The process behind both chains; it ends with the pipe to it.
export class Devnet {
  async start() {
    const log = openSync(join(folder, "devnet.log"), "a");
    this.process = spawn(binary, ["optimism", "--piped"], { stdio: ["pipe", "pipe", log] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    this.answers = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    const place = await this.answer();
    this.place = place;
    this.l1 = new Chain(place.l1);
    this.l2 = new Chain(place.l2);
  }

  async answer() {
    const { value, done } = await this.answers.next();
    if (done) throw new Error(`the local network has stopped; see ${folder}/devnet.log`);
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  order(...words) {
    this.process.stdin.write(`${words.join(" ")}\n`);
    return this.answer();
  }

  /// How the rollup is bridged, as the nodes' bridge.file has it.
  get bridge() {
    const { l1ChainId, l2ChainId, systemConfig } = this.place;
    return [
      'stack = "optimism"', `l1-chain-id = ${l1ChainId}`, `l2-chain-id = ${l2ChainId}`, `entry = "${systemConfig}"`,
      'source = "the local network"', 'date = "2026-11-24"', "",
    ].join("\n");
  }

  async stop() {
    if (this.process === undefined || this.process.exitCode !== null) return;
    this.process.stdin.end();
    await this.ended;
  }
}

/// One of them.
export class Chain {
  constructor(url) {
    this.url = url;
    this.client = createPublicClient({ transport: http(url), pollingInterval: POLL_MS });
  }

  /// Under two names: money counts only on the word of two endpoints.
  get endpoints() {
    return [this.url, this.url.replace("127.0.0.1", "localhost")];
  }

  async send(sender, request) {
    const wallet = createWalletClient({ account: sender, transport: http(this.url) });
    const hash = await wallet.sendTransaction({ ...request, chain: null });
    const receipt = await until("a block to hold it", () => this.client.getTransactionReceipt({ hash }));
    expectEqual("the transaction went through", receipt.status, "success");
  }

  balance(address) {
    return this.client.getBalance({ address });
  }

  /// All events of one kind about a channel, oldest first.
  async events(eventName, channelId) {
    const { abi } = JSON.parse(readFileSync(join(root, "contracts/artifacts/PaymentChannel.json"), "utf8"));
    const found = await this.client.getContractEvents({ abi, eventName, args: { channelId }, fromBlock: 0n });
    return found.map(({ args }) => args);
  }

  async transactionsOf(block, address) {
    const now = await this.client.getBlockNumber({ cacheTime: 0 });
    const found = [];
    for (let start = block + 1n; start <= now; start += PAGE) {
      const numbers = [];
      for (let number = start; number < start + PAGE && number <= now; number += 1n) numbers.push(number);
      const read = (blockNumber) => this.client.getBlock({ blockNumber, includeTransactions: true });
      for (const { transactions } of await Promise.all(numbers.map(read))) {
        found.push(...transactions.filter(({ from }) => from.toLowerCase() === address));
      }
    }
    return found;
  }

  /// What an account's own transactions took from it, reverted ones for their fees alone.
  async spentSince(block, address) {
    let [paidIn, fees] = [0n, 0n];
    for (const { hash, value } of await this.transactionsOf(block, address)) {
      const receipt = await this.client.getTransactionReceipt({ hash });
      fees += receipt.gasUsed * receipt.effectiveGasPrice + await this.dataFee(hash);
      if (receipt.status === "success") paidIn += value;
    }
    return { paidIn, fees };
  }

  /// What the rollup took for a transaction's data, by what its vault gained in it; nothing on L1.
  async dataFee(hash) {
    const params = [hash, { tracer: "prestateTracer", tracerConfig: { diffMode: true } }];
    const { pre, post } = await this.client.request({ method: "debug_traceTransaction", params });
    const held = (state) => BigInt(state[L1_FEE_VAULT]?.balance ?? 0);
    return post[L1_FEE_VAULT] === undefined ? 0n : held(post) - held(pre);
  }
}
