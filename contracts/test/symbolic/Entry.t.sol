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

/// The ways in: every wei that arrives is a deposit or a credit of the side the arguments name, and
/// what an open and a join leave is well formed: the base of the induction.
contract EntryProofs is Signed {
    uint256 private constant PENDING = 1;

    /// Side 2's word on an open, as free words; `given` leaves it out altogether.
    struct Acceptance {
        bool given;
        uint256 minDeposit1;
        uint64 deadline;
        Signature signature;
    }

    /// P2, P24: a deposit is for its side, whoever sends it; too late, it is that owner's credit.
    function check_p02_a_deposit_is_booked_for_the_side_it_names(
        Living memory c,
        uint8 side,
        uint256 amount,
        uint112 value,
        uint40 time
    ) public {
        begin(false, false, time);
        plant(c);
        Money memory a = money();
        vm.deal(address(this), value);
        (bool ok,) = address(channels).call{value: value}(
            abi.encodeCall(channels.deposit, (terms, side, amount))
        );
        if (!ok) return;
        Money memory b = money();
        Living memory d = living();
        assert(isWellFormed(d));
        assert(amount == value);
        assert(b.inContract - a.inContract == value);
        int256 booked1 = int256(d.deposit1) - c.deposit1 + int256(b.credit1 - a.credit1);
        int256 booked2 = int256(d.deposit2) - c.deposit2 + int256(b.credit2 - a.credit2);
        assert(bit(side == 1) | bit(side == 2) == 1);
        assert(booked1 == (side == 1 ? int256(uint256(value)) : int256(0)));
        assert(booked2 == (side == 2 ? int256(uint256(value)) : int256(0)));
        assert(d.closing == c.closing);
        assert(bit(d.closing) & bit(d.deposit1 != c.deposit1 || d.deposit2 != c.deposit2) == 0);
        assert(bit(d.version == c.version) & bit(d.net == c.net) == 1);
        assert(d.closesAt == c.closesAt);
    }

    /// P2, P11: opening, with and without side 2's word, on an id that is new or pending.
    function check_p02_an_open_books_all_and_needs_both_sides_consent(
        bool isPending,
        uint112 deposit1,
        Acceptance memory accept,
        uint112 value,
        address sender,
        uint40 time
    ) public {
        begin(false, false, time);
        uint256 booked = isPending ? uint256(deposit1) : 0;
        _plantPending(isPending, deposit1);
        Money memory a = money();
        bool ok = _call(
            sender, value, abi.encodeCall(channels.openChannel, (terms, value, _encode(accept)))
        );
        if (!ok) return;
        Money memory b = money();
        assert(b.inContract - a.inContract == value);
        assert(b.credit2 == a.credit2);
        uint256 now1 = uint120(load(0));
        assert(now1 + b.credit1 - a.credit1 == booked + value);
        assert(uint120(load(0) >> 120) == 0);
        if (status() == ACTIVE) {
            assert(_isAccepted(accept, now1, time));
            assert(isWellFormed(living()));
        } else {
            assert(status() == (isPending ? PENDING : status()));
            assert(status() <= PENDING);
            if (!isPending) assert(bit(status() == 0) | bit(sender == owner1) == 1);
        }
    }

    /// P2, P11: joining a pending channel takes side 2's word and leaves side 1's money alone.
    function check_p02_a_join_books_all_and_needs_side_two(
        uint112 deposit1,
        Acceptance memory accept,
        uint112 value,
        address sender,
        uint40 time
    ) public {
        begin(false, false, time);
        _plantPending(true, deposit1);
        Money memory a = money();
        bool ok = _call(
            sender, value, abi.encodeCall(channels.joinChannel, (terms, value, _encode(accept)))
        );
        if (!ok) return;
        Money memory b = money();
        assert(b.inContract - a.inContract == value);
        assert(b.credit1 == a.credit1);
        assert(uint120(load(0)) == deposit1);
        assert(uint120(load(0) >> 120) + b.credit2 - a.credit2 == value);
        if (status() == ACTIVE) {
            assert(sender == owner2 || _isAccepted(accept, deposit1, time));
            assert(isWellFormed(living()));
        } else {
            assert(status() == PENDING);
            assert(b.credit2 - a.credit2 == value);
        }
    }

    /// P11: no call of any kind changes the tombstone; money that comes is its owner's credit.
    function check_p11_closed_is_for_ever(
        uint240 tombstone,
        uint8 which,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        uint112 value,
        address sender,
        uint40 time
    ) public {
        begin(false, false, time);
        uint256 word = uint256(tombstone) | CLOSED << 240;
        store(0, word);
        vm.deal(address(channels), MONEY_OF_OTHERS);
        Money memory a = money();
        bool ok = _call(sender, which < 3 ? value : 0, _anyCall(which, s, s1, s2, value));
        assert(load(0) == word);
        assert(load(1) == 0);
        if (!ok) return;
        Money memory b = money();
        assert(which < 3);
        assert(b.credit1 - a.credit1 + b.credit2 - a.credit2 == value);
        assert(b.inContract - a.inContract == value);
    }

    function _anyCall(
        uint8 which,
        State memory s,
        Signature memory s1,
        Signature memory s2,
        uint256 value
    ) private view returns (bytes memory) {
        CloseIntent memory intent = CloseIntent(1, 0, type(uint64).max, s1);
        if (which == 0) return abi.encodeCall(channels.openChannel, (terms, value, ""));
        if (which == 1) return abi.encodeCall(channels.joinChannel, (terms, value, ""));
        if (which == 2) return abi.encodeCall(channels.deposit, (terms, 1, value));
        if (which == 3) return abi.encodeCall(channels.cancelOpen, (terms, intent));
        if (which == 4) return abi.encodeCall(channels.updateState, (terms, s, s1, s2));
        if (which == 5) return abi.encodeCall(channels.challengeClose, (terms, s, s1, s2));
        if (which == 6) return abi.encodeCall(channels.initiateClose, (terms, s, s1, s2, intent));
        if (which == 7) return abi.encodeCall(channels.closeChannel, (terms));
        if (which == 8) {
            FinalState memory f = FinalState(s.version, s.net);
            return abi.encodeCall(channels.cooperativeClose, (terms, f, s1, s2));
        }
        PartialWithdraw memory w;
        (w.version, w.net, w.out1, w.deadline) = (s.version, s.net, s.locked1, type(uint64).max);
        return abi.encodeCall(channels.partialWithdraw, (terms, w, s1, s2));
    }

    function _plantPending(bool isPending, uint112 deposit1) private {
        if (isPending) store(0, uint256(deposit1) | PENDING << 240);
        vm.deal(address(channels), MONEY_OF_OTHERS + deposit1);
    }

    function _call(address sender, uint256 value, bytes memory data) private returns (bool ok) {
        vm.assume(sender != address(channels));
        vm.deal(sender, value);
        vm.prank(sender);
        (ok,) = address(channels).call{value: value}(data);
    }

    function _encode(Acceptance memory a) private pure returns (bytes memory) {
        if (!a.given) return "";
        return abi.encodePacked(a.minDeposit1, a.deadline, a.signature.r, a.signature.vs);
    }

    function _isAccepted(Acceptance memory a, uint256 deposit1, uint40 time)
        private
        view
        returns (bool)
    {
        address signer = signerOf(openDigest(a.minDeposit1, a.deadline), a.signature);
        return bit(a.given) & bit(deposit1 >= a.minDeposit1) & bit(time <= a.deadline)
                & (bit(signer == SIGNER2) | bit(signer == owner2)) == 1;
    }
}
