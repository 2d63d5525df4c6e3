// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    CloseIntent,
    PartialWithdraw,
    Signature,
    State
} from "../../src/interfaces/IPaymentChannel.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// What must have been signed, by EIP-712 written out a second time: nothing of the contract's own
/// digests is used.
abstract contract Signed is SymbolicTest {
    /// Both keys of the terms signed this digest.
    function areBothSigned(bytes32 digest, Signature memory s1, Signature memory s2)
        internal
        pure
        returns (bool)
    {
        return bit(signerOf(digest, s1) == SIGNER1) & bit(signerOf(digest, s2) == SIGNER2) == 1;
    }

    /// EIP-2098.
    function signerOf(bytes32 digest, Signature memory s) internal pure returns (address) {
        bytes32 low = s.vs & bytes32(uint256(type(int256).max));
        return ecrecover(digest, uint8((uint256(s.vs) >> 255) + 27), s.r, low);
    }

    function stateDigest(State memory s) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "State(bytes32 channelId,uint64 version,uint8 kind,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot)"
        );
        return typed(
            keccak256(
                abi.encode(
                    typeHash, id, s.version, s.kind, s.net, s.locked1, s.locked2, s.locksRoot
                )
            )
        );
    }

    function withdrawDigest(PartialWithdraw memory w) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "PartialWithdraw(bytes32 channelId,uint64 version,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot,uint256 out1,uint256 out2,uint64 deadline)"
        );
        return typed(keccak256(abi.encode(typeHash, id, w)));
    }

    function intentDigest(CloseIntent memory i) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "CloseIntent(bytes32 channelId,uint8 side,uint64 minVersion,uint64 deadline)"
        );
        return typed(keccak256(abi.encode(typeHash, id, i.side, i.minVersion, i.deadline)));
    }

    function openDigest(uint256 minDeposit1, uint64 deadline) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Open(bytes32 channelId,uint256 minDeposit1,uint64 deadline)");
        return typed(keccak256(abi.encode(typeHash, id, minDeposit1, deadline)));
    }

    function typed(bytes32 structHash) private view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        bytes32 domain = keccak256(
            abi.encode(
                typeHash, keccak256("Lockstep"), keccak256("1"), block.chainid, address(channels)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
