#!/usr/bin/env node
// Makes tests/vectors/optimism.json with viem: what an OP Stack rollup makes of logs of the portal, and how it
// names withdrawals. The bridge's Rust tests read the file and must agree with every byte.
//
//   optimism.mjs [--check]
//
// --check writes nothing and fails if the committed file is not what viem makes today.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeAbiParameters, encodePacked, keccak256, stringToHex } from "viem";
import { getL2TransactionHash, getWithdrawalHashStorageSlot } from "viem/op-stack";

const file = join(dirname(fileURLToPath(import.meta.url)), "../../tests/vectors/optimism.json");
const word = (name) => keccak256(stringToHex(`lockstep optimism ${name}`));
const account = (name) => `0x${word(name).slice(26)}`;

const ETHER = 10n ** 18n;
const CASES = [
  { name: "coin with a call", mint: ETHER, value: ETHER, gas: 250_000n, isCreation: false, data: word("call") },
  { name: "mint above value", mint: 3n * ETHER, value: ETHER, gas: 60_000n, isCreation: false, data: "0x" },
  { name: "forced call without money", mint: 0n, value: 0n, gas: 500_000n, isCreation: false, data: word("close") },
  { name: "spends what is there", mint: 0n, value: 5n, gas: 21_000n, isCreation: false, data: "0x" },
  { name: "creates a contract", mint: 1n, value: 1n, gas: 3_000_000n, isCreation: true, data: "0x6001600101" },
  { name: "one byte", mint: 2n ** 96n - 1n, value: 2n ** 96n - 1n, gas: 2n ** 63n, isCreation: false, data: "0x00" },
];

const deposits = CASES.map(({ name, mint, value, gas, isCreation, data }, index) => {
  const opaqueData = encodePacked(
    ["uint256", "uint256", "uint64", "bool", "bytes"], [mint, value, gas, isCreation, data],
  );
  const log = {
    blockHash: word(`block ${index}`),
    logIndex: index * 7,
    args: { from: account(`from ${index}`), to: isCreation ? `0x${"00".repeat(20)}` : account(`to ${index}`), version: 0n, opaqueData },
  };
  return {
    name, blockHash: log.blockHash, logIndex: log.logIndex, from: log.args.from, to: log.args.to,
    opaqueData, hash: getL2TransactionHash({ log }),
  };
});

const withdrawals = [0n, 1n, 2n ** 96n, ETHER].map((value, index) => {
  const fields = {
    nonce: (1n << 240n) | BigInt(index), sender: account(`sender ${index}`), target: account(`target ${index}`),
    value, gasLimit: 100_000n, data: index % 2 === 0 ? "0x" : word(`data ${index}`),
  };
  // As `Hashing.hashWithdrawal` encodes it.
  const types = ["uint256", "address", "address", "uint256", "uint256", "bytes"].map((type) => ({ type }));
  const withdrawalHash = keccak256(encodeAbiParameters(types, Object.values(fields)));
  return {
    nonce: fields.nonce.toString(), sender: fields.sender, target: fields.target, value: value.toString(),
    gasLimit: "100000", data: fields.data, withdrawalHash, slot: getWithdrawalHashStorageSlot({ withdrawalHash }),
  };
});

const made = `${JSON.stringify({ madeWith: "viem 2.57.20", deposits, withdrawals }, null, 2)}\n`;
if (process.argv[2] === "--check") {
  if (readFileSync(file, "utf8") !== made) {
    console.error("tests/vectors/optimism.json is not what viem makes: run contracts/script/optimism.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(file, made);
}
