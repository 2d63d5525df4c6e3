//! Arbitrum's production gateways for tokens on both chains, and a token to move.

use super::abi::{IBeaconProxyFactory, IL1Erc20Gateway, IL1Router, IL2Erc20Gateway, IL2Router};
use super::deploy::{deploy, transact};
use super::package::{OPEN_ZEPPELIN, TOKEN_BRIDGE, creation_code};
use crate::chain::LocalChain;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolValue;

/// Where the gateways are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBridge {
    /// Router on L1.
    pub l1_router: Address,
    /// Standard gateway on L1.
    pub l1_gateway: Address,
    /// Router on the rollup.
    pub l2_router: Address,
    /// Standard gateway on the rollup.
    pub l2_gateway: Address,
    /// A token on L1 with 18 decimals, all of it with the owner.
    pub token: Address,
}

async fn proxied(chain: &LocalChain, from: Address, admin: Address, path: &str) -> Address {
    let name = path.rsplit('/').next().expect("a name");
    let code = creation_code(&format!("{TOKEN_BRIDGE}/{path}.sol/{name}.json"));
    let logic = deploy(chain, from, code, Vec::new()).await;
    let proxy = creation_code(&format!("{OPEN_ZEPPELIN}/TransparentUpgradeableProxy.json"));
    let arguments = (logic, admin, Bytes::new()).abi_encode_params();
    deploy(chain, from, proxy, arguments).await
}

async fn zeppelin(chain: &LocalChain, from: Address, name: &str, arguments: Vec<u8>) -> Address {
    let code = creation_code(&format!("{OPEN_ZEPPELIN}/{name}.json"));
    deploy(chain, from, code, arguments).await
}

/// Deploys and connects them; `owner` is an unlocked account of both chains.
pub(super) async fn connect(
    l1: &LocalChain,
    l2: &LocalChain,
    owner: Address,
    inbox: Address,
) -> TokenBridge {
    let l1_admin = zeppelin(l1, owner, "ProxyAdmin", Vec::new()).await;
    let l2_admin = zeppelin(l2, owner, "ProxyAdmin", Vec::new()).await;
    let l1_router = proxied(l1, owner, l1_admin, "ethereum/gateway/L1GatewayRouter").await;
    let l1_gateway = proxied(l1, owner, l1_admin, "ethereum/gateway/L1ERC20Gateway").await;
    let l2_router = proxied(l2, owner, l2_admin, "arbitrum/gateway/L2GatewayRouter").await;
    let l2_gateway = proxied(l2, owner, l2_admin, "arbitrum/gateway/L2ERC20Gateway").await;

    let bridge_code = |path: &str| creation_code(&format!("{TOKEN_BRIDGE}/{path}.json"));
    let standard = bridge_code("arbitrum/StandardArbERC20.sol/StandardArbERC20");
    let standard = deploy(l2, owner, standard, Vec::new()).await;
    let beacon = zeppelin(l2, owner, "UpgradeableBeacon", standard.abi_encode()).await;
    let factory = bridge_code("libraries/ClonableBeaconProxy.sol/BeaconProxyFactory");
    let factory = deploy(l2, owner, factory, Vec::new()).await;
    let call = IBeaconProxyFactory::initializeCall { beacon };
    transact(l2, owner, factory, U256::ZERO, &call).await;
    let proxy_hash = l2.read(factory, &IBeaconProxyFactory::cloneableProxyHashCall {}).await;

    let call = IL2Erc20Gateway::initializeCall {
        l1Counterpart: l1_gateway,
        router: l2_router,
        beaconProxyFactory: factory,
    };
    transact(l2, owner, l2_gateway, U256::ZERO, &call).await;
    let call =
        IL2Router::initializeCall { counterpartGateway: l1_router, defaultGateway: l2_gateway };
    transact(l2, owner, l2_router, U256::ZERO, &call).await;
    let call = IL1Erc20Gateway::initializeCall {
        l2Counterpart: l2_gateway,
        router: l1_router,
        inbox,
        cloneableProxyHash: proxy_hash,
        l2BeaconProxyFactory: factory,
    };
    transact(l1, owner, l1_gateway, U256::ZERO, &call).await;
    let call = IL1Router::initializeCall {
        owner,
        defaultGateway: l1_gateway,
        whitelist: Address::ZERO,
        counterpartGateway: l2_router,
        inbox,
    };
    transact(l1, owner, l1_router, U256::ZERO, &call).await;

    let supply = U256::from(10).pow(U256::from(30));
    let arguments =
        ("Test Dollar".to_owned(), "TUSD".to_owned(), supply, owner).abi_encode_params();
    let token = zeppelin(l1, owner, "ERC20PresetFixedSupply", arguments).await;
    TokenBridge { l1_router, l1_gateway, l2_router, l2_gateway, token }
}
