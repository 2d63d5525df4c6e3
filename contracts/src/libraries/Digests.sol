// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {PartialWithdraw, State, Take, Terms} from "../interfaces/IPaymentChannel.sol";

/// Channel ids and EIP-712 digests: every byte that is ever signed is made here.
library Digests {
    bytes32 internal constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant STATE_TYPEHASH = keccak256(
        "State(bytes32 channelId,uint64 version,uint8 kind,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot)"
    );
    bytes32 internal constant PARTIAL_WITHDRAW_TYPEHASH = keccak256(
        "PartialWithdraw(bytes32 channelId,uint64 version,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot,uint256 out1,uint256 out2,uint64 deadline)"
    );
    bytes32 internal constant OPEN_TYPEHASH =
        keccak256("Open(bytes32 channelId,uint256 minDeposit1,uint64 deadline)");
    bytes32 internal constant CLOSE_INTENT_TYPEHASH =
        keccak256("CloseIntent(bytes32 channelId,uint8 side,uint64 minVersion,uint64 deadline)");
    bytes32 internal constant TAKE_TYPEHASH = keccak256(
        "Take(address token,address account,address to,uint256 amount,uint256 id,uint64 deadline)"
    );

    function domainSeparator(uint256 chainId) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("Lockstep"), keccak256("1"), chainId, address(this)
            )
        );
    }

    /// keccak256(abi.encode(chainId, address(this), terms)).
    /// @dev Copies the words as they come. A channel is only ever opened on terms whose words are
    /// clean, so dirty ones lead to the id of a channel that does not exist.
    function channelId(uint256 chainId, Terms calldata terms) internal view returns (bytes32 id) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, chainId)
            mstore(add(buffer, 0x20), address())
            calldatacopy(add(buffer, 0x40), terms, 0xe0)
            id := keccak256(buffer, 0x120)
        }
    }

    function state(bytes32 domain, bytes32 id, State calldata s) internal pure returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := s
        }
        return _typed(domain, _structHash(STATE_TYPEHASH, id, offset, 0xc0));
    }

    /// The digest of `state` for kind 1 and no locks.
    function finalState(bytes32 domain, bytes32 id, uint64 version, int256 net)
        internal
        pure
        returns (bytes32)
    {
        bytes32 hash = keccak256(abi.encode(STATE_TYPEHASH, id, version, 1, net, 0, 0, 0));
        return _typed(domain, hash);
    }

    function partialWithdraw(bytes32 domain, bytes32 id, PartialWithdraw calldata order)
        internal
        pure
        returns (bytes32)
    {
        uint256 offset;
        assembly ("memory-safe") {
            offset := order
        }
        return _typed(domain, _structHash(PARTIAL_WITHDRAW_TYPEHASH, id, offset, 0x100));
    }

    function open(bytes32 domain, bytes32 id, uint256 minDeposit1, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return _typed(domain, keccak256(abi.encode(OPEN_TYPEHASH, id, minDeposit1, deadline)));
    }

    function closeIntent(bytes32 domain, bytes32 id, uint8 side, uint64 minVersion, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return _typed(
            domain, keccak256(abi.encode(CLOSE_INTENT_TYPEHASH, id, side, minVersion, deadline))
        );
    }

    function take(bytes32 domain, Take calldata order) internal pure returns (bytes32) {
        return _typed(domain, keccak256(abi.encode(TAKE_TYPEHASH, order)));
    }

    /// keccak256(abi.encode(typeHash, id, words)) of `size` bytes of calldata. Dirty words give a
    /// digest that nobody has signed.
    function _structHash(bytes32 typeHash, bytes32 id, uint256 offset, uint256 size)
        private
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, typeHash)
            mstore(add(buffer, 0x20), id)
            calldatacopy(add(buffer, 0x40), offset, size)
            hash := keccak256(buffer, add(size, 0x40))
        }
    }

    /// keccak256(0x1901 ++ domain ++ structHash), EIP-712.
    function _typed(bytes32 domain, bytes32 structHash) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, shl(240, 0x1901))
            mstore(add(buffer, 0x02), domain)
            mstore(add(buffer, 0x22), structHash)
            digest := keccak256(buffer, 0x42)
        }
    }
}
