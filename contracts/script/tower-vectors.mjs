#!/usr/bin/env node
// Makes tests/vectors/tower.json with viem: digests and signatures of what towers and their clients sign.
//
//   tower-vectors.mjs [--check]
//
// --check writes nothing and fails if the committed file is not what viem makes today.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hashTypedData, keccak256, parseSignature, serializeCompactSignature, signatureToCompactSignature, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const file = join(dirname(fileURLToPath(import.meta.url)), "../../tests/vectors/tower.json");

const fields = (list) => list.split(",").map((field) => {
  const [type, name] = field.split(" ");
  return { name, type };
});
const TYPES = {
  TowerReceipt: fields("address tower,bytes32 channelId,uint64 version,bytes32 stateHash,uint64 validFrom,uint64 validUntil,uint32 minWindow,uint256 insured,address beneficiary,uint64 withdrawVersion"),
  TowerAccess: fields("bytes32 channelId,uint8 side,uint8 action,address tower,address account"),
  PossessionRoot: fields("address tower,uint64 epoch,uint64 chainId,uint64 blockNumber,bytes32 blockHash,bytes32 root,uint256 insured,uint64 channels"),
};
// The key is public on purpose: it holds nothing, anywhere.
const privateKey = keccak256(stringToHex("lockstep vector tower"));
const tower = privateKeyToAccount(privateKey);
const channelDomain = { name: "Lockstep", version: "1", chainId: 31_337n, verifyingContract: "0x1234567890abcdef1234567890abcdef12345678" };
const word = (name) => keccak256(stringToHex(name));

const CASES = [
  ["receipt", channelDomain, "TowerReceipt", {
    tower: tower.address, channelId: word("channel"), version: 7n, stateHash: word("state"), validFrom: 1_800_000_000n,
    validUntil: 1_900_000_000n, minWindow: 43_200, insured: 0n, beneficiary: "0x00000000000000000000000000000000000000bb", withdrawVersion: 0n,
  }],
  ["receipt at the edge", channelDomain, "TowerReceipt", {
    tower: tower.address, channelId: word("edge"), version: 2n ** 64n - 1n, stateHash: word("edge state"), validFrom: 0n,
    validUntil: 2n ** 64n - 1n, minWindow: 2 ** 32 - 1, insured: 2n ** 256n - 1n, beneficiary: "0xffffffffffffffffffffffffffffffffffffffff", withdrawVersion: 2n ** 64n - 1n,
  }],
  ...[1, 2, 3].map((action) => [`access ${action}`, channelDomain, "TowerAccess", {
    channelId: word("channel"), side: action % 2 + 1, action, tower: tower.address, account: "0x00000000000000000000000000000000000000aa",
  }]),
  ["root", { name: "Lockstep", version: "1" }, "PossessionRoot", {
    tower: tower.address, epoch: 3n, chainId: 10n, blockNumber: 123n, blockHash: word("block"), root: word("root"), insured: 5n, channels: 1_000_000n,
  }],
];

const cases = [];
for (const [name, domain, primaryType, message] of CASES) {
  const typed = { domain, types: { [primaryType]: TYPES[primaryType] }, primaryType, message };
  const signature = serializeCompactSignature(signatureToCompactSignature(parseSignature(await tower.signTypedData(typed))));
  cases.push({ name, primaryType, message, digest: hashTypedData(typed), signature });
}
const vectors = {
  about: "EIP-712 vectors of Lockstep's watchtowers, made by contracts/script/tower-vectors.mjs. Numbers are decimal strings. The key is public.",
  key: { privateKey, address: tower.address }, domain: channelDomain, cases,
};
const isNumber = (value) => typeof value === "bigint" || typeof value === "number";
const json = `${JSON.stringify(vectors, (_, value) => (isNumber(value) ? value.toString() : value), 1)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(file, json);
} else if (readFileSync(file, "utf8") !== json) {
  console.error("tests/vectors/tower.json is not what viem makes: run contracts/script/tower-vectors.mjs and read the difference");
  process.exit(1);
}
console.log(`${cases.length} digests of towers agree with viem`);
