// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {CloseIntent, Signature, State} from "../../src/interfaces/IPaymentChannel.sol";
import {Signed} from "./Signed.sol";

/// How states come on chain: only newer ones, only what both signed, and no deadline ever moves.
contract AdoptProofs is Signed {
    /// P5, P6, P7, P8: a checkpoint.
    function check_p05_a_checkpoint_is_newer_and_signed_by_both(
        Living memory c,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        uint40 time
    ) public {
        begin(false, false, time);
        plant(c);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.updateState, (terms, s, s1, s2)));
        if (!ok) return;
        assert(!c.closing);
        _assertAdopted(c, s, s1, s2);
        assert(!living().closing);
        assertPayouts(before, money(), 0, 0);
    }

    /// P7: what is adopted is in range as it was signed, not only as it is packed, and leaves neither
    /// side with less than nothing.
    function check_p07_an_adopted_state_leaves_no_side_below_zero(
        Living memory c,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        uint40 time
    ) public {
        begin(false, false, time);
        plant(c);
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.updateState, (terms, s, s1, s2)));
        if (!ok) return;
        assert(s.kind < 2);
        assert(bit(s.locked1 < 1 << 112) & bit(s.locked2 < 1 << 112) == 1);
        assert(bit(s.net < 1 << 119) & bit(s.net > -(1 << 119)) == 1);
        assert(c.deposit1 - s.net - int256(s.locked1) >= 0);
        assert(c.deposit2 + s.net - int256(s.locked2) >= 0);
    }

    /// P5, P6, P7, P8, P9: a challenge is newer, in time, signed by both, and moves no deadline; the
    /// identical state changes nothing, another one of its version is refused.
    function check_p05_a_challenge_is_newer_and_moves_no_deadline(
        Living memory c,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        uint40 time
    ) public {
        begin(false, false, time);
        plant(c);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.challengeClose, (terms, s, s1, s2)));
        if (!ok) return;
        assert(c.closing);
        assertPayouts(before, money(), 0, 0);
        if (s.version == c.version) {
            assert(_isStored(c, s));
            _assertSameState(c, living());
        } else {
            assert(time < c.closesAt);
            _assertAdopted(c, s, s1, s2);
        }
        assert(living().closesAt == c.closesAt);
        assert(living().closing);
    }

    /// P8, P5: the close sets the deadline to now + the period of the terms, on the newest of what is
    /// stored and what is shown; a later one moves nothing.
    function check_p08_the_deadline_is_set_once(
        Living memory c,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        CloseIntent memory intent,
        address sender,
        uint40 time
    ) public {
        begin(false, false, time);
        plant(c);
        Money memory before = money();
        vm.assume(sender != address(channels));
        vm.prank(sender);
        (bool ok,) = address(channels)
            .call(abi.encodeCall(channels.initiateClose, (terms, s, s1, s2, intent)));
        if (!ok) return;
        Living memory d = living();
        assert(d.closing);
        if (c.closing) {
            assert(bit(d.closesAt == c.closesAt) & bit(d.side == c.side) == 1);
        } else {
            assert(d.closesAt == uint256(time) + PERIOD);
            _assertSideMayClose(d.side, sender, intent, time);
        }
        if (s.version > c.version) {
            assert(bit(!c.closing) | bit(time < c.closesAt) == 1);
            _assertAdopted(c, s, s1, s2);
        } else {
            _assertSameState(c, d);
        }
        assert(isWellFormed(d));
        assert(d.version >= intent.minVersion);
        assertPayouts(before, money(), 0, 0);
    }

    /// The side that is recorded is the sender's own, or its signer ordered the close.
    function _assertSideMayClose(uint8 side, address sender, CloseIntent memory intent, uint40 time)
        private
        view
    {
        uint256 own = (bit(side == 1) & (bit(sender == owner1) | bit(sender == SIGNER1)))
            | (bit(side == 2) & (bit(sender == owner2) | bit(sender == SIGNER2)));
        address signer = signerOf(intentDigest(intent), intent.signature);
        uint256 ordered = bit(intent.side == side) & bit(time <= intent.deadline)
            & ((bit(side == 1) & bit(signer == SIGNER1))
                | (bit(side == 2) & bit(signer == SIGNER2)));
        assert(own | ordered == 1);
    }

    /// The stored point is exactly this newer state, and nothing else has changed.
    function _assertAdopted(
        Living memory c,
        State memory s,
        Signature memory s1,
        Signature memory s2
    ) private view {
        assert(s.version > c.version);
        assert(areBothSigned(stateDigest(s), s1, s2));
        Living memory d = living();
        assert(isWellFormed(d));
        assert(_isStored(d, s));
        assert(bit(d.deposit1 == c.deposit1) & bit(d.deposit2 == c.deposit2) == 1);
        assert(d.withdrawVersion == c.withdrawVersion);
    }

    function _isStored(Living memory d, State memory s) private pure returns (bool) {
        return bit(d.version == s.version) & bit(bit(d.isFinal) == s.kind) & bit(d.net == s.net)
                & bit(d.locked1 == s.locked1) & bit(d.locked2 == s.locked2)
                & bit(d.locksRoot == s.locksRoot) == 1;
    }

    function _assertSameState(Living memory c, Living memory d) private pure {
        assert(
            bit(d.version == c.version) & bit(d.isFinal == c.isFinal) & bit(d.net == c.net)
                    & bit(d.locked1 == c.locked1) & bit(d.locked2 == c.locked2)
                    & bit(d.locksRoot == c.locksRoot) & bit(d.deposit1 == c.deposit1)
                    & bit(d.deposit2 == c.deposit2) == 1
        );
    }
}
