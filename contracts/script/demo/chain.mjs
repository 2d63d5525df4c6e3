// A chain of our own: anvil on a free port, ended with this process whatever happens.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPublicClient, createTestClient, createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const tool = join(dirname(fileURLToPath(import.meta.url)), "../tool.sh");
const START_TIMEOUT_MS = 30_000;

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/// Starts anvil and returns clients for it.
export async function startChain() {
  if (!existsSync(tool)) throw new Error("script/tool.sh is missing");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const anvil = spawn(tool, ["anvil", "--port", String(port), "--silent"], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  anvil.stderr.on("data", (chunk) => (complaint += chunk));
  let ended = false;
  anvil.on("exit", () => (ended = true));
  const stop = () => {
    if (!ended) anvil.kill("SIGKILL");
  };
  process.on("exit", stop);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) process.on(signal, () => process.exit(code));

  const transport = http(url, { retryCount: 0 });
  const client = createPublicClient({ chain: foundry, transport, pollingInterval: 20, cacheTime: 0 });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (ended) throw new Error(`anvil did not start: ${complaint.trim() || "no reason given"}`);
    const isUp = await client.getChainId().then(() => true, () => false);
    if (isUp) break;
    if (Date.now() > deadline) throw new Error(`anvil did not answer within ${START_TIMEOUT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    client,
    test: createTestClient({ chain: foundry, mode: "anvil", transport }),
    wallet: (privateKey) => createWalletClient({ account: privateKeyToAccount(privateKey), chain: foundry, transport }),
    stop,
  };
}
