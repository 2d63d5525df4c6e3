//! A real token of L1, and the bridge's own form of it on the rollup.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent, sol};
use lockstep_bridge::optimism::abi::{
    IMintableFactory, IPortal, IStandardBridge, L2_TOKEN_FACTORY,
};
use lockstep_chain::token::IERC20;
use lockstep_devnet::optimism::{L1_BRIDGE, Optimism, PORTAL, ether};

sol! {
    function gameImpls(uint32 gameType) external view returns (address implementation);
    function weth() external view returns (address token);
    function deposit() external payable;
    function transfer(address to, uint256 amount) external returns (bool);
}

/// Makes the token's form on the rollup, and is nobody else.
const MAKER: Address = Address::repeat_byte(0x70);

/// The same money on both chains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenPair {
    pub(crate) l1: Address,
    pub(crate) l2: Address,
}

impl TokenPair {
    /// A new pair; the owner has some of it on L1.
    pub(crate) async fn make(network: &mut Optimism, owner: Address, amount: U256) -> Self {
        let factory = network.l1.read(PORTAL, &IPortal::disputeGameFactoryCall {}).await;
        let game = network.l1.read(factory, &gameImplsCall { gameType: 1 }).await;
        let l1 = network.l1.read(game, &wethCall {}).await;
        let data = depositCall {}.abi_encode().into();
        let paid = network.send_l1(owner, Some(l1), amount, data).await;
        assert!(paid.is_success());
        // The rollup's factory makes one form per name.
        let name = format!("T{}", network.l2.head().await);
        let symbol = "T".to_owned();
        let call =
            IMintableFactory::createOptimismMintableERC20Call { remoteToken: l1, name, symbol };
        network.l2.set_balance(MAKER, ether(1)).await;
        let data = call.abi_encode().into();
        let made = network.send_l2(MAKER, Some(L2_TOKEN_FACTORY), U256::ZERO, data).await;
        let created = made.logs.iter().find_map(|log| {
            IMintableFactory::OptimismMintableERC20Created::decode_log(&log.inner).ok()
        });
        Self { l1, l2: created.expect("a token").localToken }
    }

    /// Moves some of it from L1 to an account on the rollup, as anybody's wallet does.
    pub(crate) async fn carry(
        &self,
        network: &mut Optimism,
        from: Address,
        to: Address,
        amount: U256,
    ) {
        let allow = IERC20::approveCall { spender: L1_BRIDGE, amount };
        self.call_l1(network, from, self.l1, allow.abi_encode().into()).await;
        let call = IStandardBridge::bridgeERC20ToCall {
            localToken: self.l1,
            remoteToken: self.l2,
            to,
            amount,
            minGasLimit: 200_000,
            extraData: Bytes::new(),
        };
        self.call_l1(network, from, L1_BRIDGE, call.abi_encode().into()).await;
        assert_eq!(self.on_l2(network, to).await, amount);
    }

    /// Gives some of it to another account of L1.
    pub(crate) async fn give(
        &self,
        network: &mut Optimism,
        from: Address,
        to: Address,
        amount: U256,
    ) {
        let data = transferCall { to, amount }.abi_encode().into();
        self.call_l1(network, from, self.l1, data).await;
    }

    async fn call_l1(&self, network: &mut Optimism, from: Address, to: Address, data: Bytes) {
        let receipt = network.send_l1(from, Some(to), U256::ZERO, data).await;
        assert!(receipt.is_success());
    }

    /// What an account has of it on L1.
    pub(crate) async fn on_l1(&self, network: &Optimism, account: Address) -> U256 {
        network.l1.read(self.l1, &IERC20::balanceOfCall { account }).await
    }

    /// What an account has of it on the rollup.
    pub(crate) async fn on_l2(&self, network: &Optimism, account: Address) -> U256 {
        network.l2.read(self.l2, &IERC20::balanceOfCall { account }).await
    }
}
