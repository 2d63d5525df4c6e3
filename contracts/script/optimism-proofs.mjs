#!/usr/bin/env node
// Makes tests/vectors/optimism-proofs.json: withdrawals with their blocks and state proofs, recorded from the local
// OP Stack network, and what viem makes of them for the portal. The bridge's Rust code must agree with every byte.
//
//   optimism-proofs.mjs            anew, from a network of its own
//   optimism-proofs.mjs --check    viem on what was recorded; fails if the committed file differs
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  concat, createClient, createPublicClient, createWalletClient, custom, encodeAbiParameters, http, keccak256, parseAbi,
  stringToHex, toRlp,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { buildProveWithdrawal, getWithdrawalHashStorageSlot, getWithdrawals } from "viem/op-stack";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const file = join(root, "tests/vectors/optimism-proofs.json");
const binary = process.env.LOCKSTEP_DEVNET_BINARY ?? join(root, "target/debug/devnet");
const PASSER = "0x4200000000000000000000000000000000000016";
const PASSER_ABI = parseAbi(["function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable"]);
// The public key of every local development chain.
const RICH = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
// Withdrawals that are in the state when a proof is recorded: a trie of one leaf, of one branch, of several levels.
const COUNTS = [1, 5, 24];
const LOOKS = 150;
const EMPTY_CODE = keccak256("0x");

/// What viem hands to the portal, as it is told in JSON.
async function expected({ block, proof, withdrawal }) {
  const answers = { eth_getBlockByNumber: block, eth_getProof: proof };
  const transport = custom({ request: async ({ method }) => answers[method] });
  const game = { index: 0n, l2BlockNumber: BigInt(block.number), usesSuperRoots: false };
  const built = await buildProveWithdrawal(createClient({ transport }), { game, withdrawal });
  const { version, stateRoot, messagePasserStorageRoot, latestBlockhash } = built.outputRootProof;
  const outputRoot = keccak256(concat([version, stateRoot, messagePasserStorageRoot, latestBlockhash]));
  return { outputRootProof: built.outputRootProof, outputRoot, withdrawalProof: built.withdrawalProof };
}

async function record() {
  const devnet = spawn(binary, ["optimism", "--piped"], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: devnet.stdout })[Symbol.asyncIterator]();
  try {
    const { l2 } = JSON.parse((await lines.next()).value);
    const client = createPublicClient({ transport: http(l2), pollingInterval: 100 });
    const wallet = createWalletClient({ account: RICH, transport: http(l2) });
    const vectors = [];
    let sent = 0;
    for (const count of COUNTS) {
      let last;
      for (; sent < count; sent += 1) last = await landed(client, await withdraw(wallet, sent));
      const [withdrawal] = getWithdrawals(last);
      const slot = getWithdrawalHashStorageSlot({ withdrawalHash: withdrawal.withdrawalHash });
      const number = `0x${last.blockNumber.toString(16)}`;
      const block = await client.request({ method: "eth_getBlockByNumber", params: [number, false] });
      const proof = await client.request({ method: "eth_getProof", params: [PASSER, [slot], number] });
      vectors.push({ name: `one of ${count}`, block, proof, withdrawal: told(withdrawal) });
    }
    return vectors;
  } finally {
    devnet.stdin.end();
  }
}

/// The account's transactions are all withdrawals: their number is the nonce.
function withdraw(wallet, number) {
  const args = [`0x${(number + 1).toString(16).padStart(40, "0")}`, 100_000n, number % 2 ? "0x1234" : "0x"];
  const call = { address: PASSER, abi: PASSER_ABI, functionName: "initiateWithdrawal", args, value: BigInt(number) };
  const fees = { gas: 300_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n };
  return wallet.writeContract({ ...call, ...fees, nonce: number, chain: null });
}

async function landed(client, hash) {
  for (let look = 0; look < LOOKS; look += 1) {
    const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
    if (receipt) return receipt;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`no block holds ${hash}`);
}

const told = (withdrawal) => JSON.parse(JSON.stringify(withdrawal, (_, it) => (typeof it === "bigint" ? it.toString() : it)));

/// Two withdrawals whose places in the trie begin alike for so long that their leaves are inside of their branch: found
/// by search, since no local network has that many.
function crowded() {
  const nonces = JSON.parse(readFileSync(join(root, "contracts/script/optimism-crowded.json"), "utf8"));
  const [one, other] = nonces.map((nonce) => made(BigInt(nonce)));
  const [key, beside] = [one, other].map(({ withdrawalHash }) => keccak256(getWithdrawalHashStorageSlot({ withdrawalHash })).slice(2));
  let shared = 0;
  while (key[shared] === beside[shared]) shared += 1;
  const branch = Array.from({ length: 17 }, () => "0x");
  for (const it of [key, beside]) branch[Number.parseInt(it[shared], 16)] = [compact(it.slice(shared + 1), true), "0x01"];
  const node = toRlp(branch);
  const top = toRlp([compact(key.slice(0, shared), false), keccak256(node)]);
  const account = { nonce: "0x1", balance: "0x5", codeHash: EMPTY_CODE, storageHash: keccak256(top) };
  const leaf = toRlp([compact(keccak256(PASSER).slice(2), true), toRlp(["0x01", "0x05", account.storageHash, account.codeHash])]);
  const slot = getWithdrawalHashStorageSlot({ withdrawalHash: one.withdrawalHash });
  const proof = {
    address: PASSER, ...account, accountProof: [leaf], storageProof: [{ key: slot, value: "0x1", proof: [top, node] }],
  };
  const block = { number: "0x1", hash: keccak256(stringToHex("lockstep crowded")), stateRoot: keccak256(leaf), timestamp: "0x1", transactions: [] };
  return { name: "a leaf inside of its branch", block, proof, withdrawal: told(one) };
}

/// Source: Ethereum's yellow paper, appendix C.
function compact(nibbles, isLeaf) {
  const flag = (isLeaf ? 2 : 0) + (nibbles.length % 2);
  return `0x${flag.toString(16)}${nibbles.length % 2 ? "" : "0"}${nibbles}`;
}

function made(nonce) {
  const fields = { nonce, sender: PASSER, target: PASSER, value: 0n, gasLimit: 100_000n, data: "0x" };
  const types = ["uint256", "address", "address", "uint256", "uint256", "bytes"].map((type) => ({ type }));
  return { ...fields, withdrawalHash: keccak256(encodeAbiParameters(types, Object.values(fields))) };
}

const isCheck = process.argv[2] === "--check";
const committed = isCheck ? JSON.parse(readFileSync(file, "utf8")) : undefined;
const inputs = isCheck ? committed.proofs.slice(0, COUNTS.length) : await record();
inputs.push(crowded());
const proofs = [];
for (const { name, block, proof, withdrawal } of inputs) {
  proofs.push({ name, block, proof, withdrawal, expected: await expected({ block, proof, withdrawal }) });
}
const text = `${JSON.stringify({ madeWith: "viem 2.57.20", proofs }, null, 1)}\n`;
if (!isCheck) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error("tests/vectors/optimism-proofs.json is not what viem makes: run contracts/script/optimism-proofs.mjs");
  process.exit(1);
}
