// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// Stand-in for ArbOS' precompile 0x64, written from its published interface; for local networks only.
/// The tree of messages grows here step by step, as ArbOS does it, and not as our own prover computes it.
contract ArbSys {
    address private constant ARBOS = 0x00000000000000000000000000000000000A4B05;
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;

    event L2ToL1Tx(
        address caller,
        address indexed destination,
        uint256 indexed hash,
        uint256 indexed position,
        uint256 arbBlockNum,
        uint256 ethBlockNum,
        uint256 timestamp,
        uint256 callvalue,
        bytes data
    );
    event SendMerkleUpdate(uint256 indexed reserved, bytes32 indexed hash, uint256 indexed position);

    error OnlyArbOS(address caller);
    error InvalidBlockNumber(uint256 requested, uint256 current);

    uint64 private _size;
    uint64 private _l1Block;
    mapping(uint256 => bytes32) private _partials;

    function setL1Block(uint64 number) external {
        if (msg.sender != ARBOS) revert OnlyArbOS(msg.sender);
        _l1Block = number;
    }

    function l1Block() external view returns (uint64) {
        return _l1Block;
    }

    function arbBlockNumber() external view returns (uint256) {
        return block.number;
    }

    function arbBlockHash(uint256 number) external view returns (bytes32 hash) {
        hash = blockhash(number);
        if (hash == 0) revert InvalidBlockNumber(number, block.number);
    }

    function arbChainID() external view returns (uint256) {
        return block.chainid;
    }

    /// 55 is the number that ArbOS' own versions are counted from.
    function arbOSVersion() external pure returns (uint256) {
        return 55 + 51;
    }

    function mapL1SenderContractAddressToL2Alias(address sender, address)
        external
        pure
        returns (address)
    {
        unchecked {
            return address(uint160(sender) + uint160(0x1111000000000000000000000000000000001111));
        }
    }

    function withdrawEth(address destination) external payable returns (uint256) {
        return _send(destination, "");
    }

    function sendTxToL1(address destination, bytes calldata data)
        external
        payable
        returns (uint256)
    {
        return _send(destination, data);
    }

    function sendMerkleTreeState()
        external
        view
        returns (uint256 size, bytes32 root, bytes32[] memory partials)
    {
        size = _size;
        partials = new bytes32[](_levels(_size));
        uint256 level;
        bool isStarted;
        for (uint256 i = 0; i < partials.length; i++) {
            partials[i] = _partials[i];
            if (partials[i] == 0) continue;
            if (!isStarted) {
                (root, level, isStarted) = (partials[i], i, true);
                continue;
            }
            for (; level < i; level++) root = _pair(root, 0);
            (root, level) = (_pair(partials[i], root), i + 1);
        }
    }

    function _send(address destination, bytes memory data) private returns (uint256 position) {
        bytes32 item = keccak256(
            abi.encodePacked(
                msg.sender,
                destination,
                block.number,
                uint256(_l1Block),
                block.timestamp,
                msg.value,
                data
            )
        );
        position = _size;
        _append(keccak256(abi.encodePacked(item)));
        // Value leaves the rollup.
        (bool isBurnt,) = BURNT.call{value: msg.value}("");
        assert(isBurnt);
        emit L2ToL1Tx(
            msg.sender,
            destination,
            uint256(item),
            position,
            block.number,
            _l1Block,
            block.timestamp,
            msg.value,
            data
        );
    }

    function _append(bytes32 node) private {
        uint256 last = _levels(_size);
        uint256 position = _size;
        _size++;
        for (uint256 level = 0;; level++) {
            if (level == last || _partials[level] == 0) {
                _partials[level] = node;
                return;
            }
            node = _pair(_partials[level], node);
            _partials[level] = 0;
            emit SendMerkleUpdate(0, node, ((level + 1) << 192) + position);
        }
    }

    /// Bits that a number has.
    function _levels(uint64 size) private pure returns (uint256 levels) {
        for (; size > 0; size >>= 1) levels++;
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }
}
