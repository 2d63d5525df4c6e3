#!/usr/bin/env node
// Makes tests/vectors/eip712.json with viem: channel ids, lock roots, digests and signatures of
// everything that two sides sign. Solidity and Rust tests read the file and must agree with every byte.
//
//   vectors.mjs [--check]
//
// --check writes nothing and fails if the committed file is not what viem makes today.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  encodeAbiParameters, hashDomain, hashStruct, hashTypedData, keccak256, parseSignature,
  serializeCompactSignature, sha256, signatureToCompactSignature, stringToHex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const file = join(dirname(fileURLToPath(import.meta.url)), "../../tests/vectors/eip712.json");

const TYPES = {
  EIP712Domain: fields("string name,string version,uint256 chainId,address verifyingContract"),
  State: fields("bytes32 channelId,uint64 version,uint8 kind,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot"),
  PartialWithdraw: fields("bytes32 channelId,uint64 version,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot,uint256 out1,uint256 out2,uint64 deadline"),
  Open: fields("bytes32 channelId,uint256 minDeposit1,uint64 deadline"),
  CloseIntent: fields("bytes32 channelId,uint8 side,uint64 minVersion,uint64 deadline"),
  Take: fields("address token,address account,address to,uint256 amount,uint256 id,uint64 deadline"),
};
const TERMS = fields("address participant1,address participant2,address signer1,address signer2,address token,uint32 challengePeriod,bytes32 salt");
const LOCK = fields("bytes32 hash,address resolver,uint112 amount,uint40 expiry,bool from1");
const ZERO_ADDRESS = `0x${"00".repeat(20)}`;
const ZERO_ROOT = `0x${"00".repeat(32)}`;
const NET_LIMIT = 2n ** 119n;
const UINT64_MAX = 2n ** 64n - 1n;
const UINT256_MAX = 2n ** 256n - 1n;
const DEADLINE = 1_900_000_000n;

// Keys are public on purpose: they hold nothing, anywhere.
const KEYS = Object.fromEntries(
  ["participant1", "participant2", "signer1", "signer2"].map((role) => {
    const privateKey = keccak256(stringToHex(`lockstep vector ${role}`));
    return [role, privateKeyToAccount(privateKey)];
  }),
);

const DOMAINS = [
  { chainId: 31_337n, verifyingContract: "0x1234567890abcdef1234567890abcdef12345678" },
  // A chain id above 2^32 and an address with leading zeros.
  { chainId: 1_666_600_000_001n, verifyingContract: "0x000000000000000000000000000000000000c0de" },
];

function fields(list) {
  return list.split(",").map((field) => {
    const [type, name] = field.split(" ");
    return { name, type };
  });
}

function typeString(name) {
  return `${name}(${TYPES[name].map(({ type, name }) => `${type} ${name}`).join(",")})`;
}

/// The 64-byte EIP-2098 form and the 65-byte form.
async function sign(role, domain, primaryType, message) {
  const long = await KEYS[role].signTypedData({ domain, types: TYPES, primaryType, message });
  return { compact: serializeCompactSignature(signatureToCompactSignature(parseSignature(long))), long };
}

function channelId(domain, terms) {
  return keccak256(encodeAbiParameters(
    [{ type: "uint256" }, { type: "address" }, { type: "tuple", components: TERMS }],
    [domain.chainId, domain.verifyingContract, terms],
  ));
}

function locksRoot(locks) {
  if (locks.length === 0) return ZERO_ROOT;
  return keccak256(encodeAbiParameters([{ type: "tuple[]", components: LOCK }], [locks]));
}

function termsOf(name, changes = {}) {
  return {
    participant1: KEYS.participant1.address,
    participant2: KEYS.participant2.address,
    signer1: KEYS.signer1.address,
    signer2: KEYS.signer2.address,
    token: ZERO_ADDRESS,
    challengePeriod: 86_400,
    salt: keccak256(stringToHex(name)),
    ...changes,
  };
}

function lockOf(name, amount, expiry, from1, resolver = ZERO_ADDRESS) {
  const secret = keccak256(stringToHex(name));
  return { secret, lock: { hash: sha256(secret), resolver, amount, expiry, from1 } };
}

const LOCK_LISTS = {
  none: [],
  one: [lockOf("one", 5n, 1_800_000_000, true)],
  both: [
    lockOf("both 1", 7n, 1_800_000_000, true),
    lockOf("both 2", 11n, 1_800_000_001, false),
    lockOf("both 3", 2n ** 112n - 1n - 7n, 2 ** 40 - 1, true),
  ],
  resolver: [lockOf("resolver", 3n, 1_800_000_000, false, "0x00000000000000000000000000000000000000a1")],
  most: Array.from({ length: 32 }, (_, i) => lockOf(`most ${i}`, BigInt(i + 1), 1_800_000_000 + i, i % 2 === 0)),
};

function locked(name) {
  const locks = LOCK_LISTS[name].map(({ lock }) => lock);
  const sum = (from1) => locks.filter((l) => l.from1 === from1).reduce((total, l) => total + l.amount, 0n);
  return { locked1: sum(true), locked2: sum(false), locksRoot: locksRoot(locks) };
}

// `accepted`: the contract takes the state on a channel with these deposits.
const STATES = [
  { name: "first payment", deposit1: 100n, deposit2: 0n, version: 1n, kind: 0, net: 1n, accepted: true },
  { name: "paid back", deposit1: 0n, deposit2: 100n, version: 7n, kind: 0, net: -99n, accepted: true },
  { name: "final", deposit1: 100n, deposit2: 50n, version: 8n, kind: 1, net: 100n, accepted: true },
  { name: "final of a round trip", deposit1: 100n, deposit2: 50n, version: 9n, kind: 1, net: 0n, accepted: true },
  { name: "newest possible", deposit1: 100n, deposit2: 50n, version: UINT64_MAX, kind: 0, net: -50n, accepted: true },
  { name: "greatest net", deposit1: NET_LIMIT - 1n, deposit2: 0n, version: 2n, kind: 0, net: NET_LIMIT - 1n, accepted: true },
  { name: "least net", deposit1: 0n, deposit2: NET_LIMIT - 1n, version: 2n, kind: 0, net: 1n - NET_LIMIT, accepted: true },
  { name: "one lock", locks: "one", deposit1: 100n, deposit2: 50n, version: 3n, kind: 0, net: 95n, accepted: true },
  { name: "locks of both", locks: "both", deposit1: 2n ** 113n, deposit2: 50n, version: 3n, kind: 0, net: -39n, accepted: true },
  { name: "lock with a resolver", locks: "resolver", deposit1: 100n, deposit2: 50n, version: 4n, kind: 0, net: 20n, accepted: true },
  { name: "as many locks as can be", locks: "most", deposit1: 1_000n, deposit2: 1_000n, version: 5n, kind: 0, net: 0n, accepted: true },
  { name: "no such kind", deposit1: 100n, deposit2: 50n, version: 1n, kind: 255, net: 0n, accepted: false },
  { name: "net out of range", deposit1: 100n, deposit2: 50n, version: 1n, kind: 0, net: -(2n ** 255n), accepted: false },
  { name: "net just out of range", deposit1: 100n, deposit2: 50n, version: 1n, kind: 0, net: NET_LIMIT, accepted: false },
  { name: "locked that turns negative", deposit1: 100n, deposit2: 50n, version: 1n, kind: 0, net: 0n, locked1: UINT256_MAX, locked2: 2n ** 255n, accepted: false },
  { name: "version that cannot be signed", deposit1: 100n, deposit2: 50n, version: 0n, kind: 0, net: 0n, accepted: false },
];

const WITHDRAWALS = [
  { name: "one side", deposit1: 100n, deposit2: 50n, version: 1n, net: 0n, out1: 30n, out2: 0n },
  { name: "more than was put in", deposit1: 100n, deposit2: 0n, version: 12n, net: 90n, out1: 10n, out2: 90n },
  { name: "beside locks", locks: "one", deposit1: 100n, deposit2: 50n, version: 4n, net: 0n, out1: 95n, out2: 50n },
];

const OPENS = [
  { name: "any deposit", minDeposit1: 0n, deadline: UINT64_MAX },
  { name: "exact deposit", minDeposit1: 1_000n, deadline: DEADLINE },
];

const INTENTS = [
  { name: "side 1, any version", side: 1, minVersion: 0n, deadline: DEADLINE },
  { name: "side 2, any version", side: 2, minVersion: 0n, deadline: UINT64_MAX },
  { name: "side 2, from version 3", side: 2, minVersion: 3n, deadline: DEADLINE },
];

const TAKES = [
  { name: "own credit", amount: 40n, id: 0n, deadline: DEADLINE },
  { name: "largest id", amount: 1n, id: UINT256_MAX, deadline: UINT64_MAX },
];

async function typed(domain, primaryType, message, roles) {
  const signatures = {};
  for (const role of roles) signatures[role] = await sign(role, domain, primaryType, message);
  return {
    structHash: hashStruct({ types: TYPES, primaryType, data: message }),
    digest: hashTypedData({ domain, types: TYPES, primaryType, message }),
    signatures,
  };
}

async function setOf({ chainId, verifyingContract }) {
  const domain = { name: "Lockstep", version: "1", chainId, verifyingContract };
  const channel = (name, changes) => {
    const terms = termsOf(name, changes);
    return { terms, channelId: channelId(domain, terms) };
  };
  const both = ["signer1", "signer2"];
  const states = [];
  for (const { name, locks = "none", accepted, deposit1, deposit2, ...rest } of STATES) {
    const at = channel(`state ${name}`);
    const state = { ...locked(locks), ...rest };
    states.push({ name, accepted, ...at, deposit1, deposit2, locks, state, ...(await typed(domain, "State", { channelId: at.channelId, ...state }, both)) });
  }
  const partialWithdraws = [];
  for (const { name, locks = "none", deposit1, deposit2, ...rest } of WITHDRAWALS) {
    const at = channel(`withdraw ${name}`);
    const order = { ...locked(locks), ...rest, deadline: DEADLINE };
    partialWithdraws.push({ name, ...at, deposit1, deposit2, order, ...(await typed(domain, "PartialWithdraw", { channelId: at.channelId, ...order }, both)) });
  }
  const opens = [];
  for (const { name, ...open } of OPENS) {
    const at = channel(`open ${name}`);
    opens.push({ name, ...at, open, ...(await typed(domain, "Open", { channelId: at.channelId, ...open }, ["participant2", "signer2"])) });
  }
  const closeIntents = [];
  for (const { name, ...intent } of INTENTS) {
    const at = channel(`intent ${name}`);
    closeIntents.push({ name, ...at, intent, ...(await typed(domain, "CloseIntent", { channelId: at.channelId, ...intent }, [`signer${intent.side}`])) });
  }
  const takes = [];
  for (const { name, ...rest } of TAKES) {
    const take = { token: ZERO_ADDRESS, account: KEYS.participant1.address, to: "0x00000000000000000000000000000000000000bb", ...rest };
    takes.push({ name, take, ...(await typed(domain, "Take", take, ["participant1"])) });
  }
  const channelIds = [
    { name: "ether", ...channel("ether") },
    { name: "token", ...channel("token", { token: "0x00000000000000000000000000000000000000a0" }) },
    { name: "longest period", ...channel("period", { challengePeriod: 604_799 }) },
    { name: "no salt", ...channel("", { salt: ZERO_ROOT }) },
  ];
  return { domain, separator: hashDomain({ domain, types: TYPES }), channelIds, states, partialWithdraws, opens, closeIntents, takes };
}

const vectors = {
  about: "EIP-712 vectors of Lockstep, made by contracts/script/vectors.mjs. Numbers are decimal strings. The keys are public.",
  keys: Object.fromEntries(Object.entries(KEYS).map(([role, account]) => [role, {
    privateKey: keccak256(stringToHex(`lockstep vector ${role}`)), address: account.address,
  }])),
  types: Object.fromEntries(Object.keys(TYPES).map((name) => [name, {
    type: typeString(name), typeHash: keccak256(stringToHex(typeString(name))),
  }])),
  locks: Object.entries(LOCK_LISTS).map(([name, list]) => ({
    name, secrets: list.map(({ secret }) => secret), locks: list.map(({ lock }) => lock), ...locked(name),
  })),
  sets: [],
};
for (const domain of DOMAINS) vectors.sets.push(await setOf(domain));

const isNumber = (value) => typeof value === "bigint" || typeof value === "number";
const json = `${JSON.stringify(vectors, (_, value) => (isNumber(value) ? value.toString() : value), 1)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(file, json);
} else if (readFileSync(file, "utf8") !== json) {
  console.error("tests/vectors/eip712.json is not what viem makes: run contracts/script/vectors.mjs and read the difference");
  process.exit(1);
}
console.log(`${vectors.sets.length} domains, ${vectors.sets.reduce((n, s) => n + s.states.length + s.partialWithdraws.length + s.opens.length + s.closeIntents.length + s.takes.length, 0)} digests agree with viem`);
