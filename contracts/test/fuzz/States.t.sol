// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    IPaymentChannel,
    Lock,
    OpenItem,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {FeeToken} from "../mocks/OddTokens.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// The rules of states for any numbers, against a plain restatement of each rule.
contract StatesTest is ChannelCalls {
    int256 private constant LIMIT = 2 ** 119;

    function testFuzz_p04_the_highest_version_submitted_in_time_is_paid(
        uint64[5] memory versions,
        int256[5] memory nets,
        uint32[5] memory delays
    ) public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        initiateBare(alice, terms);
        uint64 best;
        int256 bestNet;
        uint256 time = START;
        for (uint256 i = 0; i < 5; ++i) {
            time += bound(uint256(delays[i]), 0, PERIOD / 3);
            vm.warp(time);
            State memory state = ordinary(versions[i], bound(nets[i], -10 ether, 10 ether));
            bool ok = attempt(stranger, 0, challengeCall(terms, id, state));
            bool inTime = time < START + PERIOD;
            bool newer = versions[i] > best;
            bool same = versions[i] == best && state.net == bestNet;
            assertTrue(ok == (newer && inTime || same), "adopted exactly if newer and in time");
            if (newer && inTime) (best, bestNet) = (versions[i], state.net);
        }
        vm.warp(START + 2 * PERIOD);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        settle(terms);
        assertEq(alice.balance - aliceBefore, uint256(10 ether - bestNet), "alice");
        assertEq(bob.balance - bobBefore, uint256(10 ether + bestNet), "bob");
    }

    function testFuzz_p07_a_state_is_adopted_exactly_if_no_side_is_below_zero(
        uint120 deposit1,
        uint120 deposit2,
        State memory state,
        uint256 shape
    ) public {
        int256 d1 = int256(bound(uint256(deposit1), 0, 2 ** 118));
        int256 d2 = int256(bound(uint256(deposit2), 0, 2 ** 118 - 1));
        tame(state, d1, d2, shape);
        vm.deal(alice, uint256(d1));
        vm.deal(bob, uint256(d2));
        (Terms memory terms, bytes32 id) = active(1, uint256(d1), uint256(d2));
        bool ok = attempt(stranger, 0, updateCall(terms, id, state));
        assertTrue(ok == isAdoptable(state, d1, d2), "by the contract and by the rule");
        if (!ok) return;
        (uint256 b1, uint256 b2, uint256 l1, uint256 l2) = channels.balances(terms);
        assertEq(b1 + b2 + l1 + l2, uint256(d1 + d2), "nothing made, nothing lost");
        assertEq(b1, uint256(d1 - state.net) - state.locked1, "balance 1");
    }

    /// Brings wild values near the edges, where the rule decides.
    function tame(State memory state, int256 d1, int256 d2, uint256 shape) private pure {
        if (shape & 1 == 0) state.net = bound(state.net, -d2 - 2, d1 + 2);
        if (shape & 2 == 0) state.locked1 = bound(state.locked1, 0, uint256(d1) + 2);
        if (shape & 4 == 0) state.locked2 = bound(state.locked2, 0, uint256(d2) + 2);
        if (shape & 8 == 0) (state.locked1, state.locked2, state.locksRoot) = (0, 0, 0);
        if (shape & 16 == 0) state.kind = uint8(state.kind % 2);
        if (shape & 32 == 0) state.kind = 0;
    }

    function isAdoptable(State memory s, int256 d1, int256 d2) private pure returns (bool) {
        if (s.version == 0 || s.kind > 1) return false;
        if (s.locked1 >= 2 ** 112 || s.locked2 >= 2 ** 112) return false;
        bool locks = s.locked1 != 0 || s.locked2 != 0;
        if (locks != (s.locksRoot != 0) || (s.kind == 1 && locks)) return false;
        if (s.net <= -LIMIT || s.net >= LIMIT) return false;
        return d1 - s.net >= int256(s.locked1) && d2 + s.net >= int256(s.locked2);
    }

    function testFuzz_p06_a_flipped_bit_anywhere_voids_a_signature(
        uint256 bit,
        bool side,
        bool isFinal
    ) public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        State memory state = State(7, isFinal ? 1 : 0, 1 ether, 0, 0, 0);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        bit = bound(bit, 0, 511);
        Signature memory flipped = side ? s1 : s2;
        if (bit < 256) flipped.r = bytes32(uint256(flipped.r) ^ (1 << bit));
        else flipped.vs = bytes32(uint256(flipped.vs) ^ (1 << (bit - 256)));
        bytes memory call = isFinal
            ? abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(state), s1, s2))
            : abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2));
        assertTrue(!attempt(stranger, 0, call), "taken");
    }

    function testFuzz_p06_only_the_two_signers_can_sign(uint256 key1, uint256 key2) public {
        key1 = bound(key1, 1, 2 ** 128);
        key2 = bound(key2, 1, 2 ** 128);
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        State memory state = finalState(1, 1 ether);
        (Signature memory s1, Signature memory s2) = signWith(key1, key2, id, state);
        bytes memory call =
            abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(state), s1, s2));
        bool right = key1 == KEY_SIGNER1 && key2 == KEY_SIGNER2;
        assertTrue(attempt(stranger, 0, call) == right, "exactly these two");
    }

    function testFuzz_p08_the_deadline_is_the_time_of_the_close_plus_the_period(
        uint32 period,
        uint32 delay
    ) public {
        Terms memory terms = termsOf(address(0), 1);
        terms.challengePeriod = uint32(bound(uint256(period), MIN_PERIOD, MAX_PERIOD));
        (, bytes32 id) = activeWith(terms, 10 ether, 10 ether);
        uint256 closesAt = START + uint256(delay) + terms.challengePeriod;
        vm.warp(START + uint256(delay));
        initiateBare(alice, terms);
        assertEq(uint256(channels.channelOf(id).closesAt), closesAt, "set");
        vm.warp(closesAt - 1);
        assertTrue(!attempt(stranger, 0, closeCall(terms)), "t-1");
        assertTrue(attempt(stranger, 0, challengeCall(terms, id, ordinary(1, 0))), "t-1");
        vm.warp(closesAt);
        assertTrue(!attempt(stranger, 0, challengeCall(terms, id, ordinary(2, 0))), "t");
        assertTrue(attempt(stranger, 0, closeCall(terms)), "t");
        assertEq(uint256(channels.channelOf(id).closesAt), closesAt, "kept as evidence");
    }

    function testFuzz_p25_a_lock_pays_exactly_if_revealed_by_its_expiry(
        uint32 revealAt,
        uint32 expiry,
        uint32 resolveAt,
        uint112 amount,
        bool from1
    ) public {
        amount = uint112(bound(uint256(amount), 1, 10 ether));
        uint40 deadline = uint40(START + uint256(expiry));
        Lock[] memory locks = asArray(hashLock("s", amount, deadline, from1));
        vm.warp(START + uint256(revealAt));
        registry.registerSecret(secrets("s"));
        vm.warp(START);
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = closedWith(terms, 10 ether, 10 ether, withLocks(1, 0, locks));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        uint256 time = START + uint256(resolveAt);
        vm.warp(time);
        send(stranger, resolveCall(terms, locks, 1));
        bool met = revealAt <= expiry;
        bool decided = met || time > deadline;
        bool toBob = met == from1;
        assertEq(alice.balance - aliceBefore, decided && !toBob ? amount : 0, "alice");
        assertEq(bob.balance - bobBefore, decided && toBob ? amount : 0, "bob");
        uint256 held = channels.channelOf(id).held1 + channels.channelOf(id).held2;
        assertEq(held, decided ? 0 : amount, "held");
    }

    function testFuzz_p16_booked_is_what_arrived_whatever_the_fee(uint96 amount, uint96 more)
        public
    {
        FeeToken fee = new FeeToken();
        token = fee;
        fund(alice);
        fund(stranger);
        Terms memory terms = termsOf(address(fee), 1);
        uint256 first = bound(uint256(amount), 1, 500_000 ether);
        uint256 second = bound(uint256(more), 1, 500_000 ether);
        open(terms, first);
        send(stranger, depositCall(terms, 1, second));
        bytes32 id = channels.channelIdOf(terms);
        uint256 held = fee.balanceOf(address(channels));
        assertEq(uint256(channels.channelOf(id).deposit1), held, "booked = held");
        assertEq(held, first - first / 100 + second - second / 100, "less the fee");
    }

    function testFuzz_p19_a_batch_takes_exactly_its_sum(uint96[4] memory amounts, int256 off)
        public
    {
        OpenItem[] memory items = new OpenItem[](4);
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = bound(uint256(amounts[i]), 0, 1000 ether);
            items[i] = OpenItem(termsOf(address(0), i), amount, "");
            sum += amount;
        }
        int256 difference = bound(off, -1 ether, 1 ether);
        int256 value = int256(sum) + difference;
        if (value < 0) value = 0;
        bytes memory call = abi.encodeCall(IPaymentChannel.openBatch, (items));
        bool ok = attempt(alice, uint256(value), call);
        assertTrue(ok == (uint256(value) == sum), "exact or nothing");
        assertEq(address(channels).balance, ok ? sum : 0, "held");
    }

    function testFuzz_p02_a_withdrawal_and_a_close_together_pay_all_there_was(
        uint96 out1,
        uint96 out2,
        int256 net,
        int256 last
    ) public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        net = bound(net, -10 ether, 10 ether);
        uint256 o1 = bound(uint256(out1), 0, uint256(10 ether - net));
        uint256 o2 = bound(uint256(out2), 0, uint256(10 ether + net));
        uint256 before = alice.balance + bob.balance;
        send(stranger, withdrawCall(terms, id, orderOf(1, net, o1, o2)));
        last = bound(last, int256(o2) - 10 ether, 10 ether - int256(o1));
        cooperate(terms, id, finalState(2, last));
        assertEq(alice.balance + bob.balance - before, 20 ether, "all of it");
        assertTrue(statusOf(id) == Status.Closed, "closed");
        assertEq(address(channels).balance, 0, "nothing stays");
    }

    function testFuzz_p24_top_ups_go_back_one_for_one(uint96 up1, uint96 up2, int256 net) public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        net = bound(net, -10 ether, 10 ether);
        uint256 t1 = bound(uint256(up1), 1, 1000 ether);
        uint256 t2 = bound(uint256(up2), 1, 1000 ether);
        send(stranger, t1, depositCall(terms, 1, t1));
        send(stranger, t2, depositCall(terms, 2, t2));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        cooperate(terms, id, finalState(1, net));
        assertEq(alice.balance - aliceBefore, uint256(10 ether - net) + t1, "alice");
        assertEq(bob.balance - bobBefore, uint256(10 ether + net) + t2, "bob");
    }
}
