// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// The money of one channel without its versions and deadlines, which only ever forbid more: deposits,
/// balances, locks and payouts of PaymentChannel in plain integers, proved for any number of calls in
/// any order. Never deployed.
///
/// Whoever calls chooses every argument: each state counts as signed by both and as newer, each lock
/// may turn out either way, and a payout counts whether it is pushed or becomes credit. Flat on purpose,
/// as LifeCore.
contract MoneyCore {
    uint256 private status; // 0 none, 1 pending, 2 active or closing, 3 closed
    int256 private deposit1;
    int256 private deposit2;
    int256 private net;
    int256 private locked1;
    int256 private locked2;

    // What is only watched.
    int256 private paidIn;
    int256 private paidOut;

    // ------------------------------------------------------------------ calls

    function open(int256 amount, bool accepted) external {
        require(status == 0);
        require(amount >= 0);
        status = accepted ? 2 : 1;
        deposit1 = amount;
        paidIn = amount;
    }

    function join(int256 amount) external {
        require(status == 1);
        require(amount >= 0);
        status = 2;
        deposit2 = amount;
        paidIn += amount;
    }

    function deposit1While(int256 amount) external {
        require(status == 1 || status == 2);
        require(amount >= 0);
        deposit1 += amount;
        paidIn += amount;
    }

    function deposit2While(int256 amount) external {
        require(status == 2);
        require(amount >= 0);
        deposit2 += amount;
        paidIn += amount;
    }

    /// What comes too late is credit at once.
    function depositTooLate(int256 amount) external {
        require(status != 0);
        require(amount >= 0);
        paidIn += amount;
        paidOut += amount;
    }

    function cancelOpen() external {
        require(status == 1);
        status = 3;
        paidOut += deposit1;
        deposit1 = 0;
    }

    /// `updateState`, `challengeClose`, and what `initiateClose` shows.
    function adopt(int256 n, int256 l1, int256 l2) external {
        require(status == 2);
        require(l1 >= 0 && l2 >= 0);
        require(deposit1 - n - l1 >= 0);
        require(deposit2 + n - l2 >= 0);
        net = n;
        locked1 = l1;
        locked2 = l2;
    }

    function partialWithdraw(int256 n, int256 l1, int256 l2, int256 out1, int256 out2) external {
        require(status == 2);
        require(out1 >= 0 && out2 >= 0);
        require(l1 >= 0 && l2 >= 0);
        require(deposit1 - out1 - n - l1 >= 0);
        require(deposit2 - out2 + n - l2 >= 0);
        deposit1 -= out1;
        deposit2 -= out2;
        paidOut += out1 + out2;
        net = n;
        locked1 = l1;
        locked2 = l2;
    }

    /// What is locked stays behind as held.
    function closeChannel() external {
        require(status == 2);
        status = 3;
        paidOut += deposit1 - net - locked1;
        paidOut += deposit2 + net - locked2;
        deposit1 = 0;
        deposit2 = 0;
        net = 0;
    }

    function cooperativeClose(int256 n) external {
        require(status == 2);
        require(deposit1 - n >= 0);
        require(deposit2 + n >= 0);
        status = 3;
        paidOut += deposit1 - n;
        paidOut += deposit2 + n;
        deposit1 = 0;
        deposit2 = 0;
        net = 0;
        locked1 = 0;
        locked2 = 0;
    }

    /// One lock, whoever it goes to: no more leaves than its side still holds.
    function resolveLock1(int256 amount) external {
        require(status == 3);
        require(amount >= 0 && amount <= locked1);
        locked1 -= amount;
        paidOut += amount;
    }

    function resolveLock2(int256 amount) external {
        require(status == 3);
        require(amount >= 0 && amount <= locked2);
        locked2 -= amount;
        paidOut += amount;
    }

    // ------------------------------------------------------------------ what must always be true

    function mustHold() external view {
        // P2: while it lives, what came in was paid out, is credit, or is a deposit.
        assert(status == 3 || paidIn == paidOut + deposit1 + deposit2);
        // P2: once closed, what came in was paid out, is credit, or is held.
        assert(status != 3 || paidIn == paidOut + locked1 + locked2);
        // P7: while it lives, side 1 owns at least nothing beside its locks.
        assert(status == 3 || deposit1 - net - locked1 >= 0);
        // P7: while it lives, side 2 owns at least nothing beside its locks.
        assert(status == 3 || deposit2 + net - locked2 >= 0);
        // P25: no more leaves for locks than was held for them.
        assert(locked1 >= 0 && locked2 >= 0);
        // P1: no more ever leaves than came in.
        assert(paidOut <= paidIn);
    }
}
