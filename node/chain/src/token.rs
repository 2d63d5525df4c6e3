//! ERC-20 tokens: what an account holds, what the contract may take, and how amounts are written.

use crate::endpoint::{Endpoint, EndpointError, RequestError};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::{At, CallRequest};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, sol};

sol! {
    /// Source: EIP-20.
    interface IERC20 {
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
    }
}

/// As much of a token's own name as is kept.
const MAX_SYMBOL_CHARS: usize = 16;

/// How a token calls itself and writes its amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// What the token calls itself: foreign text, cut, without control characters.
    pub symbol: String,
    /// Digits after the point.
    pub decimals: u8,
}

impl Endpoints {
    /// What a quorum says that an account holds of a token. Units: base units.
    ///
    /// # Errors
    /// If there is no quorum, or the address is no token.
    pub async fn token_balance(
        &self,
        token: Address,
        account: Address,
    ) -> Result<U256, ChainError> {
        let data = IERC20::balanceOfCall { account }.abi_encode();
        self.number(token, data.into()).await
    }

    /// What a quorum says that a spender may take of an account's token. Units: base units.
    ///
    /// # Errors
    /// If there is no quorum, or the address is no token.
    pub async fn allowance(
        &self,
        token: Address,
        owner: Address,
        spender: Address,
    ) -> Result<U256, ChainError> {
        let data = IERC20::allowanceCall { owner, spender }.abi_encode();
        self.number(token, data.into()).await
    }

    /// How a token calls itself, on a quorum's word: a wrong number of decimals would make amounts a lie.
    ///
    /// # Errors
    /// If there is no quorum, or the address is no token.
    pub async fn token_info(&self, token: Address) -> Result<TokenInfo, ChainError> {
        let call = CallRequest::view(token, IERC20::decimalsCall {}.abi_encode().into());
        let answer = self.call_agreed(&call, At::Latest).await?;
        let decimals = IERC20::decimalsCall::abi_decode_returns_validate(&answer)
            .map_err(|_| ChainError::NoToken { address: token })?;
        let call = CallRequest::view(token, IERC20::symbolCall {}.abi_encode().into());
        // Old tokens answer with 32 bytes, which is no string: they go without a name.
        let answer = self.call_agreed(&call, At::Latest).await.unwrap_or_default();
        let symbol = IERC20::symbolCall::abi_decode_returns_validate(&answer).unwrap_or_default();
        let shown = symbol.chars().filter(|c| !c.is_control()).take(MAX_SYMBOL_CHARS);
        Ok(TokenInfo { symbol: shown.collect(), decimals })
    }

    async fn number(&self, token: Address, data: Bytes) -> Result<U256, ChainError> {
        let call = CallRequest::view(token, data);
        let answer = self.call_agreed(&call, At::Latest).await?;
        read_number(&answer).ok_or(ChainError::NoToken { address: token })
    }
}

impl Endpoint {
    /// One number that a call returns.
    ///
    /// # Errors
    /// If the endpoint fails, or the answer is no number.
    pub(crate) async fn call_number(
        &self,
        call: &CallRequest,
        at: At,
    ) -> Result<U256, EndpointError> {
        let answer = self.call(call, at).await?;
        read_number(&answer).ok_or_else(|| self.error("eth_call", RequestError::Malformed))
    }
}

fn read_number(answer: &[u8]) -> Option<U256> {
    (answer.len() == 32).then(|| U256::from_be_slice(answer))
}
