// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    CloseIntent,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {Mood} from "../mocks/OddTokens.sol";
import {Token} from "../mocks/Token.sol";
import {Book} from "./Book.sol";

/// Random acts over many channels, tokens and actors. Each act is possible at any time; most of them
/// succeed often enough, the rest must fail.
contract Handler is Book {
    uint256 private constant UNIT = 1 ether;
    bytes32[4] private secretOf = [bytes32("s0"), "s1", "s2", "s3"];
    /// The locks of each channel's newest presented states, by root.
    mapping(bytes32 root => Lock[]) private locksOf;
    uint256 private opened;
    uint256 private takeId;

    constructor() {
        setUp();
    }

    // ------------------------------------------------------------------ money in

    function open(uint256 seed, uint96 amount, uint8 manner) external {
        uint256 i;
        if (ghosts.length < MAX_CHANNELS && manner % 4 != 3) i = create(seed);
        else if (ghosts.length == 0) return;
        else i = pick(seed, Status.Pending);
        Terms memory terms = ghosts[i].terms;
        bytes memory accept = manner % 3 == 0
            ? acceptance(ghosts[i].id, 0, uint64(vm.getBlockTimestamp() + manner))
            : bytes("");
        // Contracts open through the acceptance or by a gift; people open for themselves.
        address sender = terms.participant1 == alice ? alice : funder;
        enter(i, sender, amount, manner, 0, accept);
    }

    function create(uint256 seed) private returns (uint256) {
        Terms memory terms = termsOf(tokens[seed % tokens.length], opened++);
        uint256 pair = (seed >> 8) % 3;
        if (pair == 1) terms.participant1 = address(receiver);
        if (pair == 2) terms.participant2 = address(receiver2);
        terms.challengePeriod = uint32(MIN_PERIOD + (seed >> 16) % (3 days));
        ghosts.push();
        uint256 i = ghosts.length - 1;
        ghosts[i].terms = terms;
        ghosts[i].id = channels.channelIdOf(terms);
        return i;
    }

    /// kind 0 open, 1 join, 2 deposit to side 1, 3 deposit to side 2
    function enter(
        uint256 i,
        address sender,
        uint96 amount_,
        uint8 manner,
        uint8 kind,
        bytes memory accept
    ) private {
        Terms memory terms = ghosts[i].terms;
        uint256 amount = bound(uint256(amount_), 0, 20 * UNIT);
        uint256 value = terms.token == address(0) ? amount : 0;
        if (manner == 77) ++value;
        bytes memory call;
        if (kind == 0) call = openCall(terms, amount, accept);
        else if (kind == 1) call = joinCall(terms, amount, accept);
        else call = depositCall(terms, kind - 1, amount);
        enact(i, sender, value, call);
    }

    function join(uint256 seed, uint96 amount, uint8 manner) external {
        if (ghosts.length == 0) return;
        uint256 i = pick(seed, Status.Pending);
        address sender = ghosts[i].terms.participant2 == bob && manner % 4 != 0 ? bob : funder;
        bytes memory accept = manner % 2 == 0
            ? acceptance(ghosts[i].id, 0, uint64(vm.getBlockTimestamp() + manner))
            : bytes("");
        enter(i, sender, amount, manner, 1, accept);
    }

    function topUp(uint256 seed, uint96 amount, uint8 manner) external {
        if (ghosts.length == 0) return;
        enter(pick(seed, Status.Active), funder, amount, manner, manner % 2 == 0 ? 2 : 3, "");
    }

    function sweep(uint256 seed, uint96 amount_, uint8 side_) external {
        if (ghosts.length == 0) return;
        uint256 i = pick(seed, Status.Active);
        Terms memory terms = ghosts[i].terms;
        uint8 side = 1 + side_ % 2;
        address box = channels.boxAddress(ghosts[i].id, side);
        uint256 amount = bound(uint256(amount_), 0, 5 * UNIT);
        if (terms.token == address(0)) vm.deal(box, box.balance + amount);
        else Token(terms.token).mint(box, amount);
        enact(i, funder, 0, abi.encodeCall(IPaymentChannel.sweep, (terms, side, terms.token)));
    }

    /// Money that nobody can book: sent past every function.
    function donate(uint256 seed, uint96 amount_) external {
        address token_ = tokens[1 + seed % (tokens.length - 1)];
        uint256 amount = bound(uint256(amount_), 0, 5 * UNIT);
        Token(token_).mint(address(channels), amount);
        donated[token_] += amount;
    }

    // ------------------------------------------------------------------ states

    /// A state both sign: mostly possible, sometimes overdrawn, stale or of an odd shape.
    function stateFor(uint256 i, uint256 seed) private returns (State memory state) {
        Channel memory c = channels.channelOf(ghosts[i].id);
        uint64[6] memory steps = [uint64(0), 1, 1, 2, 3, 10];
        state.version = c.version + steps[seed % 6];
        if (seed % 97 == 0 && state.version > 0) state.version -= 1;
        // From a little below what is possible to a little above it.
        int256 low = -c.deposit2 - int256(UNIT) / 4;
        int256 high = c.deposit1 + int256(UNIT) / 4;
        state.net = bound(int256(uint256(keccak256(abi.encode(seed, "net")))), low, high);
        state.kind = (seed >> 8) % 7 == 0 ? 1 : 0;
        if ((seed >> 16) % 2 == 0) addLocks(state, seed);
        if (seed % 89 == 0) state.locked1 = type(uint256).max - UNIT;
        if (seed % 83 == 0) state.net = type(int256).min;
    }

    function addLocks(State memory state, uint256 seed) private {
        uint256 n = (seed >> 24) % 4;
        Lock[] memory locks = new Lock[](n);
        for (uint256 i = 0; i < n; ++i) {
            uint256 bits = uint256(keccak256(abi.encode(seed, i)));
            // Amounts of zero too, and secrets that more than one lock asks for.
            locks[i] = hashLock(
                secretOf[bits % 4],
                uint112((bits >> 8) % UNIT * ((bits >> 80) % 5 == 0 ? 0 : 1)),
                uint40(vm.getBlockTimestamp() + (bits >> 96) % 4 days),
                (bits >> 128) % 2 == 0
            );
            if (locks[i].from1) state.locked1 += locks[i].amount;
            else state.locked2 += locks[i].amount;
        }
        // Now and then more, or less, is locked than the locks name.
        if ((seed >> 32) % 7 == 0) state.locked1 += UNIT / 10;
        if ((seed >> 32) % 7 == 1) state.locked2 /= 2;
        if (state.locked1 | state.locked2 == 0) return;
        state.locksRoot = keccak256(abi.encode(locks));
        Lock[] storage kept = locksOf[state.locksRoot];
        if (kept.length != 0) return;
        for (uint256 i = 0; i < n; ++i) {
            kept.push(locks[i]);
        }
    }

    function act(uint256 seed, uint8 way) external {
        if (ghosts.length == 0) return;
        seed = uint256(keccak256(abi.encode(seed)));
        uint256 i = pick(seed, way % 6 == 2 ? Status.Closing : Status.Active);
        State memory state = stateFor(i, seed >> 8);
        Terms memory terms = ghosts[i].terms;
        bytes32 id = ghosts[i].id;
        // Twice as many closes as any other way in.
        uint256 kind = way % 6;
        // Final states belong to cooperative closes most of the time, ordinary ones elsewhere.
        if (kind == 3 && seed % 8 != 0) {
            (state.kind, state.locked1, state.locked2, state.locksRoot) = (1, 0, 0, 0);
        }
        if (kind == 0) enact(i, funder, 0, updateCall(terms, id, state));
        else if (kind == 1 || kind == 5) initiateBy(i, terms, id, state, way);
        else if (kind == 2) enact(i, funder, 0, challengeCall(terms, id, state));
        else if (kind == 3) cooperate(i, state);
        else withdrawPart(i, state, seed);
    }

    function initiateBy(uint256 i, Terms memory terms, bytes32 id, State memory state, uint8 way)
        private
    {
        CloseIntent memory intent = noIntent();
        address sender = terms.signer1;
        if (way % 2 == 0) {
            sender = funder;
            intent =
                closeIntent(id, 1 + (way >> 4) % 2, way % 3, uint64(vm.getBlockTimestamp() + 1));
        }
        if (way % 7 == 0) state = ordinary(0, 0);
        enact(i, sender, 0, initiateCall(terms, id, state, intent));
    }

    /// P4, P10: what a final state pays is what it says; anything else is never settled at once.
    function cooperate(uint256 i, State memory state) private {
        Ghost storage ghost = ghosts[i];
        Channel memory was = channels.channelOf(ghost.id);
        (uint256 had1, uint256 had2) = owns(ghost.terms);
        (Signature memory s1, Signature memory s2) = sign(ghost.id, state);
        bytes memory call =
            abi.encodeCall(IPaymentChannel.cooperativeClose, (ghost.terms, short(state), s1, s2));
        if (!enact(i, funder, 0, call)) return;
        if (state.kind != 1 || state.locksRoot != 0) {
            flag(10, "settled at once without a final state");
        }
        expectPaid(
            ghost.terms,
            had1,
            had2,
            uint256(was.deposit1 - state.net),
            uint256(was.deposit2 + state.net)
        );
    }

    function withdrawPart(uint256 i, State memory state, uint256 seed) private {
        Channel memory c = channels.channelOf(ghosts[i].id);
        PartialWithdraw memory order = PartialWithdraw(
            state.version,
            state.net,
            state.locked1,
            state.locked2,
            state.locksRoot,
            bound(seed >> 64, 0, uint256(c.deposit1 < 0 ? int256(0) : c.deposit1) / 2),
            bound(seed >> 128, 0, uint256(c.deposit2 < 0 ? int256(0) : c.deposit2) / 2),
            uint64(vm.getBlockTimestamp() + seed % 3) - 1
        );
        enact(i, funder, 0, withdrawCall(ghosts[i].terms, ghosts[i].id, order));
    }

    /// P6: whatever is wrong with a signature, no door opens.
    function forge(uint256 seed, uint8 fault, uint8 door) external {
        if (ghosts.length == 0) return;
        uint256 i = seed % ghosts.length;
        Terms memory terms = ghosts[i].terms;
        bytes32 id = ghosts[i].id;
        Channel memory c = channels.channelOf(id);
        State memory state = State(c.version + 1, door % 4 == 3 ? 1 : 0, c.net, 0, 0, 0);
        bytes32 signedId = fault % 4 == 0 ? ghosts[(i + 1) % ghosts.length].id : id;
        (Signature memory s1, Signature memory s2) = sign(signedId, state);
        if (fault % 4 == 0 && signedId == id) (s1, s2) = (s2, s1);
        if (fault % 4 == 1) (s1, s2) = (s2, s1);
        if (fault % 4 == 2) s2 = s1;
        if (fault % 4 == 3) state.net += 1;
        bytes memory call;
        if (door % 4 == 0) {
            call = abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2));
        } else if (door % 4 == 1) {
            call = abi.encodeCall(IPaymentChannel.initiateClose, (terms, state, s1, s2, noIntent()));
        } else if (door % 4 == 2) {
            call = abi.encodeCall(IPaymentChannel.challengeClose, (terms, state, s1, s2));
        } else {
            call = abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(state), s1, s2));
        }
        if (enact(i, terms.signer1, 0, call)) flag(6, "a state that was not signed was taken");
    }

    // ------------------------------------------------------------------ money out

    function cancel(uint256 seed) external {
        if (ghosts.length == 0) return;
        uint256 i = pick(seed, Status.Pending);
        CloseIntent memory intent = closeIntent(ghosts[i].id, 1, 0, uint64(vm.getBlockTimestamp()));
        Ghost storage ghost = ghosts[i];
        Channel memory was = channels.channelOf(ghost.id);
        (uint256 had1, uint256 had2) = owns(ghost.terms);
        bytes memory call = abi.encodeCall(IPaymentChannel.cancelOpen, (ghost.terms, intent));
        if (!enact(i, funder, 0, call)) return;
        expectPaid(ghost.terms, had1, had2, uint256(was.deposit1), 0);
    }

    /// P4: a close pays exactly what the stored point says.
    function close(uint256 seed, bool patient) external {
        if (ghosts.length == 0) return;
        uint256 i = pick(seed, Status.Closing);
        Ghost storage ghost = ghosts[i];
        if (patient && vm.getBlockTimestamp() < ghost.closesAt) vm.warp(ghost.closesAt);
        Channel memory was = channels.channelOf(ghost.id);
        (uint256 had1, uint256 had2) = owns(ghost.terms);
        if (!enact(i, funder, 0, closeCall(ghost.terms))) return;
        expectPaid(
            ghost.terms,
            had1,
            had2,
            uint256(was.deposit1 - was.net) - was.held1,
            uint256(was.deposit2 + was.net) - was.held2
        );
    }

    /// In hand and as credit, so that a hostile receiver counts like any other.
    function owns(Terms memory terms) private view returns (uint256, uint256) {
        return (worth(terms.token, terms.participant1), worth(terms.token, terms.participant2));
    }

    function expectPaid(Terms memory terms, uint256 had1, uint256 had2, uint256 due1, uint256 due2)
        private
    {
        // A fee on transfer comes off what the receiver sees; what left the contract is checked by P2.
        if (terms.token == tokens[2]) return;
        (uint256 has1, uint256 has2) = owns(terms);
        if (has1 - had1 != due1 || has2 - had2 != due2) {
            flag(4, "a payout is not what the state says");
        }
    }

    /// P25: each lock goes to whom the registry says, once.
    function resolve(uint256 seed, uint32 mask) external {
        if (ghosts.length == 0) return;
        uint256 i = pickHeld(seed);
        Ghost storage ghost = ghosts[i];
        Channel memory was = channels.channelOf(ghost.id);
        Lock[] memory locks = locksOf[was.locksRoot];
        (uint256 had1, uint256 had2) = owns(ghost.terms);
        (uint256 due1, uint256 due2) = dueOf(was, locks, mask);
        if (!enact(i, funder, 0, resolveCall(ghost.terms, locks, mask))) return;
        if (was.status != Status.Closed) flag(25, "locks were decided before the close");
        checkResolvedBits(ghost.id, was.resolved);
        if (ghost.terms.token == tokens[2]) return;
        (uint256 has1, uint256 has2) = owns(ghost.terms);
        if (has1 - had1 != due1 || has2 - had2 != due2) flag(25, "a lock went to the wrong side");
    }

    /// A closed channel that still holds money for locks, if there is one.
    function pickHeld(uint256 seed) private view returns (uint256) {
        uint256 n = ghosts.length;
        for (uint256 k = 0; k < n; ++k) {
            uint256 i = (seed % n + k) % n;
            Channel memory c = channels.channelOf(ghosts[i].id);
            if (c.status == Status.Closed && c.locksRoot != 0) return i;
        }
        return seed % n;
    }

    function checkResolvedBits(bytes32 id, uint32 before) private {
        Channel memory c = channels.channelOf(id);
        if (c.locksRoot != 0 && c.resolved & before != before) flag(25, "a lock was un-resolved");
    }

    /// What resolving must pay, by the registry's times alone.
    function dueOf(Channel memory c, Lock[] memory locks, uint32 mask)
        private
        view
        returns (uint256 due1, uint256 due2)
    {
        uint256 left1 = c.held1;
        uint256 left2 = c.held2;
        uint256 decided = c.resolved;
        for (uint256 i = 0; i < locks.length; ++i) {
            if (mask >> i & 1 == 0 || decided >> i & 1 == 1) continue;
            uint256 time = registry.revealedAt(locks[i].hash);
            bool met = time != 0 && time <= locks[i].expiry;
            if (!met && vm.getBlockTimestamp() <= locks[i].expiry) continue;
            decided |= 1 << i;
            uint256 left = locks[i].from1 ? left1 : left2;
            uint256 amount = locks[i].amount < left ? locks[i].amount : left;
            if (locks[i].from1) left1 -= amount;
            else left2 -= amount;
            if (locks[i].from1 == met) due2 += amount;
            else due1 += amount;
        }
        if (decided == (1 << locks.length) - 1) (due1, due2) = (due1 + left1, due2 + left2);
    }

    /// P14: the only way down for a credit. Not bound to a channel, so it is booked by itself.
    function withdraw(uint256 seed, uint96 amount_, bool byOrder, uint8 thief) external {
        address token_ = tokens[seed % tokens.length];
        uint256 who = (seed >> 8) % accounts.length;
        address account = accounts[who];
        uint256 credit = channels.creditOf(token_, account);
        uint256 amount = bound(uint256(amount_), 0, credit + credit / 8);
        vm.recordLogs();
        bool ok = byOrder && who < 2
            ? withdrawByOrder(token_, who, amount, thief)
            : attempt(
                account,
                0,
                abi.encodeCall(IPaymentChannel.withdraw, (token_, address(0xCAFE), amount))
            );
        logView.apply_(vm.getRecordedLogs(), address(channels));
        uint256 fell = credit - channels.creditOf(token_, account);
        if (fell != (ok ? amount : 0)) flag(14, "credit fell by another amount than was ordered");
    }

    function withdrawByOrder(address token_, uint256 who, uint256 amount, uint8 thief)
        private
        returns (bool ok)
    {
        Take memory take = Take(
            token_, accounts[who], address(0xCAFE), amount, takeId++, uint64(vm.getBlockTimestamp())
        );
        uint256 key = who == 0 ? KEY_OWNER1 : KEY_OWNER2;
        if (thief % 4 == 0) key = KEY_SIGNER1;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, takeDigest(take));
        bytes memory signature = abi.encodePacked(r, s, v);
        ok = attempt(funder, 0, abi.encodeCall(IPaymentChannel.withdrawFor, (take, signature)));
        if (ok && thief % 4 == 0) flag(14, "credit was taken by another key");
        bool used = channels.isOrderUsed(take.account, take.id);
        if (used != ok) flag(21, "an order is used exactly if it was carried out");
    }

    // ------------------------------------------------------------------ the world

    function wait(uint32 secs) external {
        vm.warp(vm.getBlockTimestamp() + bound(uint256(secs), 0, 2 days));
    }

    function reveal(uint8 i) external {
        registry.registerSecret(secrets(secretOf[i % 4]));
    }

    function turn(uint8 manner, uint8 mood) external {
        receiver.turn(Manner(manner % 5));
        receiver2.turn(Manner((manner >> 4) % 5));
        // The token is honest half of the time, else it fails for one receiver or for all.
        Mood next = mood % 2 == 0 ? Mood.Honest : Mood((mood >> 1) % 7);
        moody.turn(next, mood % 3 == 0 ? bob : address(0));
    }
}
