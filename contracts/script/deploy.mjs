#!/usr/bin/env node
// Deploys the contracts by CREATE2 and writes deployments/<network>.json, which the node reads.
//
//   LOCKSTEP_DEPLOYER_KEY=0x... deploy.mjs --rpc URL --network NAME --kind KIND [options]
//
//   --kind KIND          decides the shortest challenge period: ethereum | arbitrum | zksync | polygon |
//                        optimism:<sequencing window in seconds> | development:<shortest period in seconds>
//   --artifact NAME      PaymentChannel, or PaymentChannelShanghai for chains without EIP-1153
//   --permit2 ADDRESS    where the chain has Permit2
//   --launch FILE        caps: {"startsAt","doublesEvery","endsAt","caps":[{"token","perChannel","total"}]}
//   --salt WORD          for a second deployment of the same configuration
//   --block NUMBER       when the contracts were created, if the endpoint can't be asked about the past
//   --out FOLDER         instead of deployments/
//
// What is there already is checked and left alone: a second run sends nothing.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  concat, createPublicClient, createWalletClient, encodeAbiParameters, getAddress, getContractAddress,
  hexToBytes, http, isAddress, keccak256,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

// At the same address on nearly every EVM chain; takes the salt, then the init code.
export const DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
export const ZERO_ADDRESS = `0x${"00".repeat(20)}`;
export const ZERO_SALT = `0x${"00".repeat(32)}`;

const HOUR = 3_600;
const MAX_CHALLENGE_PERIOD = 7 * 24 * HOUR - 1;
const NO_CAPS = { startsAt: 0, doublesEvery: 0, endsAt: 0, caps: [] };

export class DeployError extends Error {}

export function readArtifact(name) {
  return JSON.parse(readFileSync(join(root, "artifacts", `${name}.json`), "utf8"));
}

/// The bounds of the challenge period on a kind of chain, as the specification's "Windows" has them.
export function windowOf(kind) {
  const [name, seconds] = kind.split(":");
  const given = Number(seconds);
  const needsSeconds = name === "optimism" || name === "development";
  if (needsSeconds !== (seconds !== undefined) || (needsSeconds && !(Number.isInteger(given) && given > 0))) {
    throw new DeployError(`--kind ${kind}: optimism and development take whole seconds after a colon, others take none`);
  }
  const minimum = {
    ethereum: 24 * HOUR,
    arbitrum: 60 * HOUR,
    zksync: 72 * HOUR,
    polygon: 72 * HOUR,
    optimism: Math.max(36 * HOUR, 2 * given + 12 * HOUR),
    development: given,
  }[name];
  if (minimum === undefined) throw new DeployError(`--kind ${kind} is not known`);
  if (minimum > MAX_CHALLENGE_PERIOD) throw new DeployError(`a chain of kind ${kind} needs a period of 7 days or more, which the contract refuses`);
  return { minChallengePeriod: minimum, maxChallengePeriod: MAX_CHALLENGE_PERIOD };
}

function constructorArgs(artifact, config) {
  const { inputs } = artifact.abi.find(({ type }) => type === "constructor");
  const caps = config.launch.caps.map(({ token, perChannel, total }) => ({ token, perChannel: BigInt(perChannel), total: BigInt(total) }));
  return encodeAbiParameters(inputs, [{ ...config, launch: { ...config.launch, caps } }]);
}

/// Address and init code of everything that a deployment has.
export function plan({ artifactName, window, permit2 = ZERO_ADDRESS, launch = NO_CAPS, salt = ZERO_SALT }) {
  const artifact = readArtifact(artifactName);
  const registryArtifact = readArtifact(artifactName.endsWith("Shanghai") ? "SecretRegistryShanghai" : "SecretRegistry");
  const at = (initCode) => getContractAddress({ opcode: "CREATE2", from: DEPLOYER, salt, bytecode: initCode });
  const registryCode = registryArtifact.bytecode.object;
  const config = { ...window, secretRegistry: at(registryCode), permit2: getAddress(permit2), launch };
  const channelCode = concat([artifact.bytecode.object, constructorArgs(artifact, config)]);
  return {
    artifactName, salt, config,
    registry: { name: "SecretRegistry", artifact: registryArtifact, initCode: registryCode, address: config.secretRegistry },
    channel: { name: artifactName, artifact, initCode: channelCode, address: at(channelCode) },
  };
}

/// Refuses code that is not the artifact's, whatever its immutables are.
function checkCode({ name, address, artifact }, code) {
  const { object, immutableReferences } = artifact.deployedBytecode;
  const bytes = hexToBytes(code);
  for (const { start, length } of immutableReferences.flat()) bytes.fill(0, start, start + length);
  if (Buffer.compare(Buffer.from(bytes), Buffer.from(hexToBytes(object))) !== 0) {
    throw new DeployError(`${address} has other code than this build's ${name}`);
  }
}

async function codeAt(client, address, blockNumber) {
  const code = await client.getCode({ address, blockNumber });
  return code === undefined || code === "0x" ? null : code;
}

/// The first block in which a contract is there. Needs an endpoint that remembers.
async function creationBlock(client, address) {
  let [low, high] = [0n, await client.getBlockNumber()];
  while (low < high) {
    const middle = (low + high) / 2n;
    const isThere = await codeAt(client, address, middle).catch(() => {
      throw new DeployError(`the endpoint does not know the code of ${address} at block ${middle}: say --block NUMBER`);
    });
    if (isThere === null) low = middle + 1n;
    else high = middle;
  }
  return low;
}

/// Sends one contract if it is not there, and says where and since when it is.
async function ensure(client, wallet, contract, salt, { knownBlock, say }) {
  let block = knownBlock;
  if ((await codeAt(client, contract.address)) !== null) {
    say(`${contract.name} is already at ${contract.address}`);
    block ??= await creationBlock(client, contract.address);
  } else {
    const hash = await wallet.sendTransaction({ to: DEPLOYER, data: concat([salt, contract.initCode]) });
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new DeployError(`deployment of ${contract.name} failed in ${hash}`);
    block = receipt.blockNumber;
    say(`${contract.name} deployed to ${contract.address} in block ${block}, ${receipt.gasUsed} gas`);
  }
  const code = await codeAt(client, contract.address);
  if (code === null) throw new DeployError(`${contract.address} has no code after the deployment`);
  checkCode(contract, code);
  return { address: contract.address, codeHash: keccak256(code), block: Number(block) };
}

function sourceDate() {
  try {
    const date = execFileSync("git", ["log", "-1", "--format=%cs", "--", "src"], { cwd: root, encoding: "utf8" }).trim();
    if (date !== "") return date;
  } catch {
    // Without the repository the date is not known.
  }
  throw new DeployError("the date of the sources is not known: run this inside the repository");
}

/// Deploys what is missing and returns the content of the deployment file.
export async function deploy({ client, wallet, network, what, date, known = {}, say = () => {} }) {
  if ((await codeAt(client, DEPLOYER)) === null) {
    throw new DeployError(`this chain has no deterministic deployer at ${DEPLOYER}`);
  }
  const registry = await ensure(client, wallet, what.registry, what.salt, { knownBlock: known.registry, say });
  const channel = await ensure(client, wallet, what.channel, what.salt, { knownBlock: known.channel, say });
  const { config } = what;
  return {
    format: 1,
    network,
    chainId: await client.getChainId(),
    artifact: what.artifactName,
    inputSha256: what.channel.artifact.inputSha256,
    sourceDate: date,
    channel,
    registry,
    salt: what.salt,
    config,
  };
}

function readOptions(args) {
  const options = {};
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, "");
    const isKnown = ["rpc", "network", "kind", "artifact", "permit2", "launch", "salt", "block", "out"].includes(name);
    if (!isKnown || args[i + 1] === undefined) throw new DeployError(`${args[i]}: not an option, or without a value; see the head of deploy.mjs`);
    options[name] = args[i + 1];
  }
  for (const name of ["rpc", "network", "kind"]) if (!options[name]) throw new DeployError(`--${name} is missing`);
  if (!/^[a-z0-9-]+$/.test(options.network)) throw new DeployError("--network: small letters, digits and dashes only");
  if (options.permit2 && !isAddress(options.permit2)) throw new DeployError(`--permit2 ${options.permit2} is no address`);
  return options;
}

/// Blocks that an earlier run found, if it is the same deployment.
function knownBlocks(file, what, block) {
  if (block !== undefined) return { registry: BigInt(block), channel: BigInt(block) };
  if (!existsSync(file)) return {};
  const before = JSON.parse(readFileSync(file, "utf8"));
  const same = (name) => (before[name]?.address === what[name].address ? BigInt(before[name].block) : undefined);
  return { registry: same("registry"), channel: same("channel") };
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  const key = process.env.LOCKSTEP_DEPLOYER_KEY;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key ?? "")) throw new DeployError("LOCKSTEP_DEPLOYER_KEY is not a private key");
  const transport = http(options.rpc);
  const client = createPublicClient({ transport });
  const chain = { id: await client.getChainId(), name: options.network, nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [options.rpc] } } };
  const wallet = createWalletClient({ transport, chain, account: privateKeyToAccount(key) });
  const what = plan({
    artifactName: options.artifact ?? "PaymentChannel",
    window: windowOf(options.kind),
    permit2: options.permit2,
    launch: options.launch ? JSON.parse(readFileSync(options.launch, "utf8")) : undefined,
    salt: options.salt,
  });
  const folder = options.out ?? join(root, "deployments");
  const file = join(folder, `${options.network}.json`);
  const known = knownBlocks(file, what, options.block);
  const content = await deploy({ client, wallet, network: options.network, what, date: sourceDate(), known, say: (line) => console.log(line) });
  const json = `${JSON.stringify(content, null, 2)}\n`;
  if (existsSync(file) && readFileSync(file, "utf8") === json) return console.log(`${file} is as it was`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, json);
  console.log(`${file} written`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(error instanceof DeployError ? `deploy: ${error.message}` : error);
    process.exit(1);
  });
}
