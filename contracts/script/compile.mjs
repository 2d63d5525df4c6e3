#!/usr/bin/env node
// Compiles src/ with the pinned solc and writes artifacts/*.json: ABI, bytecode, storage layout and the
// hash of the compiler's whole input. The same sources give the same bytes on every machine.
//
//   compile.mjs [--check] [--src DIR] [--out DIR] [--evm VERSION] [--lenient]
//
// --check writes nothing and fails if a committed artifact differs. --evm makes one of the two builds only.
// --lenient lets warnings pass: a planted bug (mutants.mjs) often leaves something unused.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const option = (name, fallback) => (args.includes(name) ? args[args.indexOf(name) + 1] : fallback);
const check = args.includes("--check");
const src = option("--src", join(root, "src"));
const out = option("--out", join(root, "artifacts"));

const CODE_SIZE_LIMIT = 24_576; // EIP-170
const GUARD = "src/libraries/ReentrancyGuard.sol";
const STORAGE_GUARD = "src/variants/ReentrancyGuardStorage.sol";

// Artifact, contract, EVM version. The second build is for chains without transient storage.
const BUILDS = [
  { evmVersion: "cancun", artifacts: { PaymentChannel: "PaymentChannel", SecretRegistry: "SecretRegistry", DepositBox: "DepositBox" } },
  { evmVersion: "shanghai", storageGuard: true, artifacts: { PaymentChannelShanghai: "PaymentChannel", SecretRegistryShanghai: "SecretRegistry" } },
];

const OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences", "storageLayout"];

function sources(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return sources(path);
      return path.endsWith(".sol") ? [path] : [];
    });
}

function compile({ evmVersion, storageGuard }) {
  const contents = Object.fromEntries(
    sources(src).map((path) => [join("src", relative(src, path)), { content: readFileSync(path, "utf8") }]),
  );
  if (storageGuard) contents[GUARD] = contents[STORAGE_GUARD];
  delete contents[STORAGE_GUARD];
  const input = JSON.stringify({
    language: "Solidity",
    sources: contents,
    settings: {
      evmVersion,
      viaIR: true,
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": OUTPUTS } },
    },
  });
  const output = JSON.parse(solc.compile(input));
  const passable = args.includes("--lenient") ? ["info", "warning"] : ["info"];
  const problems = (output.errors ?? []).filter((e) => !passable.includes(e.severity));
  for (const problem of problems) console.error(problem.formattedMessage);
  if (problems.length > 0) process.exit(1);
  return { contracts: output.contracts, inputSha256: createHash("sha256").update(input).digest("hex") };
}

function artifactOf(contractName, contract, inputSha256) {
  const { bytecode, deployedBytecode } = contract.evm;
  return {
    contractName,
    compiler: solc.version(),
    inputSha256,
    abi: contract.abi,
    bytecode: { object: `0x${bytecode.object}` },
    deployedBytecode: {
      object: `0x${deployedBytecode.object}`,
      immutableReferences: immutables(deployedBytecode.immutableReferences),
    },
    // The compiler's ids in type names change with every edit anywhere; positions do not.
    storageLayout: contract.storageLayout.storage.map(({ label, slot, offset, type }) => ({
      label, slot, offset, type: type.replace(/\)\d+/g, ")"),
    })),
  };
}

// Immutables by order of their first place in the code: their ids are the compiler's own.
function immutables(references) {
  return Object.values(references)
    .map((places) => places.map(({ start, length }) => ({ start, length })).sort((a, b) => a.start - b.start))
    .sort((a, b) => a[0].start - b[0].start);
}

function isCommitted(file, json) {
  try {
    return readFileSync(file, "utf8") === json;
  } catch {
    return false;
  }
}

let failed = false;
mkdirSync(out, { recursive: true });
for (const build of BUILDS.filter(({ evmVersion }) => evmVersion === option("--evm", evmVersion))) {
  const { contracts, inputSha256 } = compile(build);
  for (const [artifact, name] of Object.entries(build.artifacts)) {
    const contract = contracts[`src/${name}.sol`][name];
    const size = contract.evm.deployedBytecode.object.length / 2;
    console.log(`${artifact}: ${size} of ${CODE_SIZE_LIMIT} bytes of runtime code`);
    if (size >= CODE_SIZE_LIMIT) {
      console.error(`${artifact} is too large to be deployed`);
      failed = true;
    }
    const json = `${JSON.stringify(artifactOf(name, contract, inputSha256), null, 1)}\n`;
    const file = join(out, `${artifact}.json`);
    if (!check) {
      writeFileSync(file, json);
    } else if (!isCommitted(file, json)) {
      console.error(`artifacts/${artifact}.json is not what the sources compile to: run "make contracts" and commit it`);
      failed = true;
    }
  }
}
process.exit(failed ? 1 : 0);
