// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    Channel,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// P12: from every reachable state an honest participant, holding only its newest full state with its
/// locks and the one still pending, gets what that state gives it. The other side acts by a random
/// script between any two acts of the honest one.
contract ExitTest is ChannelCalls {
    int256 private constant DEPOSIT = 10 ether;
    uint40 private constant LONGEST = uint40(START + 20 days);

    Terms private terms;
    bytes32 private id;
    /// The side that is honest; the other one is played by `cheat`.
    uint8 private honest;
    Receiver private cheat;
    State[] private states;
    mapping(uint256 index => Lock[]) private locksAt;
    PartialWithdraw private order;
    /// Index of the newest state the honest side holds with both signatures.
    uint256 private newest;
    /// What anyone has given to the honest side on top.
    uint256 private gifts;
    uint256 private dice;

    function roll(uint256 sides) private returns (uint256) {
        dice = uint256(keccak256(abi.encode(dice)));
        return dice % sides;
    }

    // ------------------------------------------------------------------ the history both signed

    function prepare(uint256 seed) private {
        dice = seed;
        honest = uint8(1 + roll(2));
        cheat = new Receiver();
        terms = termsOf(roll(2) == 0 ? address(0) : address(token), seed);
        if (honest == 1) terms.participant2 = address(cheat);
        else terms.participant1 = address(cheat);
        id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, uint64(START));
        uint256 value = terms.token == address(0) ? 10 ether : 0;
        send(stranger, value, openCall(terms, 10 ether, accept));
        send(stranger, value, depositCall(terms, 2, 10 ether));
        signHistory();
    }

    /// Each state is possible with the withdrawal and without it, as the protocol demands.
    function signHistory() private {
        uint256 n = 2 + roll(5);
        uint64 version;
        uint256 withdrawAt = roll(n + 2);
        for (uint256 i = 0; i < n; ++i) {
            version += uint64(1 + roll(3));
            int256 net = int256(roll(10 ether)) - 5 ether;
            if (i == withdrawAt && i + 1 < n) {
                order = orderOf(version, net, roll(2 ether), roll(2 ether));
                version += 1;
            }
            states.push(ordinary(version, net));
            if (roll(2) == 0) addLocks(i);
        }
        // The last one may never have reached the honest side in full.
        newest = roll(2) == 0 ? n - 1 : n - 2;
    }

    function addLocks(uint256 i) private {
        uint256 n = 1 + roll(4);
        for (uint256 k = 0; k < n; ++k) {
            locksAt[i].push(
                hashLock(
                    bytes32(i * 8 + k),
                    uint112(roll(0.5 ether)),
                    uint40(START + roll(20 days)),
                    roll(2) == 0
                )
            );
        }
        State memory state = withLocks(states[i].version, states[i].net, locksAt[i]);
        if (state.locked1 + state.locked2 == 0) delete locksAt[i];
        else states[i] = state;
    }

    // ------------------------------------------------------------------ the script of the other side

    function cheatActs() private {
        uint256 kind = roll(10);
        uint256 old = roll(states.length);
        if (kind == 0) attempt(stranger, 0, updateCall(terms, id, states[old]));
        if (kind == 1) attempt(cheatSigner(), 0, initiateCall(terms, id, states[old]));
        if (kind == 2) attempt(stranger, 0, challengeCall(terms, id, states[old]));
        if (kind == 3) attempt(cheatSigner(), 0, initiateCall(terms, id, ordinary(0, 0)));
        if (kind == 4) gift(roll(2) == 0 ? 1 : 2);
        if (kind == 5 && order.version != 0) {
            attempt(stranger, 0, withdrawCall(terms, id, order));
        }
        if (kind == 6) cheat.turn(Manner(roll(5)));
        if (kind == 7) attempt(stranger, 0, closeCall(terms));
        if (kind == 8) attempt(stranger, 0, cooperateCall(terms, id, states[old]));
        if (kind == 9) starvedBatch(old);
    }

    function cheatSigner() private view returns (address) {
        return honest == 1 ? terms.signer2 : terms.signer1;
    }

    function gift(uint8 side) private {
        uint256 amount = 1 + roll(1 ether);
        uint256 value = terms.token == address(0) ? amount : 0;
        if (attempt(stranger, value, depositCall(terms, side, amount)) && side == honest) {
            gifts += amount;
        }
    }

    function starvedBatch(uint256 old) private {
        ChallengeItem[] memory items = new ChallengeItem[](1);
        (Signature memory s1, Signature memory s2) = sign(id, states[old]);
        items[0] = ChallengeItem(terms, states[old], s1, s2);
        bytes memory call = abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items));
        (bool ok,) = address(channels).call{gas: 100_000 + roll(200_000)}(call);
        ok;
    }

    // ------------------------------------------------------------------ the honest side

    /// At the first sight of a close it answers with its newest state, through any tower.
    function honestAnswers() private {
        Channel memory c = channels.channelOf(id);
        if (c.status != Status.Closing || c.version >= states[newest].version) return;
        send(stranger, challengeCall(terms, id, states[newest]));
    }

    function honestCloses() private {
        if (statusOf(id) == Status.Active) {
            bytes memory mine = initiateCall(terms, id, states[newest]);
            // Anything may land just before.
            cheatActs();
            address signer = honest == 1 ? terms.signer1 : terms.signer2;
            if (statusOf(id) != Status.Closed) send(signer, mine);
        }
        honestAnswers();
    }

    /// The secrets the honest side learned for money it receives, before they expire.
    function honestReveals(uint256 index) private {
        Lock[] storage locks = locksAt[index];
        for (uint256 k = 0; k < locks.length; ++k) {
            bool incoming = locks[k].from1 == (honest == 2);
            if (incoming || roll(2) == 0) registry.registerSecret(secrets(bytes32(index * 8 + k)));
        }
    }

    function testFuzz_p12_an_honest_participant_gets_its_due_whatever_the_other_does(uint256 seed)
        public
    {
        prepare(seed);
        address owner = honest == 1 ? terms.participant1 : terms.participant2;
        uint256 before = worth(terms.token, owner);
        honestReveals(newest);
        if (newest + 1 < states.length) honestReveals(newest + 1);
        uint256 acts = roll(12);
        for (uint256 i = 0; i < acts; ++i) {
            cheatActs();
            honestAnswers();
            uint256 next = vm.getBlockTimestamp() + roll(6 hours);
            if (statusOf(id) == Status.Active) vm.warp(next);
        }
        honestCloses();
        uint256 deadline = channels.channelOf(id).closesAt;
        assertTrue(deadline <= vm.getBlockTimestamp() + PERIOD, "the period bounds the wait");
        vm.warp(deadline);
        cheatActs();
        if (statusOf(id) != Status.Closed) send(stranger, closeCall(terms));
        settleLocks();
        assertDue(worth(terms.token, owner) - before);
    }

    function settleLocks() private {
        uint256 index = settledIndex();
        Lock[] memory locks = locksAt[index];
        if (locks.length == 0) return;
        // The other side resolves what it likes first.
        attempt(stranger, 0, resolveCall(terms, locks, uint32(roll(16))));
        vm.warp(LONGEST + 1);
        if (channels.channelOf(id).locksRoot == 0) return;
        send(stranger, resolveCall(terms, locks, type(uint32).max));
        Channel memory c = channels.channelOf(id);
        assertEq(c.held1 + c.held2, 0, "nothing is held any more");
    }

    /// The state the channel was settled on: the newest one, or the one still pending.
    function settledIndex() private view returns (uint256) {
        uint64 version = channels.channelOf(id).version;
        for (uint256 i = newest; i < states.length; ++i) {
            if (states[i].version == version) return i;
        }
        revert NotTrue("settled on an older state than the newest");
    }

    function assertDue(uint256 got) private view {
        uint256 index = settledIndex();
        State memory state = states[index];
        // A withdrawal that took place moved its part earlier, to the same owner: the sum is the same.
        int256 due = honest == 1 ? DEPOSIT - state.net : DEPOSIT + state.net;
        Lock[] storage locks = locksAt[index];
        for (uint256 k = 0; k < locks.length; ++k) {
            bool outgoing = locks[k].from1 == (honest == 1);
            uint256 time = registry.revealedAt(locks[k].hash);
            if (time == 0 || time > locks[k].expiry) continue;
            due += outgoing ? -int256(uint256(locks[k].amount)) : int256(uint256(locks[k].amount));
        }
        assertEq(int256(got), due + int256(gifts), "what it is due");
    }
}
