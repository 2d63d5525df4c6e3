// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {Config, LaunchSchedule, TokenCap} from "../support/ChannelTest.sol";

/// Which terms a channel can be opened on, and which deployments are possible.
contract TermsTest is ChannelCalls {
    function refusedTerms(Terms memory terms, bytes memory expected) private {
        refused(alice, 1 ether, openCall(terms, 1 ether, ""), expected);
        bytes32 id = channels.channelIdOf(terms);
        assertEq(uint256(statusOf(id)), 0, "no channel came into being");
    }

    function test_p11_a_zero_participant_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.participant1 = address(0);
        refusedTerms(terms, err(IPaymentChannel.InvalidParticipant.selector, uint256(1)));
        terms = termsOf(address(0), 1);
        terms.participant2 = address(0);
        refusedTerms(terms, err(IPaymentChannel.InvalidParticipant.selector, 2));
    }

    function test_p11_a_zero_signer_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.signer1 = address(0);
        refusedTerms(terms, err(IPaymentChannel.InvalidSigner.selector, uint256(1)));
        terms = termsOf(address(0), 1);
        terms.signer2 = address(0);
        refusedTerms(terms, err(IPaymentChannel.InvalidSigner.selector, 2));
    }

    function test_p11_one_address_on_both_sides_is_refused_in_every_combination() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.participant2 = alice;
        refusedTerms(terms, err(IPaymentChannel.SharedAddress.selector, alice));
        terms = termsOf(address(0), 1);
        terms.signer2 = alice;
        refusedTerms(terms, err(IPaymentChannel.SharedAddress.selector, alice));
        terms = termsOf(address(0), 1);
        terms.signer1 = bob;
        refusedTerms(terms, err(IPaymentChannel.SharedAddress.selector, bob));
        terms = termsOf(address(0), 1);
        terms.signer2 = terms.signer1;
        refusedTerms(terms, err(IPaymentChannel.SharedAddress.selector, terms.signer1));
    }

    function test_p11_a_participant_may_be_its_own_signer() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.signer1 = alice;
        terms.signer2 = bob;
        open(terms, 1 ether);
        join(terms, 0);
        assertEq(uint256(statusOf(channels.channelIdOf(terms))), 2, "active");
    }

    function test_s15_a_participant_can_not_be_the_contract() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.participant2 = address(channels);
        refusedTerms(terms, err(IPaymentChannel.InvalidParticipant.selector, 2));
        terms = termsOf(address(0), 1);
        terms.participant1 = address(channels);
        refusedTerms(terms, err(IPaymentChannel.InvalidParticipant.selector, uint256(1)));
    }

    function test_p08_a_period_outside_of_the_bounds_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        terms.challengePeriod = MIN_PERIOD - 1;
        refusedTerms(terms, periodError(MIN_PERIOD - 1));
        terms.challengePeriod = MAX_PERIOD + 1;
        refusedTerms(terms, periodError(MAX_PERIOD + 1));
        terms.challengePeriod = MIN_PERIOD;
        open(terms, 1 ether);
        terms.challengePeriod = MAX_PERIOD;
        open(terms, 1 ether);
    }

    function periodError(uint32 period) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IPaymentChannel.PeriodOutOfBounds.selector, period, MIN_PERIOD, MAX_PERIOD
        );
    }

    function test_p17_a_token_without_code_is_refused() public {
        Terms memory terms = termsOf(address(0xDEAD), 1);
        bytes memory expected = err(IPaymentChannel.NoCode.selector, address(0xDEAD));
        refused(alice, openCall(terms, 1 ether, ""), expected);
        refused(alice, openCall(terms, 0, ""), expected);
    }

    function test_p06_terms_with_dirty_words_name_no_channel() public {
        (Terms memory terms,) = active(1, 1 ether, 1 ether);
        bytes memory call = closeCall(terms);
        // Participant 1's word, with a bit set above its 20 bytes.
        call[4] = 0x01;
        assertTrue(!attempt(stranger, 0, call), "dirty terms were taken");
    }

    // ------------------------------------------------------------------ deployment

    function deploymentRefused(uint32 min, uint32 max, address registry_, bytes memory expected)
        private
    {
        Config memory config = Config(min, max, registry_, address(0), noCaps());
        (bool ok, bytes memory reason) =
            address(this).call(abi.encodeCall(this.deployConfig, (config)));
        assertTrue(!ok, "deployed");
        assertEq(keccak256(reason), keccak256(expected), "constructor error");
    }

    /// External, so that the revert of the constructor can be seen.
    function deployConfig(Config calldata config) external returns (address created) {
        bytes memory code =
            abi.encodePacked(vm.getCode(artifactPath("PaymentChannel")), abi.encode(config));
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function boundsError(uint32 min, uint32 max) private pure returns (bytes memory) {
        return err(IPaymentChannel.InvalidPeriodBounds.selector, uint256(min), uint256(max));
    }

    function test_s17_a_deployment_has_sane_period_bounds_for_ever() public {
        deploymentRefused(0, 1 days, address(registry), boundsError(0, 1 days));
        deploymentRefused(2 days, 1 days, address(registry), boundsError(2 days, 1 days));
        deploymentRefused(1 days, 7 days, address(registry), boundsError(1 days, 7 days));
        this.deployConfig(Config(1, 7 days - 1, address(registry), address(0), noCaps()));
    }

    function test_p26_a_deployment_needs_a_secret_registry() public {
        deploymentRefused(
            1 days, 2 days, address(0xBEEF), err(IPaymentChannel.NoCode.selector, address(0xBEEF))
        );
    }

    function test_p22_a_launch_schedule_that_can_not_end_is_refused() public {
        bytes memory expected = err(bytes4(keccak256("InvalidLaunchSchedule()")));
        TokenCap[] memory caps = new TokenCap[](0);
        scheduleRefused(LaunchSchedule(uint40(START), 0, uint40(START + 1), caps), expected);
        scheduleRefused(LaunchSchedule(uint40(START), 1 days, uint40(START), caps), expected);
        scheduleRefused(LaunchSchedule(uint40(START), 1 days, uint40(START - 1), caps), expected);
    }

    function scheduleRefused(LaunchSchedule memory schedule, bytes memory expected) private {
        Config memory config = Config(1 days, 2 days, address(registry), address(0), schedule);
        (bool ok, bytes memory reason) =
            address(this).call(abi.encodeCall(this.deployConfig, (config)));
        assertTrue(!ok, "deployed");
        assertEq(keccak256(reason), keccak256(expected), "constructor error");
    }
}
