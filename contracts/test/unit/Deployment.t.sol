// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Channel, Entry, State, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {Config, LaunchSchedule, TokenCap} from "../support/ChannelTest.sol";

/// The getters that the compiler makes; they are no part of the interface.
interface IDeployment {
    function CHAIN_ID() external view returns (uint256);
    function MIN_CHALLENGE_PERIOD() external view returns (uint32);
    function MAX_CHALLENGE_PERIOD() external view returns (uint32);
    function CHALLENGE_PERIOD_LIMIT() external view returns (uint32);
    function MAX_LOCKS() external view returns (uint256);
    function SECRET_REGISTRY() external view returns (address);
    function PERMIT2() external view returns (address);
}

/// What a deployment says of itself, and what it says of a channel that never was.
contract DeploymentTest is ChannelCalls {
    function test_s17_a_deployment_shows_what_it_was_made_with() public {
        TokenCap[] memory caps = new TokenCap[](0);
        LaunchSchedule memory schedule = LaunchSchedule(0, 0, 0, caps);
        channels = deployWith(Config(2 hours, 5 days, address(registry), address(0xBEEF), schedule));
        IDeployment deployment = IDeployment(address(channels));
        assertEq(uint256(deployment.MIN_CHALLENGE_PERIOD()), 2 hours, "min");
        assertEq(uint256(deployment.MAX_CHALLENGE_PERIOD()), 5 days, "max");
        assertEq(uint256(deployment.CHALLENGE_PERIOD_LIMIT()), 7 days, "limit");
        assertEq(deployment.MAX_LOCKS(), 32, "locks");
        assertTrue(deployment.SECRET_REGISTRY() == address(registry), "registry");
        assertTrue(deployment.PERMIT2() == address(0xBEEF), "permit2");
        assertEq(deployment.CHAIN_ID(), block.chainid, "chain");
        vm.chainId(block.chainid + 1);
        assertEq(deployment.CHAIN_ID() + 1, block.chainid, "that of the deployment, for ever");
    }

    function test_p28_a_channel_that_never_was_is_all_zero() public view {
        Terms memory terms = termsOf(address(0), 1);
        Channel memory none;
        Channel memory channel = channels.channelOf(channels.channelIdOf(terms));
        assertEq(keccak256(abi.encode(channel)), keccak256(abi.encode(none)), "zero");
        (uint256 b1, uint256 b2, uint256 l1, uint256 l2) = channels.balances(terms);
        assertEq(b1 + b2 + l1 + l2, 0, "nothing");
    }

    function test_p06_an_authorisation_nonce_names_channel_entry_and_salt() public view {
        bytes32 nonce = channels.authorizationNonce("id", Entry.Join, "salt");
        assertEq(
            nonce,
            keccak256(abi.encode(bytes32("id"), Entry.Join, bytes32("salt"))),
            "as documented"
        );
        assertTrue(nonce != channels.authorizationNonce("id", Entry.Open, "salt"), "entry");
        assertTrue(nonce != channels.authorizationNonce("di", Entry.Join, "salt"), "channel");
        assertTrue(nonce != channels.authorizationNonce("id", Entry.Join, "tlas"), "salt");
    }

    function test_p02_balances_of_a_closed_channel_are_what_is_still_held() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 root = keccak256("locks");
        closedWith(terms, 10 ether, 10 ether, stateWith(root));
        (uint256 b1, uint256 b2, uint256 l1, uint256 l2) = channels.balances(terms);
        assertEq(b1 + b2, 0, "paid");
        assertEq(l1, 1 ether, "held 1");
        assertEq(l2, 2 ether, "held 2");
    }

    function stateWith(bytes32 root) private pure returns (State memory) {
        return State(1, 0, 0, 1 ether, 2 ether, root);
    }
}
