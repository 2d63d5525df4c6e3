// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    CloseIntent,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelTest, Config} from "../support/ChannelTest.sol";

/// One more cheatcode of forge.
interface BoolReader {
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
}

/// Reads the published vectors, and puts the committed contract where they say it is.
abstract contract VectorFile is ChannelTest {
    string internal json;

    function setUp() public virtual override {
        super.setUp();
        json = vm.readFile("../tests/vectors/eip712.json");
    }

    /// Runs the constructor at an address of the vectors' choice.
    function deployAt(string memory set) internal {
        vm.chainId(number(set, ".domain.chainId"));
        address target = vm.parseJsonAddress(json, string.concat(set, ".domain.verifyingContract"));
        string memory folder = vm.envOr("LOCKSTEP_ARTIFACTS", string("artifacts"));
        bytes memory code = vm.getCode(string.concat(folder, "/PaymentChannel.json"));
        Config memory config = Config(1 hours, 604_799, address(registry), address(0), noCaps());
        vm.etch(target, abi.encodePacked(code, abi.encode(config)));
        (bool ok, bytes memory runtime) = target.call("");
        assertTrue(ok, "the constructor runs");
        vm.etch(target, runtime);
        channels = IPaymentChannel(target);
    }

    // ------------------------------------------------------------------ paths

    function item(string memory list, uint256 index) internal pure returns (string memory) {
        return string.concat(list, "[", decimal(index), "]");
    }

    function has(string memory path) internal view returns (bool) {
        return vm.keyExistsJson(json, path);
    }

    function decimal(uint256 value) internal pure returns (string memory digits) {
        if (value == 0) return "0";
        while (value != 0) {
            digits = string.concat(string(abi.encodePacked(uint8(48 + value % 10))), digits);
            value /= 10;
        }
    }

    // ------------------------------------------------------------------ values

    function number(string memory path, string memory key) internal view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(path, key));
    }

    function signed(string memory path, string memory key) internal view returns (int256) {
        return vm.parseJsonInt(json, string.concat(path, key));
    }

    function word(string memory path, string memory key) internal view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(path, key));
    }

    function account(string memory path, string memory key) internal view returns (address) {
        return vm.parseJsonAddress(json, string.concat(path, key));
    }

    function text(string memory path, string memory key) internal view returns (string memory) {
        return vm.parseJsonString(json, string.concat(path, key));
    }

    function data(string memory path, string memory key) internal view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(path, key));
    }

    // ------------------------------------------------------------------ structs

    function readTerms(string memory path) internal view returns (Terms memory) {
        return Terms({
            participant1: account(path, ".terms.participant1"),
            participant2: account(path, ".terms.participant2"),
            signer1: account(path, ".terms.signer1"),
            signer2: account(path, ".terms.signer2"),
            token: account(path, ".terms.token"),
            challengePeriod: uint32(number(path, ".terms.challengePeriod")),
            salt: word(path, ".terms.salt")
        });
    }

    function readState(string memory path) internal view returns (State memory) {
        return State({
            version: uint64(number(path, ".state.version")),
            kind: uint8(number(path, ".state.kind")),
            net: signed(path, ".state.net"),
            locked1: number(path, ".state.locked1"),
            locked2: number(path, ".state.locked2"),
            locksRoot: word(path, ".state.locksRoot")
        });
    }

    function readOrder(string memory path) internal view returns (PartialWithdraw memory) {
        return PartialWithdraw({
            version: uint64(number(path, ".order.version")),
            net: signed(path, ".order.net"),
            locked1: number(path, ".order.locked1"),
            locked2: number(path, ".order.locked2"),
            locksRoot: word(path, ".order.locksRoot"),
            out1: number(path, ".order.out1"),
            out2: number(path, ".order.out2"),
            deadline: uint64(number(path, ".order.deadline"))
        });
    }

    function readTake(string memory path) internal view returns (Take memory) {
        return Take({
            token: account(path, ".take.token"),
            account: account(path, ".take.account"),
            to: account(path, ".take.to"),
            amount: number(path, ".take.amount"),
            id: number(path, ".take.id"),
            deadline: uint64(number(path, ".take.deadline"))
        });
    }

    function readIntent(string memory path) internal view returns (CloseIntent memory) {
        uint8 side = uint8(number(path, ".intent.side"));
        return CloseIntent({
            side: side,
            minVersion: uint64(number(path, ".intent.minVersion")),
            deadline: uint64(number(path, ".intent.deadline")),
            signature: compactOf(path, side == 1 ? "signer1" : "signer2")
        });
    }

    function compactOf(string memory path, string memory role)
        internal
        view
        returns (Signature memory)
    {
        bytes memory packed = data(path, string.concat(".signatures.", role, ".compact"));
        (bytes32 r, bytes32 vs) = abi.decode(packed, (bytes32, bytes32));
        return Signature(r, vs);
    }

    /// The list of this name among the file's lists of locks.
    function readLocks(string memory name)
        internal
        view
        returns (Lock[] memory locks, bytes32[] memory secrets_)
    {
        string memory path = locksPath(name);
        uint256 count = 0;
        while (has(item(string.concat(path, ".locks"), count))) ++count;
        locks = new Lock[](count);
        secrets_ = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            string memory entry = item(string.concat(path, ".locks"), i);
            locks[i] = Lock({
                hash: word(entry, ".hash"),
                resolver: account(entry, ".resolver"),
                amount: uint112(number(entry, ".amount")),
                expiry: uint40(number(entry, ".expiry")),
                from1: BoolReader(address(vm)).parseJsonBool(json, string.concat(entry, ".from1"))
            });
            secrets_[i] = word(item(string.concat(path, ".secrets"), i), "");
        }
    }

    function locksPath(string memory name) internal view returns (string memory path) {
        for (uint256 i = 0; has(item(".locks", i)); ++i) {
            path = item(".locks", i);
            if (keccak256(bytes(text(path, ".name"))) == keccak256(bytes(name))) return path;
        }
        assertTrue(false, name);
    }
}
