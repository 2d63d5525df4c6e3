// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {PaymentChannel} from "../../src/PaymentChannel.sol";
import {SecretRegistry} from "../../src/SecretRegistry.sol";
import {Config} from "../../src/base/ChannelBase.sol";
import {Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {IPermit2} from "../../src/interfaces/external/IPermit2.sol";
import {LaunchSchedule, TokenCap} from "../../src/libraries/LaunchCaps.sol";
import {Vm} from "../support/Vm.sol";

/// Takes ether or refuses it, as the solver likes: both ways a payout can go are followed.
contract Owner {
    bool private _refuses;

    constructor(bool refuses) {
        _refuses = refuses;
    }

    receive() external payable {
        if (_refuses) revert();
    }
}

/// Proofs by induction on the compiled contract: storage is *any* well-formed channel, the call has
/// *any* arguments and *any* two signatures, and what it leaves must be well formed again. An open
/// and a join make the first such channel, so what holds for one step holds for every life.
///
/// Signatures are free words, and ecrecover is a function the solver knows nothing about: it may
/// answer what it likes, but the same to the same question. A check that finds the call successful
/// asks it the question the contract should have asked; a signature the contract forgot to check, or
/// checked over another message, is then a counterexample.
abstract contract SymbolicTest {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint32 internal constant PERIOD = 1 days;
    address internal constant SIGNER1 = address(0x51);
    address internal constant SIGNER2 = address(0x52);
    address internal constant STRANGER = address(0x57A);
    uint256 internal constant ACTIVE = 2;
    uint256 internal constant CLOSING = 3;
    uint256 internal constant CLOSED = 4;

    /// What the contract holds for others: a payout too high finds money to pay with.
    uint256 internal constant MONEY_OF_OTHERS = 1 << 125;

    /// Storage slot of `_channels`; `setUp` checks it.
    uint256 private constant CHANNELS_SLOT = 1;

    PaymentChannel internal channels;
    SecretRegistry internal registry;
    address internal owner1;
    address internal owner2;
    Terms internal terms;
    bytes32 internal id;

    function setUp() public virtual {
        registry = new SecretRegistry();
        LaunchSchedule memory noCaps = LaunchSchedule(0, 0, 0, new TokenCap[](0));
        channels =
            new PaymentChannel(Config(1 hours, 6 days, registry, IPermit2(address(0)), noCaps));
        // A wrong slot would leave every channel unopened, and prove everything about no call at all.
        store(0, CLOSED << 240);
        require(channels.channelOf(id).status == Status.Closed);
    }

    /// Parties whose owners take or refuse ether, and any second of the next 17,000 years.
    function begin(bool refuses1, bool refuses2, uint40 time) internal {
        vm.assume(time > 1_600_000_000);
        vm.assume(time < 1 << 39);
        vm.warp(time);
        owner1 = address(new Owner(refuses1));
        owner2 = address(new Owner(refuses2));
        terms = Terms(owner1, owner2, SIGNER1, SIGNER2, address(0), PERIOD, 0);
        id = channels.channelIdOf(terms);
    }

    // ------------------------------------------------------------------ one channel

    /// All that storage says about a living channel, unpacked.
    struct Living {
        bool closing;
        bool hasPoint;
        int120 deposit1;
        int120 deposit2;
        uint64 version;
        bool isFinal;
        int120 net;
        uint112 locked1;
        uint112 locked2;
        bytes32 locksRoot;
        uint40 closesAt;
        uint8 side;
        bool hasWithdrawn;
        uint64 withdrawVersion;
    }

    /// The invariant: what every function leaves, and may rely on. Written without short cuts, so that
    /// it is one formula and not many paths.
    function isWellFormed(Living memory c) internal pure returns (bool) {
        int256 sum = int256(c.deposit1) + c.deposit2;
        int256 balance1 = int256(c.deposit1) - c.net - int256(uint256(c.locked1));
        int256 balance2 = int256(c.deposit2) + c.net - int256(uint256(c.locked2));
        uint256 numbers = bit(c.net != type(int120).min) & bit(sum >= 0) & bit(sum < 2 ** 119)
            & bit(balance1 >= 0) & bit(balance2 >= 0);
        uint256 locks = bit((c.locksRoot == 0) == (c.locked1 | c.locked2 == 0))
            & bit(bit(c.isFinal) & bit(c.locksRoot != 0) == 0);
        uint256 close = bit(c.closing == (c.closesAt != 0)) & bit(c.closing == (c.side != 0))
            & bit(c.side < 3) & (bit(c.hasPoint) | bit(!c.closing));
        uint256 point =
            (bit(c.version != 0) | (bit(!c.isFinal) & bit(c.net == 0) & bit(c.locksRoot == 0)))
                & (bit(c.hasPoint) | bit(c.version == 0));
        uint256 withdrawal =
            bit(c.hasWithdrawn == (c.withdrawVersion != 0)) & bit(c.withdrawVersion <= c.version);
        return numbers & locks & close & point & withdrawal == 1;
    }

    /// Puts any well-formed channel into storage, and its money into the contract.
    function plant(Living memory c) internal {
        vm.assume(isWellFormed(c));
        store(0, ledgerOf(c));
        store(
            1,
            uint256(uint120(c.net)) | uint256(c.version) << 120 | uint256(c.closesAt) << 184
                | bit(c.isFinal) << 224 | bit(c.locksRoot != 0) << 225 | bit(c.hasWithdrawn) << 226
                | uint256(c.side) << 227
        );
        store(2, uint256(c.locksRoot));
        store(3, uint256(c.locked1) | uint256(c.locked2) << 112);
        store(4, c.withdrawVersion);
        vm.deal(address(channels), MONEY_OF_OTHERS + uint256(int256(c.deposit1) + c.deposit2));
    }

    function ledgerOf(Living memory c) internal pure returns (uint256) {
        return uint256(uint120(c.deposit1)) | uint256(uint120(c.deposit2)) << 120
            | (ACTIVE + bit(c.closing)) << 240 | bit(c.hasPoint) << 248;
    }

    /// What storage says now; only for a channel that lives.
    function living() internal view returns (Living memory c) {
        uint256 ledger = load(0);
        uint256 point = load(1);
        uint256 held = load(3);
        c.closing = (ledger >> 240) & 0xff == CLOSING;
        c.hasPoint = ledger >> 248 != 0;
        c.deposit1 = int120(uint120(ledger));
        c.deposit2 = int120(uint120(ledger >> 120));
        c.net = int120(uint120(point));
        c.version = uint64(point >> 120);
        c.closesAt = uint40(point >> 184);
        c.isFinal = (point >> 224) & 1 != 0;
        c.hasWithdrawn = (point >> 226) & 1 != 0;
        c.side = uint8((point >> 227) & 3);
        c.locksRoot = bytes32(load(2));
        c.locked1 = uint112(held);
        c.locked2 = uint112(held >> 112);
        c.withdrawVersion = uint64(load(4));
    }

    function status() internal view returns (uint256) {
        return (load(0) >> 240) & 0xff;
    }

    function store(uint256 offset, uint256 word) internal {
        vm.store(address(channels), slot(offset), bytes32(word));
    }

    function load(uint256 offset) internal view returns (uint256) {
        return uint256(vm.load(address(channels), slot(offset)));
    }

    function slot(uint256 offset) private view returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(id, CHANNELS_SLOT))) + offset);
    }

    /// 1 for true: conditions are joined with `&`, which does not branch.
    function bit(bool condition) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := condition
        }
    }

    // ------------------------------------------------------------------ the money

    /// Where money can be.
    struct Money {
        uint256 inContract;
        uint256 paid1;
        uint256 paid2;
        uint256 credit1;
        uint256 credit2;
    }

    function money() internal view returns (Money memory) {
        return Money(
            address(channels).balance,
            owner1.balance,
            owner2.balance,
            channels.creditOf(address(0), owner1),
            channels.creditOf(address(0), owner2)
        );
    }

    /// Each owner got exactly this, paid or credited, and the contract lost what was paid.
    function assertPayouts(Money memory a, Money memory b, int256 due1, int256 due2) internal pure {
        assert(int256(b.paid1 - a.paid1 + b.credit1 - a.credit1) == due1);
        assert(int256(b.paid2 - a.paid2 + b.credit2 - a.credit2) == due2);
        assert(a.inContract - b.inContract == b.paid1 - a.paid1 + b.paid2 - a.paid2);
    }
}
