// A channel's life driven by viem alone: no code of ours, only the nodes' JSON-RPC and the chain's.
//
//   life.mjs CHAIN_URL ONE TWO        with ONE, TWO as "ADDRESS TOKEN"
//
// Ends with 0 only if every sum is exact. Its last line is the channel's id.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const require = createRequire(join(root, "contracts/package.json"));
const { createClient, createPublicClient, http, parseAbiItem, parseEther } = require("viem");

const PATIENCE_MS = 60_000;
const LOOK_MS = 50;
const [chainUrl, ...places] = process.argv.slice(2);
const chain = createPublicClient({ transport: http(chainUrl) });

/// A node as any client sees it: viem sends whatever method it is given.
const [one, two] = places.map((place) => {
  const [address, token] = place.split(" ");
  const fetchOptions = { headers: { Authorization: `Bearer ${token}` } };
  const client = createClient({ transport: http(`http://${address}`, { fetchOptions, retryCount: 0 }) });
  return (method, params = []) => client.request({ method: `lockstep_${method}`, params });
});

function expectEqual(what, actual, expected) {
  if (actual !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`);
}

async function until(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`no sign of this: ${what}`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

const ether = (text) => parseEther(text).toString();
const until_both = (what, id, isSo) => Promise.all(
  [one, two].map((node) => until(what, async () => isSo(await node("getChannel", [id]), node === one))),
);

const { contract } = await one("getInfo");
const { invite } = await two("createInvite", {});
const { channelId: id } = await one("openChannel", [invite, ether("2"), ether("1")]);
await until("the offer", async () => (await two("listPendingOpens")).find((offer) => offer.channelId === id));
await two("joinChannel", [id]);
await until_both("both deposits", id, (it) => it.phase === "open" && it.capacity === ether("3") && it.isConnected);

// Parameters by name and by place, one at a time and many at once.
const paid = await one("pay", { channelId: id, amount: ether("0.5"), memo: "from viem" });
expectEqual("the payment", paid.state, "final");
const { invoice } = await one("createInvoice", [id, ether("0.1")]);
expectEqual("the invoice", (await two("pay", { invoice })).state, "final");
const payments = Array.from({ length: 200 }, () => ({ amount: ether("0.001") }));
const receipts = await Promise.all([one, two].map((node) => node("payBatch", { channelId: id, payments, waitMillis: 30_000 })));
for (const { finalCount } of receipts) expectEqual("final payments", finalCount, 200);
const refused = await one("pay", { channelId: id, amount: ether("5") }).catch((error) => error);
expectEqual("a payment of more than there is", refused.code ?? refused.cause?.code, -32025);

await two("deposit", [id, ether("1"), "top-up"]);
await until_both("the top-up", id, (it) => it.capacity === ether("4"));
await one("withdraw", [id, ether("0.6")]);
await until_both("the withdrawal", id, (it) => it.capacity === ether("3.4"));
await until_both("what each has", id, (it, isOne) => it.ownBalance === ether(isOne ? "1" : "2.4"));
await one("closeChannel", [id]);
await until_both("the end", id, (it) => it.settled !== null);
const [ours, theirs] = (await one("getChannel", [id])).settled;
expectEqual("payout of the first node", ours, ether("1"));
expectEqual("payout of the second node", theirs, ether("2.4"));
expectEqual("what the contract still holds", await chain.getBalance({ address: contract }), 0n);
const event = parseAbiItem(
  "event ChannelClosed(bytes32 indexed channelId, uint64 indexed version, uint256 paid1, uint256 paid2, uint256 held1, uint256 held2, uint8 mode)",
);
const closed = await chain.getLogs({ address: contract, event, args: { channelId: id }, fromBlock: 0n });
expectEqual("closings on the chain", closed.length, 1);
expectEqual("paid on the chain", `${closed[0].args.paid1} ${closed[0].args.paid2}`, `${ours} ${theirs}`);
console.log(id);
