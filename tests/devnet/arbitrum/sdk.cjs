// Asks Arbitrum's official SDK about one transaction: a question as JSON on standard input, its answer on standard
// output. The SDK is what its package ships; nothing of it is changed or replaced.
const { readFileSync } = require("node:fs");
const { ethers } = require("ethers");
const sdk = require("@arbitrum/sdk");

const { network, kind, tx } = JSON.parse(readFileSync(0, "utf8"));
const none = ethers.constants.AddressZero;
sdk.registerCustomArbitrumNetwork({
  name: "local",
  chainId: network.l2ChainId,
  parentChainId: network.l1ChainId,
  confirmPeriodBlocks: network.confirmBlocks,
  isTestnet: true,
  isCustom: true,
  isBold: true,
  ethBridge: {
    bridge: network.bridge,
    inbox: network.inbox,
    outbox: network.outbox,
    rollup: network.rollup,
    sequencerInbox: network.sequencerInbox,
  },
  tokenBridge: {
    parentGatewayRouter: network.l1Router,
    parentErc20Gateway: network.l1Gateway,
    parentCustomGateway: network.l1Gateway,
    parentWeth: network.weth,
    parentWethGateway: network.l1Gateway,
    parentProxyAdmin: network.proxyAdmin,
    parentMultiCall: none,
    childGatewayRouter: network.l2Router,
    childErc20Gateway: network.l2Gateway,
    childCustomGateway: network.l2Gateway,
    childWeth: network.weth,
    childWethGateway: network.l2Gateway,
    childProxyAdmin: network.proxyAdmin,
    childMulticall: none,
  },
});
const provider = (url, chainId) => {
  const made = new ethers.providers.StaticJsonRpcProvider(url, chainId);
  made.pollingInterval = 50;
  return made;
};
const l1 = provider(network.l1, network.l1ChainId);
const l2 = provider(network.l2, network.l2ChainId);

async function deposit() {
  const receipt = new sdk.ParentTransactionReceipt(await l1.getTransactionReceipt(tx));
  const messages = await receipt.getParentToChildMessages(l2);
  return Promise.all(
    messages.map(async (message) => {
      const status = sdk.ParentToChildMessageStatus[await message.status()];
      const redeem =
        status === "REDEEMED" ? (await message.getSuccessfulRedeem()).childTxReceipt.transactionHash : null;
      return { id: message.retryableCreationId, status, redeem };
    }),
  );
}

async function withdrawal() {
  const receipt = new sdk.ChildTransactionReceipt(await l2.getTransactionReceipt(tx));
  const [message] = await receipt.getChildToParentMessages(l1);
  return { status: sdk.ChildToParentMessageStatus[await message.status(l2)] };
}

(kind === "deposit" ? deposit() : withdrawal()).then(
  (answer) => {
    process.stdout.write(JSON.stringify(answer));
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
