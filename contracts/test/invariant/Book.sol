// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Channel, Mode, Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {FeeToken, Mood, MoodyToken} from "../mocks/OddTokens.sol";
import {Token} from "../mocks/Token.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {LogView} from "../support/LogView.sol";

/// Accounts for every call of the handler from outside: what came in, what went out, what became
/// credit, and what changed that must not. It knows nothing of the contract's own rules.
abstract contract Book is ChannelCalls {
    uint256 internal constant MAX_CHANNELS = 6;

    /// What is known about one channel without asking the contract.
    struct Ghost {
        Terms terms;
        bytes32 id;
        uint256 paidIn;
        uint256 paidOut;
        uint256 credited;
        /// Time of the first close and the deadline that follows from it.
        uint256 closesAt;
    }

    Ghost[] internal ghosts;
    address[] internal tokens;
    address[] internal accounts;
    Receiver internal receiver;
    Receiver internal receiver2;
    MoodyToken internal moody;
    LogView public logView;
    address internal funder = address(0xF00D);
    mapping(address token => uint256) public donated;
    /// The first violation of each property, in words.
    mapping(uint256 property => string) public violation;
    mapping(bytes32 what => uint256) public count;

    function setUp() public override {
        super.setUp();
        receiver = new Receiver();
        receiver2 = new Receiver();
        logView = new LogView();
        moody = new MoodyToken();
        Token fee = new FeeToken();
        tokens = [address(0), address(token), address(fee), address(moody)];
        accounts = [alice, bob, address(receiver), address(receiver2)];
        for (uint256 i = 0; i < tokens.length; ++i) {
            stock(alice, tokens[i]);
            stock(bob, tokens[i]);
            stock(funder, tokens[i]);
        }
    }

    function stock(address account, address token_) private {
        if (token_ == address(0)) return vm.deal(account, 1e30);
        Token(token_).mint(account, 1e30);
        vm.prank(account);
        Token(token_).approve(address(channels), type(uint256).max);
    }

    // ------------------------------------------------------------------ one call

    struct Before {
        uint256 balance;
        uint256 credit1;
        uint256 credit2;
        Channel channel;
        bytes32 others;
    }

    /// Makes a call that concerns channel `i` and books it.
    function enact(uint256 i, address sender, uint256 value, bytes memory call)
        internal
        returns (bool ok)
    {
        Ghost storage ghost = ghosts[i];
        Before memory before = observe(i);
        vm.recordLogs();
        ok = attempt(sender, value, call);
        logView.apply_(vm.getRecordedLogs(), address(channels));
        ++count[ok ? bytes32("accepted") : bytes32("refused")];
        uint256 balance = balanceOf(ghost.terms.token, address(channels));
        if (balance >= before.balance) ghost.paidIn += balance - before.balance;
        else ghost.paidOut += before.balance - balance;
        ghost.credited += creditGain(ghost.terms, before);
        check(i, before);
    }

    function observe(uint256 i) internal view returns (Before memory before) {
        Terms memory terms = ghosts[i].terms;
        before.balance = balanceOf(terms.token, address(channels));
        before.credit1 = channels.creditOf(terms.token, terms.participant1);
        before.credit2 = channels.creditOf(terms.token, terms.participant2);
        before.channel = channels.channelOf(ghosts[i].id);
        before.others = othersHash(i);
    }

    function creditGain(Terms memory terms, Before memory before) private returns (uint256) {
        uint256 credit1 = channels.creditOf(terms.token, terms.participant1);
        uint256 credit2 = channels.creditOf(terms.token, terms.participant2);
        if (credit1 < before.credit1 || credit2 < before.credit2) {
            flag(14, "credit fell without its owner's order");
            return 0;
        }
        return credit1 - before.credit1 + credit2 - before.credit2;
    }

    /// All that other channels are owed, in one word.
    function othersHash(uint256 i) private view returns (bytes32 hash) {
        for (uint256 j = 0; j < ghosts.length; ++j) {
            if (j == i) continue;
            hash = keccak256(abi.encode(hash, channels.channelOf(ghosts[j].id)));
        }
    }

    // ------------------------------------------------------------------ what no call may do

    function check(uint256 i, Before memory before) private {
        Channel memory now_ = channels.channelOf(ghosts[i].id);
        Channel memory was = before.channel;
        if (othersHash(i) != before.others) flag(3, "a call changed another channel");
        if (now_.version < was.version) flag(5, "the version fell");
        if (
            now_.version == was.version && was.status != Status.Closed
                && now_.status != Status.Closed
        ) {
            bool same = now_.net == was.net && now_.kind == was.kind
                && now_.locksRoot == was.locksRoot && now_.held1 == was.held1
                && now_.held2 == was.held2;
            if (!same) flag(5, "another state of the same version");
        }
        if (!isLegal(was.status, now_)) flag(11, "an illegal change of status");
        if (was.status == Status.Closed && now_.mode != was.mode) flag(11, "a tombstone changed");
        if (now_.kind == 1 && now_.locksRoot != 0) flag(10, "a final state with locks");
        checkDeadline(i, was, now_);
        checkSolvent(now_);
        reach(was, now_);
    }

    /// Counts what was reached, so that a run that reaches nothing can be told from one that proves something.
    function reach(Channel memory was, Channel memory now_) private {
        if (was.status == Status.Closed) {
            if (now_.resolved != was.resolved || now_.locksRoot != was.locksRoot) {
                ++count["resolved"];
            }
            return;
        }
        if (now_.status == Status.Closed) {
            if (now_.mode == Mode.Unilateral) ++count["closed"];
            if (now_.mode == Mode.Cooperative) ++count["agreed"];
            if (now_.mode == Mode.Cancelled) ++count["cancelled"];
            if (now_.held1 + now_.held2 != 0) ++count["held"];
            return;
        }
        if (now_.version == was.version) return;
        if (now_.withdrawVersion != was.withdrawVersion) ++count["withdrawn"];
        else if (now_.status == Status.Active) ++count["checkpointed"];
        else if (was.status == Status.Closing) ++count["challenged"];
    }

    function isLegal(Status was, Channel memory now_) private pure returns (bool) {
        Status next = now_.status;
        if (next == was) return true;
        if (was == Status.None) return next == Status.Pending || next == Status.Active;
        if (was == Status.Pending) {
            return next == Status.Active || (next == Status.Closed && now_.mode == Mode.Cancelled);
        }
        if (was == Status.Active) {
            return
                next == Status.Closing || (next == Status.Closed && now_.mode == Mode.Cooperative);
        }
        if (was == Status.Closing) {
            return next == Status.Closed
                && (now_.mode == Mode.Cooperative || now_.mode == Mode.Unilateral);
        }
        return false;
    }

    function checkDeadline(uint256 i, Channel memory was, Channel memory now_) private {
        Ghost storage ghost = ghosts[i];
        uint256 time = vm.getBlockTimestamp();
        if (was.status == Status.Active && now_.status == Status.Closing) {
            ghost.closesAt = time + ghost.terms.challengePeriod;
        }
        if (now_.closesAt != ghost.closesAt) flag(8, "the deadline is not what was first set");
        bool settled = was.status == Status.Closing && now_.status == Status.Closed
            && now_.mode == Mode.Unilateral;
        if (settled && time < ghost.closesAt) flag(9, "settled before the deadline");
        bool adopted = was.status == Status.Closing && now_.status == Status.Closing
            && now_.version != was.version;
        if (adopted && time >= ghost.closesAt) flag(9, "adopted at or after the deadline");
    }

    function checkSolvent(Channel memory c) private {
        if (c.status != Status.Active && c.status != Status.Closing) return;
        int256 balance1 = c.deposit1 - c.net - int256(c.held1);
        int256 balance2 = c.deposit2 + c.net - int256(c.held2);
        if (balance1 < 0 || balance2 < 0) flag(7, "a side is below zero");
    }

    /// A channel in the wanted status if there is one, starting to look anywhere; now and then any channel.
    function pick(uint256 seed, Status wanted) internal view returns (uint256) {
        uint256 n = ghosts.length;
        uint256 start = seed % n;
        if (uint256(keccak256(abi.encode(seed))) % 8 == 0) return start;
        for (uint256 k = 0; k < n; ++k) {
            uint256 i = (start + k) % n;
            if (statusOf(ghosts[i].id) == wanted) return i;
        }
        return start;
    }

    function flag(uint256 property, string memory what) internal {
        if (bytes(violation[property]).length == 0) violation[property] = what;
    }

    // ------------------------------------------------------------------ for the invariants

    function channelCount() external view returns (uint256) {
        return ghosts.length;
    }

    function tokenCount() external view returns (uint256) {
        return tokens.length;
    }

    function tokenAt(uint256 i) external view returns (address) {
        return tokens[i];
    }

    function idAt(uint256 i) external view returns (bytes32) {
        return ghosts[i].id;
    }

    /// What the contract must hold of a token: deposits, held locks, credit.
    function owed(address token_) external view returns (uint256 sum) {
        for (uint256 i = 0; i < ghosts.length; ++i) {
            if (ghosts[i].terms.token == token_) sum += live(i);
        }
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += channels.creditOf(token_, accounts[i]);
        }
    }

    function held(address token_) external view returns (uint256) {
        return balanceOf(token_, address(channels));
    }

    /// What is still inside a channel.
    function live(uint256 i) internal view returns (uint256) {
        Channel memory c = channels.channelOf(ghosts[i].id);
        if (c.status == Status.Closed) return c.held1 + c.held2;
        return uint256(c.deposit1 + c.deposit2);
    }

    /// What came into a channel, and where all of it is.
    function conserved(uint256 i) external view returns (uint256 came, uint256 accounted) {
        Ghost storage ghost = ghosts[i];
        return (ghost.paidIn, ghost.paidOut + ghost.credited + live(i));
    }

    function sameAsLogs(uint256 i) external view returns (bool) {
        bytes32 id = ghosts[i].id;
        return
            keccak256(abi.encode(channels.channelOf(id)))
                == keccak256(abi.encode(logView.channel(id)));
    }

    function sameCreditAsLogs() external view returns (bool) {
        for (uint256 i = 0; i < tokens.length; ++i) {
            for (uint256 j = 0; j < accounts.length; ++j) {
                uint256 credit = channels.creditOf(tokens[i], accounts[j]);
                if (credit != logView.credits(tokens[i], accounts[j])) return false;
            }
        }
        return true;
    }
}
