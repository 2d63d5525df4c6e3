// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    CloseIntent,
    FinalState,
    PartialWithdraw,
    Signature,
    State
} from "../../src/interfaces/IPaymentChannel.sol";
import {Signed} from "./Signed.sol";

/// The ways out: when they open and exactly what they pay.
contract ExitProofs is Signed {
    /// P2, P4, P9: the close pays what the stored point says, never before the deadline, and what is
    /// locked stays behind.
    function check_p02_a_unilateral_close_pays_exactly_the_stored_point(
        Living memory c,
        bool refuses1,
        bool refuses2,
        uint40 time
    ) public {
        begin(refuses1, refuses2, time);
        plant(c);
        Money memory before = money();
        (bool ok,) = address(channels).call(abi.encodeCall(channels.closeChannel, (terms)));
        if (!ok) return;
        assert(bit(c.closing) & bit(time >= c.closesAt) == 1);
        assert(status() == CLOSED);
        assertPayouts(
            before,
            money(),
            int256(c.deposit1) - c.net - int256(uint256(c.locked1)),
            int256(c.deposit2) + c.net - int256(uint256(c.locked2))
        );
        assert(load(3) == uint256(c.locked1) | uint256(c.locked2) << 112);
        assert(load(2) == uint256(c.locksRoot));
        assert(load(0) & type(uint104).max == uint256(c.version) | uint256(c.closesAt) << 64);
    }

    /// P10: what settles at once is a state of kind 1 without locks that both keys signed, and not older
    /// than the stored point.
    function check_p10_only_a_final_state_both_signed_closes_at_once(
        Living memory c,
        FinalState memory s,
        Signature memory s1,
        Signature memory s2,
        bool refuses1,
        bool refuses2,
        uint40 time
    ) public {
        begin(refuses1, refuses2, time);
        plant(c);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.cooperativeClose, (terms, s, s1, s2)));
        if (!ok) return;
        assert(areBothSigned(stateDigest(State(s.version, 1, s.net, 0, 0, 0)), s1, s2));
        uint256 isStored = bit(s.version == c.version) & bit(c.isFinal) & bit(s.net == c.net);
        assert(bit(s.version > c.version) | isStored == 1);
        assert(status() == CLOSED);
        assertPayouts(before, money(), c.deposit1 - s.net, c.deposit2 + s.net);
        assert(load(1) | load(2) | load(3) == 0);
    }

    /// P2, P7, P23: a withdrawal pays what both signed, once, and leaves a point that nothing older
    /// can follow and that both balances bear.
    function check_p02_a_partial_withdrawal_pays_exactly_what_both_signed(
        Living memory c,
        PartialWithdraw memory w,
        Signature memory s1,
        Signature memory s2,
        bool refuses1,
        bool refuses2,
        uint40 time
    ) public {
        begin(refuses1, refuses2, time);
        plant(c);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.partialWithdraw, (terms, w, s1, s2)));
        if (!ok) return;
        assert(areBothSigned(withdrawDigest(w), s1, s2));
        assert(bit(!c.closing) & bit(w.version > c.version) & bit(time <= w.deadline) == 1);
        assert(bit(w.out1 < 1 << 119) & bit(w.out2 < 1 << 119) == 1);
        assertPayouts(before, money(), int256(w.out1), int256(w.out2));

        Living memory d = living();
        assert(isWellFormed(d));
        assert(bit(d.version == w.version) & bit(d.net == w.net) & bit(!d.isFinal) == 1);
        assert(d.withdrawVersion == w.version);
        assert(bit(d.locked1 == w.locked1) & bit(d.locked2 == w.locked2) == 1);
        assert(d.locksRoot == w.locksRoot);
        assert(d.deposit1 == int256(c.deposit1) - int256(w.out1));
        assert(d.deposit2 == int256(c.deposit2) - int256(w.out2));
        assert(bit(d.closing) | bit(d.closesAt != 0) == 0);
    }

    /// P2: what was put into a channel nobody joined goes back in full, by its owner's word.
    function check_p02_a_cancelled_open_refunds_all(
        uint112 deposit1,
        CloseIntent memory intent,
        address sender,
        bool refuses1,
        uint40 time
    ) public {
        begin(refuses1, false, time);
        store(0, uint256(deposit1) | 1 << 240);
        vm.deal(address(channels), MONEY_OF_OTHERS + deposit1);
        Money memory before = money();
        vm.assume(sender != address(channels));
        vm.prank(sender);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.cancelOpen, (terms, intent)));
        if (!ok) return;
        uint256 ordered = bit(intent.side == 1) & bit(time <= intent.deadline)
            & bit(signerOf(intentDigest(intent), intent.signature) == SIGNER1);
        assert(bit(sender == owner1) | ordered == 1);
        assert(status() == CLOSED);
        assertPayouts(before, money(), int256(uint256(deposit1)), 0);
    }
}
