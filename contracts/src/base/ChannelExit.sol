// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    ChallengeItem,
    CloseIntent,
    FinalState,
    IPaymentChannel,
    Lock,
    Mode,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Terms
} from "../interfaces/IPaymentChannel.sol";
import {Digests} from "../libraries/Digests.sol";
import {Held, HeldLib} from "../libraries/Held.sol";
import {Ledger, LedgerLib} from "../libraries/Ledger.sol";
import {LockRules} from "../libraries/LockRules.sol";
import {Point} from "../libraries/Point.sol";
import {SelfCall} from "../libraries/SelfCall.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {StateRules} from "../libraries/StateRules.sol";
import {ChannelBase} from "./ChannelBase.sol";

/// How states come on chain and how money goes out. The highest version wins; the deadline is set
/// once, by the first close, and never moves.
abstract contract ChannelExit is ChannelBase {
    /// What one item of a batch may need: adopting a state with locks writes four slots.
    uint256 private constant BATCH_ITEM_GAS = 150_000;

    /// @inheritdoc IPaymentChannel
    function cancelOpen(Terms calldata terms, CloseIntent calldata intent) external nonReentrant {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        _requireStatus(ledger, Status.Pending);
        if (msg.sender != terms.participant1) {
            if (intent.side != 1) revert NotAuthorized(msg.sender);
            _requireIntent(id, terms, intent);
            if (intent.minVersion != 0) revert BelowMinVersion(0, intent.minVersion);
        }
        uint256 refund = uint256(ledger.deposit1());
        _bury(channel, ledger, Point.wrap(0), 0, Mode.Cancelled);
        emit ChannelClosed(id, 0, refund, 0, 0, 0, Mode.Cancelled);
        _push(id, terms.token, terms.participant1, refund);
    }

    /// @inheritdoc IPaymentChannel
    function updateState(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external notEntered {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        _requireStatus(ledger, Status.Active);
        Point point = _pointOf(channel, ledger);
        if (state.version <= point.version()) revert StaleVersion(point.version());
        channel.point = _adopt(channel, id, ledger, point, terms, state, signature1, signature2);
        if (!ledger.hasPoint()) channel.ledger = ledger.withPoint(Status.Active);
        emit ChannelCheckpoint(
            id, state.version, state.net, state.kind, state.locked1, state.locked2, state.locksRoot
        );
    }

    /// @inheritdoc IPaymentChannel
    function partialWithdraw(
        Terms calldata terms,
        PartialWithdraw calldata order,
        Signature calldata signature1,
        Signature calldata signature2
    ) external nonReentrant {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        _requireStatus(ledger, Status.Active);
        if (block.timestamp > order.deadline) revert Expired(order.deadline);
        Point point = _pointOf(channel, ledger);
        if (order.version <= point.version()) revert StaleVersion(point.version());
        _requireSigners(Digests.partialWithdraw(DOMAIN, id, order), terms, signature1, signature2);
        StateRules.requireLocks(order.locked1, order.locked2, order.locksRoot);
        int256 deposit1 = StateRules.subtractWithdrawal(ledger.deposit1(), order.out1);
        int256 deposit2 = StateRules.subtractWithdrawal(ledger.deposit2(), order.out2);
        StateRules.balances(deposit1, deposit2, order.net, order.locked1, order.locked2);

        _storeLocks(channel, point, order.locksRoot, order.locked1, order.locked2);
        channel.point = point.adopt(
                order.version, StateRules.ORDINARY, order.net, order.locksRoot != 0
            ).withdrawn();
        channel.withdrawVersion = order.version;
        channel.ledger = LedgerLib.pack(deposit1, deposit2, Status.Active, true);
        _emitWithdrawn(id, order, deposit1, deposit2);
        _push(id, terms.token, terms.participant1, order.out1);
        _push(id, terms.token, terms.participant2, order.out2);
    }

    /// @inheritdoc IPaymentChannel
    function initiateClose(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2,
        CloseIntent calldata intent
    ) external notEntered {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        Point point = _pointOf(channel, ledger);
        Status status = ledger.status();
        if (status == Status.Closing) {
            if (state.version > point.version()) {
                point = _challenge(channel, id, ledger, point, terms, state, signature1, signature2);
            }
            _requireMinVersion(point, intent.minVersion);
            return;
        }
        if (status != Status.Active) revert WrongStatus(status);

        uint8 side = _closingSide(id, terms, intent);
        if (state.version > point.version()) {
            point = _adopt(channel, id, ledger, point, terms, state, signature1, signature2);
        }
        _requireMinVersion(point, intent.minVersion);
        point = point.closing(uint40(block.timestamp) + terms.challengePeriod, side);
        channel.point = point;
        channel.ledger = ledger.withPoint(Status.Closing);
        _emitClosing(channel, id, point);
    }

    /// @inheritdoc IPaymentChannel
    function challengeClose(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external notEntered {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        _requireStatus(ledger, Status.Closing);
        Point point = channel.point;
        if (_requireNotStale(channel, point, state)) return;
        _challenge(channel, id, ledger, point, terms, state, signature1, signature2);
    }

    /// @inheritdoc IPaymentChannel
    function challengeCloseBatch(ChallengeItem[] calldata items)
        external
        returns (bytes4[] memory reasons)
    {
        reasons = new bytes4[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            // Else a caller could make an item fail by starving it, and so have it skipped.
            if (gasleft() < BATCH_ITEM_GAS) revert InsufficientGas(BATCH_ITEM_GAS);
            ChallengeItem calldata item = items[i];
            (bool ok, bytes4 reason) = SelfCall.challengeClose(item);
            if (ok) continue;
            reasons[i] = reason;
            emit ChallengeSkipped(_idOf(item.terms), reason);
        }
    }

    /// @inheritdoc IPaymentChannel
    function closeChannel(Terms calldata terms) external nonReentrant {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        _requireStatus(ledger, Status.Closing);
        Point point = channel.point;
        if (block.timestamp < point.closesAt()) revert WindowOpen(point.closesAt());
        Held held = _heldOf(channel, point);
        (uint256 paid1, uint256 paid2) = StateRules.balances(
            ledger.deposit1(), ledger.deposit2(), point.net(), held.held1(), held.held2()
        );
        uint64 version = point.version();
        _bury(channel, ledger, point, version, Mode.Unilateral);
        emit ChannelClosed(id, version, paid1, paid2, held.held1(), held.held2(), Mode.Unilateral);
        _push(id, terms.token, terms.participant1, paid1);
        _push(id, terms.token, terms.participant2, paid2);
    }

    /// @inheritdoc IPaymentChannel
    function cooperativeClose(
        Terms calldata terms,
        FinalState calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external nonReentrant {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        Ledger ledger = channel.ledger;
        Status status = ledger.status();
        if (status != Status.Active && status != Status.Closing) revert WrongStatus(status);
        uint64 version = state.version;
        int256 net = state.net;
        Point point = _pointOf(channel, ledger);
        _requireFinalNotStale(point, version, net);
        (uint256 paid1, uint256 paid2) =
            StateRules.balances(ledger.deposit1(), ledger.deposit2(), net, 0, 0);
        _requireSigners(Digests.finalState(DOMAIN, id, version, net), terms, signature1, signature2);
        _storeLocks(channel, point, 0, 0, 0);
        _bury(channel, ledger, point, version, Mode.Cooperative);
        emit ChannelClosed(id, version, paid1, paid2, 0, 0, Mode.Cooperative);
        _push(id, terms.token, terms.participant1, paid1);
        _push(id, terms.token, terms.participant2, paid2);
    }

    /// @inheritdoc IPaymentChannel
    function resolveLocks(Terms calldata terms, Lock[] calldata locks, uint32 mask)
        external
        nonReentrant
    {
        bytes32 id = _idOf(terms);
        Slots storage channel = _channels[id];
        _requireStatus(channel.ledger, Status.Closed);
        bytes32 root = channel.locksRoot;
        if (root == 0) revert NothingHeld();
        if (locks.length > MAX_LOCKS) revert TooManyLocks(locks.length);
        bytes32 actual = keccak256(abi.encode(locks));
        if (actual != root) revert LocksMismatch(root, actual);

        (Held held, uint256 owed1, uint256 owed2) = _decideLocks(id, channel.held, locks, mask);
        uint256 rest1 = held.held1();
        uint256 rest2 = held.held2();
        bool allResolved = held.resolved() == (uint256(1) << locks.length) - 1;
        if (allResolved || (rest1 | rest2) == 0) {
            // What was locked beyond the sum of the locks belongs to the side that locked it.
            if ((rest1 | rest2) != 0) emit RemainderReturned(id, rest1, rest2);
            (owed1, owed2) = (owed1 + rest1, owed2 + rest2);
            channel.locksRoot = 0;
            held = Held.wrap(0);
        }
        channel.held = held;
        _push(id, terms.token, terms.participant1, owed1);
        _push(id, terms.token, terms.participant2, owed2);
    }

    /// Takes each chosen lock that can be decided out of what is held, and says who gets what.
    function _decideLocks(bytes32 id, Held held, Lock[] calldata locks, uint32 mask)
        private
        returns (Held, uint256 owed1, uint256 owed2)
    {
        uint256 held1 = held.held1();
        uint256 held2 = held.held2();
        uint32 resolved = held.resolved();
        for (uint256 i = 0; i < locks.length; ++i) {
            uint32 bit = uint32(1 << i);
            if (mask & bit == 0 || resolved & bit != 0) continue;
            Lock calldata lock = locks[i];
            LockRules.Outcome outcome = LockRules.decide(lock, SECRET_REGISTRY);
            if (outcome == LockRules.Outcome.Undecided) continue;
            resolved |= bit;
            bool paid = outcome == LockRules.Outcome.Paid;
            // Never more than its side still holds: what a lock claims is not checked at adoption.
            uint256 amount = lock.amount;
            if (lock.from1) {
                if (amount > held1) amount = held1;
                held1 -= amount;
            } else {
                if (amount > held2) amount = held2;
                held2 -= amount;
            }
            if (lock.from1 == paid) owed2 += amount;
            else owed1 += amount;
            emit LockResolved(id, i, lock.hash, lock.from1, paid, amount);
        }
        return (HeldLib.pack(held1, held2, resolved), owed1, owed2);
    }

    // ------------------------------------------------------------------ states

    /// Adopts a newer state while the window is open, and tells the world.
    function _challenge(
        Slots storage channel,
        bytes32 id,
        Ledger ledger,
        Point point,
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) private returns (Point next) {
        uint40 closesAt = point.closesAt();
        if (block.timestamp >= closesAt) revert WindowClosed(closesAt);
        next = _adopt(channel, id, ledger, point, terms, state, signature1, signature2);
        channel.point = next;
        _emitClosing(channel, id, next);
    }

    /// The point after adopting a state, with its locks stored. The caller has checked the version
    /// and stores the point.
    function _adopt(
        Slots storage channel,
        bytes32 id,
        Ledger ledger,
        Point point,
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) private returns (Point) {
        _requireAdoptable(id, ledger, terms, state, signature1, signature2);
        _storeLocks(channel, point, state.locksRoot, state.locked1, state.locked2);
        return point.adopt(state.version, state.kind, state.net, state.locksRoot != 0);
    }

    /// The rules every state must meet, whichever way it comes; returns what each side would be paid.
    function _requireAdoptable(
        bytes32 id,
        Ledger ledger,
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) private view returns (uint256 balance1, uint256 balance2) {
        StateRules.requireShape(state);
        (balance1, balance2) = StateRules.balances(
            ledger.deposit1(), ledger.deposit2(), state.net, state.locked1, state.locked2
        );
        _requireSigners(Digests.state(DOMAIN, id, state), terms, signature1, signature2);
    }

    function _requireSigners(
        bytes32 digest,
        Terms calldata terms,
        Signature calldata signature1,
        Signature calldata signature2
    ) private pure {
        Signatures.requireSigner(digest, signature1, terms.signer1, 1);
        Signatures.requireSigner(digest, signature2, terms.signer2, 2);
    }

    /// True if exactly this state is stored already; reverts if it is older, or another of its version.
    function _requireNotStale(Slots storage channel, Point point, State calldata state)
        private
        view
        returns (bool)
    {
        uint64 current = point.version();
        if (state.version > current) return false;
        if (state.version < current) revert StaleVersion(current);
        Held held = _heldOf(channel, point);
        bytes32 root = point.hasLocks() ? channel.locksRoot : bytes32(0);
        if (
            state.net != point.net() || state.kind != point.kind() || state.locksRoot != root
                || state.locked1 != held.held1() || state.locked2 != held.held2()
        ) revert VersionConflict(current);
        return true;
    }

    /// A final state must be newer than the stored point, or be it.
    function _requireFinalNotStale(Point point, uint64 version, int256 net) private pure {
        uint64 current = point.version();
        if (version > current) return;
        if (version < current) revert StaleVersion(current);
        if (point.kind() != StateRules.FINAL || net != point.net()) {
            revert VersionConflict(current);
        }
    }

    function _storeLocks(
        Slots storage channel,
        Point point,
        bytes32 locksRoot,
        uint256 locked1,
        uint256 locked2
    ) private {
        if (locksRoot == 0 && !point.hasLocks()) return;
        channel.locksRoot = locksRoot;
        channel.held = HeldLib.pack(locked1, locked2, 0);
    }

    /// The stored point, without reading its slot while there is none.
    function _pointOf(Slots storage channel, Ledger ledger) private view returns (Point) {
        return ledger.hasPoint() ? channel.point : Point.wrap(0);
    }

    function _heldOf(Slots storage channel, Point point) private view returns (Held) {
        return point.hasLocks() ? channel.held : Held.wrap(0);
    }

    // ------------------------------------------------------------------ orders

    /// The side that closes: the caller's own, or that of the signer whose order came with the call.
    function _closingSide(bytes32 id, Terms calldata terms, CloseIntent calldata intent)
        private
        view
        returns (uint8)
    {
        if (msg.sender == terms.participant1 || msg.sender == terms.signer1) return 1;
        if (msg.sender == terms.participant2 || msg.sender == terms.signer2) return 2;
        if (intent.side == 0) revert NotAuthorized(msg.sender);
        _requireIntent(id, terms, intent);
        return intent.side;
    }

    function _requireIntent(bytes32 id, Terms calldata terms, CloseIntent calldata intent)
        private
        view
    {
        uint8 side = intent.side;
        if (side != 1 && side != 2) revert InvalidSide(side);
        if (block.timestamp > intent.deadline) revert Expired(intent.deadline);
        bytes32 digest = Digests.closeIntent(DOMAIN, id, side, intent.minVersion, intent.deadline);
        Signatures.requireSigner(
            digest, intent.signature, side == 1 ? terms.signer1 : terms.signer2, side
        );
    }

    function _requireMinVersion(Point point, uint64 minVersion) private pure {
        if (point.version() < minVersion) revert BelowMinVersion(point.version(), minVersion);
    }

    // ------------------------------------------------------------------ events

    function _emitClosing(Slots storage channel, bytes32 id, Point point) private {
        Held held = _heldOf(channel, point);
        emit ChannelClosing(
            id,
            point.version(),
            point.net(),
            point.kind(),
            held.held1(),
            held.held2(),
            point.hasLocks() ? channel.locksRoot : bytes32(0),
            point.closesAt(),
            point.initiatingSide()
        );
    }

    function _emitWithdrawn(
        bytes32 id,
        PartialWithdraw calldata order,
        int256 deposit1,
        int256 deposit2
    ) private {
        emit PartialWithdrawn(
            id,
            order.version,
            order.net,
            order.out1,
            order.out2,
            deposit1,
            deposit2,
            order.locked1,
            order.locked2,
            order.locksRoot
        );
    }
}
