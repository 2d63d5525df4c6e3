// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    CloseIntent,
    FinalState,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ISecretRegistry} from "../../src/interfaces/ISecretRegistry.sol";
import {Token} from "../mocks/Token.sol";
import {Test} from "./Test.sol";

/// The constructor's argument, written out so that tests need none of the implementation: they run
/// the committed bytecode.
struct TokenCap {
    address token;
    uint112 perChannel;
    uint112 total;
}

struct LaunchSchedule {
    uint40 startsAt;
    uint32 doublesEvery;
    uint40 endsAt;
    TokenCap[] caps;
}

struct Config {
    uint32 minChallengePeriod;
    uint32 maxChallengePeriod;
    address secretRegistry;
    address permit2;
    LaunchSchedule launch;
}

/// Two parties, a token, the deployed contracts, and signatures as the node makes them.
abstract contract ChannelTest is Test {
    uint256 internal constant KEY_OWNER1 = 0xA11CE;
    uint256 internal constant KEY_OWNER2 = 0xB0B;
    uint256 internal constant KEY_SIGNER1 = 0x51;
    uint256 internal constant KEY_SIGNER2 = 0x52;
    uint32 internal constant PERIOD = 1 days;
    uint32 internal constant MIN_PERIOD = 1 hours;
    uint32 internal constant MAX_PERIOD = 6 days;
    uint256 internal constant START = 1_700_000_000;

    IPaymentChannel internal channels;
    ISecretRegistry internal registry;
    Token internal token;
    address internal alice;
    address internal bob;
    address internal stranger = address(0x57A);

    function setUp() public virtual {
        vm.warp(START);
        alice = vm.addr(KEY_OWNER1);
        bob = vm.addr(KEY_OWNER2);
        registry = ISecretRegistry(deploy(registryArtifact(), ""));
        token = new Token();
        channels = deployChannels(launch());
        fund(alice);
        fund(bob);
        fund(stranger);
    }

    // ------------------------------------------------------------------ deployment

    /// Deploys a committed artifact; LOCKSTEP_ARTIFACTS points mutation runs at another folder.
    function deploy(string memory name, bytes memory args) internal returns (address) {
        return vm.deployCode(artifactPath(name), args);
    }

    function artifactPath(string memory name) internal view returns (string memory) {
        string memory folder = vm.envOr("LOCKSTEP_ARTIFACTS", string("artifacts"));
        return string.concat(folder, "/", name, ".json");
    }

    /// Which build is under test; suites that run on both override these two.
    function channelArtifact() internal pure virtual returns (string memory) {
        return "PaymentChannel";
    }

    function registryArtifact() internal pure virtual returns (string memory) {
        return "SecretRegistry";
    }

    /// The launch caps of the deployment under test.
    function launch() internal view virtual returns (LaunchSchedule memory) {
        return noCaps();
    }

    /// Permit2 of the deployment under test.
    function permit2() internal virtual returns (address) {
        return address(0);
    }

    function deployChannels(LaunchSchedule memory schedule) internal returns (IPaymentChannel) {
        return deployWith(Config(MIN_PERIOD, MAX_PERIOD, address(registry), permit2(), schedule));
    }

    function deployWith(Config memory config) internal returns (IPaymentChannel) {
        return IPaymentChannel(deploy(channelArtifact(), abi.encode(config)));
    }

    function noCaps() internal pure returns (LaunchSchedule memory) {
        return LaunchSchedule(0, 0, 0, new TokenCap[](0));
    }

    function fund(address account) internal {
        vm.deal(account, 1_000_000 ether);
        token.mint(account, 1_000_000 ether);
        vm.prank(account);
        token.approve(address(channels), type(uint256).max);
    }

    // ------------------------------------------------------------------ channels

    function termsOf(address token_, uint256 salt) internal view returns (Terms memory) {
        return Terms({
            participant1: alice,
            participant2: bob,
            signer1: vm.addr(KEY_SIGNER1),
            signer2: vm.addr(KEY_SIGNER2),
            token: token_,
            challengePeriod: PERIOD,
            salt: keccak256(abi.encode(salt))
        });
    }

    function open(Terms memory terms, uint256 amount) internal {
        uint256 value = terms.token == address(0) ? amount : 0;
        vm.prank(terms.participant1);
        channels.openChannel{value: value}(terms, amount, noAcceptance());
    }

    function join(Terms memory terms, uint256 amount) internal {
        uint256 value = terms.token == address(0) ? amount : 0;
        vm.prank(terms.participant2);
        channels.joinChannel{value: value}(terms, amount, noAcceptance());
    }

    /// An active ETH channel.
    function active(uint256 salt, uint256 deposit1, uint256 deposit2)
        internal
        returns (Terms memory terms, bytes32 id)
    {
        return activeWith(termsOf(address(0), salt), deposit1, deposit2);
    }

    function activeWith(Terms memory terms, uint256 deposit1, uint256 deposit2)
        internal
        returns (Terms memory, bytes32 id)
    {
        open(terms, deposit1);
        join(terms, deposit2);
        return (terms, channels.channelIdOf(terms));
    }

    function statusOf(bytes32 id) internal view returns (Status) {
        return channels.channelOf(id).status;
    }

    // ------------------------------------------------------------------ states

    function ordinary(uint64 version, int256 net) internal pure returns (State memory) {
        return State(version, 0, net, 0, 0, 0);
    }

    function finalState(uint64 version, int256 net) internal pure returns (State memory) {
        return State(version, 1, net, 0, 0, 0);
    }

    /// What `cooperativeClose` takes of a final state.
    function short(State memory state) internal pure returns (FinalState memory) {
        return FinalState(state.version, state.net);
    }

    function withLocks(uint64 version, int256 net, Lock[] memory locks)
        internal
        pure
        returns (State memory state)
    {
        state = ordinary(version, net);
        for (uint256 i = 0; i < locks.length; ++i) {
            if (locks[i].from1) state.locked1 += locks[i].amount;
            else state.locked2 += locks[i].amount;
        }
        state.locksRoot = keccak256(abi.encode(locks));
    }

    function hashLock(bytes32 secret, uint112 amount, uint40 expiry, bool from1)
        internal
        pure
        returns (Lock memory)
    {
        return Lock(sha256(abi.encode(secret)), address(0), amount, expiry, from1);
    }

    function secrets(bytes32 secret) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = secret;
    }

    // ------------------------------------------------------------------ signatures

    function compact(uint256 key, bytes32 digest) internal pure returns (Signature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Signature(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    function sign(bytes32 id, State memory state)
        internal
        view
        returns (Signature memory, Signature memory)
    {
        return signWith(KEY_SIGNER1, KEY_SIGNER2, id, state);
    }

    function signWith(uint256 key1, uint256 key2, bytes32 id, State memory state)
        internal
        view
        returns (Signature memory, Signature memory)
    {
        bytes32 digest = channels.stateDigest(id, state);
        return (compact(key1, digest), compact(key2, digest));
    }

    function typed(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", channels.domainSeparator(), structHash));
    }

    function partialWithdrawDigest(bytes32 id, PartialWithdraw memory order)
        internal
        view
        returns (bytes32)
    {
        return typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "PartialWithdraw(bytes32 channelId,uint64 version,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot,uint256 out1,uint256 out2,uint64 deadline)"
                    ),
                    id,
                    order
                )
            )
        );
    }

    function signWithdraw(bytes32 id, PartialWithdraw memory order)
        internal
        view
        returns (Signature memory, Signature memory)
    {
        bytes32 digest = partialWithdrawDigest(id, order);
        return (compact(KEY_SIGNER1, digest), compact(KEY_SIGNER2, digest));
    }

    function openDigest(bytes32 id, uint256 minDeposit1, uint64 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256("Open(bytes32 channelId,uint256 minDeposit1,uint64 deadline)");
        return typed(keccak256(abi.encode(typeHash, id, minDeposit1, deadline)));
    }

    function closeIntentDigest(bytes32 id, uint8 side, uint64 minVersion, uint64 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "CloseIntent(bytes32 channelId,uint8 side,uint64 minVersion,uint64 deadline)"
        );
        return typed(keccak256(abi.encode(typeHash, id, side, minVersion, deadline)));
    }

    function takeDigest(Take memory order) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Take(address token,address account,address to,uint256 amount,uint256 id,uint64 deadline)"
        );
        return typed(keccak256(abi.encode(typeHash, order)));
    }

    function noAcceptance() internal pure returns (bytes memory) {
        return "";
    }

    function acceptance(bytes32 id, uint256 minDeposit1, uint64 deadline)
        internal
        view
        returns (bytes memory)
    {
        Signature memory s = compact(KEY_SIGNER2, openDigest(id, minDeposit1, deadline));
        return abi.encodePacked(minDeposit1, deadline, s.r, s.vs);
    }

    function noIntent() internal pure returns (CloseIntent memory) {
        return CloseIntent(0, 0, 0, Signature(0, 0));
    }

    function closeIntent(bytes32 id, uint8 side, uint64 minVersion, uint64 deadline)
        internal
        view
        returns (CloseIntent memory)
    {
        bytes32 digest = closeIntentDigest(id, side, minVersion, deadline);
        uint256 key = side == 1 ? KEY_SIGNER1 : KEY_SIGNER2;
        return CloseIntent(side, minVersion, deadline, compact(key, digest));
    }

    // ------------------------------------------------------------------ shortcuts

    function initiate(address sender, Terms memory terms, bytes32 id, State memory state) internal {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(sender);
        channels.initiateClose(terms, state, s1, s2, noIntent());
    }

    /// Starts a close without presenting a state.
    function initiateBare(address sender, Terms memory terms) internal {
        Signature memory none;
        vm.prank(sender);
        channels.initiateClose(terms, ordinary(0, 0), none, none, noIntent());
    }

    function challenge(Terms memory terms, bytes32 id, State memory state) internal {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(stranger);
        channels.challengeClose(terms, state, s1, s2);
    }

    function update(Terms memory terms, bytes32 id, State memory state) internal {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(stranger);
        channels.updateState(terms, state, s1, s2);
    }

    function cooperate(Terms memory terms, bytes32 id, State memory state) internal {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(stranger);
        channels.cooperativeClose(terms, short(state), s1, s2);
    }

    function settle(Terms memory terms) internal {
        vm.prank(stranger);
        channels.closeChannel(terms);
    }
}
