// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Signature} from "../interfaces/IPaymentChannel.sol";
import {IERC1271} from "../interfaces/external/IERC1271.sol";

/// Who signed what. States use `requireSigner` only: plain ecrecover against a key fixed in the
/// terms, so that no wallet can change its mind about a state it signed.
library Signatures {
    uint256 internal constant HALF_CURVE_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// What a 1271 wallet gets to answer. Exactly this much: the caller must not be able to choose the
    /// answer by the gas it sends.
    uint256 internal constant ERC1271_GAS = 300_000;
    /// With this much left 63/64 of it is enough for the wallet, and the rest to book the money.
    uint256 internal constant ERC1271_GAS_FLOOR = 460_000;

    /// Reverts unless `signer` signed the digest; `side` names it in the error.
    function requireSigner(bytes32 digest, Signature calldata signature, address signer, uint8 side)
        internal
        pure
    {
        (uint8 v, bytes32 s) = _split(signature.vs);
        if (uint256(s) > HALF_CURVE_ORDER) revert IPaymentChannel.MalleableSignature(side);
        address recovered = ecrecover(digest, v, signature.r, s);
        if (recovered == address(0) || recovered != signer) {
            revert IPaymentChannel.BadSignature(side);
        }
    }

    /// The ECDSA signer of a 64-byte (EIP-2098) or 65-byte signature; 0 if it is not a canonical one.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        if (signature.length == 64) {
            r = bytes32(signature[:32]);
            (v, s) = _split(bytes32(signature[32:]));
        } else if (signature.length == 65) {
            r = bytes32(signature[:32]);
            s = bytes32(signature[32:64]);
            v = uint8(signature[64]);
        } else {
            return address(0);
        }
        if (uint256(s) > HALF_CURVE_ORDER) return address(0);
        return ecrecover(digest, v, r, s);
    }

    /// Asks a contract account (EIP-1271). Only for acts that take effect at once.
    function isApprovedByContract(address account, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (account.code.length == 0) return false;
        if (gasleft() < ERC1271_GAS_FLOOR) {
            revert IPaymentChannel.InsufficientGas(ERC1271_GAS_FLOOR);
        }
        bytes memory data = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        uint256 answer;
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := staticcall(ERC1271_GAS, account, add(data, 0x20), mload(data), 0, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            answer := mload(0)
        }
        return ok && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }

    function _split(bytes32 vs) private pure returns (uint8 v, bytes32 s) {
        s = vs & bytes32(uint256(type(int256).max));
        v = uint8((uint256(vs) >> 255) + 27);
    }
}
