// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Token} from "./Token.sol";

/// An ERC-20 with ERC-3009 `receiveWithAuthorization`: real EIP-712 digest, real ecrecover, the payee
/// must be the caller, each nonce of an account works once.
contract AuthorizationToken is Token {
    bytes32 public constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    mapping(address => mapping(bytes32 => bool)) public authorizationState;

    error NotPayee();
    error NotValidNow();
    error NonceUsed();
    error InvalidSignature();

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (to != msg.sender) revert NotPayee();
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) revert NotValidNow();
        if (authorizationState[from][nonce]) revert NonceUsed();
        bytes32 digest = authorizationDigest(from, to, value, validAfter, validBefore, nonce);
        address recovered = ecrecover(digest, v, r, s);
        if (recovered == address(0) || recovered != from) revert InvalidSignature();
        authorizationState[from][nonce] = true;
        _move(from, to, value);
    }

    function authorizationDigest(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) public view returns (bytes32) {
        bytes32 hash = keccak256(
            abi.encode(RECEIVE_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Dollar"),
                keccak256("2"),
                block.chainid,
                address(this)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }
}
