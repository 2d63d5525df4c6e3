// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// The life of one channel without its money: when states are adopted, when it closes, how it ends. The
/// rules of PaymentChannel in plain integers, proved for any number of calls in any order. Never
/// deployed.
///
/// Whoever calls chooses every argument, and each state counts as signed by both. A call that does two
/// things (a close that shows a state) is two calls here. Flat on purpose: each helper or branch would
/// give the solver another predicate to guess.
contract LifeCore {
    uint256 private status; // 0 none, 1 pending, 2 active, 3 closing, 4 closed
    uint256 private version;
    bool private isFinal;
    bool private hasLocks;
    uint256 private closesAt;
    uint256 private mode; // 1 cancelled, 2 cooperative, 3 unilateral

    // What is only watched.
    uint256 private furthest;
    uint256 private highest;
    uint256 private firstDeadline;
    uint256 private settledAt;
    bool private settledOnFinal;

    // ------------------------------------------------------------------ calls

    function open(bool accepted) external {
        require(status == 0);
        status = accepted ? 2 : 1;
        furthest = status > furthest ? status : furthest;
    }

    function join() external {
        require(status == 1);
        status = 2;
        furthest = status > furthest ? status : furthest;
    }

    function cancelOpen() external {
        require(status == 1);
        status = 4;
        mode = 1;
        furthest = status > furthest ? status : furthest;
    }

    function updateState(uint64 v, bool f, bool l) external {
        require(status == 2);
        require(v > version);
        require(!f || !l);
        version = v;
        isFinal = f;
        hasLocks = l;
        highest = v > highest ? v : highest;
    }

    function partialWithdraw(uint64 v, bool l) external {
        require(status == 2);
        require(v > version);
        version = v;
        isFinal = false;
        hasLocks = l;
        highest = v > highest ? v : highest;
    }

    function initiateClose(uint40 now_, uint32 period) external {
        require(status == 2);
        require(period > 0);
        closesAt = uint256(now_) + period;
        firstDeadline = firstDeadline == 0 ? closesAt : firstDeadline;
        status = 3;
        furthest = status > furthest ? status : furthest;
    }

    function challengeClose(uint40 now_, uint64 v, bool f, bool l) external {
        require(status == 3);
        require(now_ < closesAt);
        require(v > version);
        require(!f || !l);
        version = v;
        isFinal = f;
        hasLocks = l;
        highest = v > highest ? v : highest;
    }

    function closeChannel(uint40 now_) external {
        require(status == 3);
        require(now_ >= closesAt);
        status = 4;
        mode = 3;
        settledAt = now_;
        furthest = status > furthest ? status : furthest;
    }

    function cooperativeClose(uint64 v, bool f) external {
        require(status == 2 || status == 3);
        require(f);
        require(v > version || (v == version && isFinal));
        version = v;
        isFinal = f;
        hasLocks = false;
        highest = v > highest ? v : highest;
        settledOnFinal = f;
        status = 4;
        mode = 2;
        furthest = status > furthest ? status : furthest;
    }

    // ------------------------------------------------------------------ what must always be true

    function mustHold() external view {
        // P5, P23: what is stored is the newest that ever was.
        assert(version == highest);
        // P8: the first deadline is the only one.
        assert(closesAt == firstDeadline);
        // P9: no unilateral settlement before the deadline.
        assert(mode != 3 || settledAt >= firstDeadline);
        // P10: without a window only a final state settles.
        assert(mode != 2 || settledOnFinal);
        // P10: a final state has no locks.
        assert(!isFinal || !hasLocks);
        // P11: the status only moves forward.
        assert(status == furthest);
        // P11: what is closed says how.
        assert((mode != 0) == (status == 4));
    }
}
