// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What both parties agree on before the open. Hashed into the channel id and never stored.
struct Terms {
    /// Owner of side 1: receives its money, may be a contract.
    address participant1;
    /// Owner of side 2: receives its money, may be a contract.
    address participant2;
    /// secp256k1 key that signs states for side 1; one pair per channel.
    address signer1;
    /// secp256k1 key that signs states for side 2.
    address signer2;
    /// ERC-20 token of the channel; 0 is ETH.
    address token;
    /// Seconds between the start of a unilateral close and its settlement.
    uint32 challengePeriod;
    /// Makes the id unique; may commit to off-chain terms.
    bytes32 salt;
}

/// One point in the life of a channel. The signed EIP-712 struct has `channelId` in front;
/// it is left out of calldata because the contract derives it from the terms.
struct State {
    /// Highest wins. 0 cannot be signed: it means "no state presented".
    uint64 version;
    /// 0 ordinary, 1 final (settles at once, never has locks).
    uint8 kind;
    /// What participant 1 has paid participant 2 in total, less the reverse. Base units.
    int256 net;
    /// Sum of the pending locks that participant 1 pays. Base units.
    uint256 locked1;
    /// Sum of the pending locks that participant 2 pays. Base units.
    uint256 locked2;
    /// 0 without locks, else keccak256(abi.encode(Lock[])).
    bytes32 locksRoot;
}

/// A final state: what is left of `State` when its kind is 1 and it has no locks.
struct FinalState {
    uint64 version;
    int256 net;
}

/// A withdrawal both sides signed while the channel stays open. It is itself a point with a
/// version, so that no older state can follow it.
struct PartialWithdraw {
    uint64 version;
    int256 net;
    uint256 locked1;
    uint256 locked2;
    bytes32 locksRoot;
    /// Paid to participant 1. Base units.
    uint256 out1;
    /// Paid to participant 2. Base units.
    uint256 out2;
    /// Last second at which it may be executed.
    uint64 deadline;
}

/// A conditional payment inside a state.
struct Lock {
    /// Without a resolver sha256(secret); with one, the id the resolver is asked about.
    bytes32 hash;
    /// 0 for a hash lock, else a contract that answers `IResolver.outcome`.
    address resolver;
    uint112 amount;
    /// Last second at which the condition can be met.
    uint40 expiry;
    /// True when participant 1 pays participant 2.
    bool from1;
}

/// EIP-2098 compact signature.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// A signer's order to close, for relayers and L1-aliased callers. `side` 0 means "none given".
struct CloseIntent {
    uint8 side;
    /// The close must rest on this version or a newer one.
    uint64 minVersion;
    /// Last second at which the order counts.
    uint64 deadline;
    Signature signature;
}

/// A credited account's order to pay out its credit, for relayers.
struct Take {
    address token;
    address account;
    address to;
    uint256 amount;
    /// Chosen by the account; each id works once.
    uint256 id;
    /// Last second at which the order counts.
    uint64 deadline;
}

/// One channel of `openBatch`.
struct OpenItem {
    Terms terms;
    uint256 amount;
    bytes accept;
}

/// One channel of `challengeCloseBatch`.
struct ChallengeItem {
    Terms terms;
    State state;
    Signature signature1;
    Signature signature2;
}

/// Where money that was authorised by a signature goes.
enum Entry {
    Open,
    Join,
    Deposit1,
    Deposit2
}

/// ERC-3009 `receiveWithAuthorization` fields. The token's nonce is not free: it must be
/// `authorizationNonce(channelId, entry, salt)`, which ties the signature to one channel and side.
struct Authorization {
    address from;
    uint256 validAfter;
    uint256 validBefore;
    bytes32 salt;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// Permit2 `permitWitnessTransferFrom` fields. The witness is (channelId, entry).
struct Permit {
    address from;
    uint256 nonce;
    uint256 deadline;
    bytes signature;
}

/// `Closing` only ever follows `Active`; `Closed` is for ever.
enum Status {
    None,
    Pending,
    Active,
    Closing,
    Closed
}

/// How a channel ended.
enum Mode {
    None,
    Cooperative,
    Unilateral,
    Cancelled
}

/// All that is stored about one channel.
struct Channel {
    Status status;
    /// Signed: a side that was paid may have withdrawn more than it put in. 0 once closed.
    int256 deposit1;
    int256 deposit2;
    /// The stored point (checkpoint, close, or withdrawal); version 0 if there is none.
    uint64 version;
    uint8 kind;
    int256 net;
    bytes32 locksRoot;
    /// Locked by the stored point; once closed, what is still held for undecided locks.
    uint256 held1;
    uint256 held2;
    /// Bit i set: lock i has been resolved.
    uint32 resolved;
    /// End of the challenge window; 0 if none was ever opened.
    uint40 closesAt;
    /// Side that started the close; 0 if none did.
    uint8 initiatingSide;
    /// Version of the last partial withdrawal; 0 if there was none.
    uint64 withdrawVersion;
    Mode mode;
}

/// Two-party payment channels. Highest version wins, one deadline, set once.
/// @dev There is no owner, no upgrade and no pause. Every exit works from any address.
interface IPaymentChannel {
    // ------------------------------------------------------------------ events

    /// A channel came into being: `active` if side 2's acceptance came with it, else pending.
    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed participant1,
        address indexed participant2,
        Terms terms,
        uint256 deposit1,
        bool active
    );
    /// A pending channel became active.
    event ChannelJoined(bytes32 indexed channelId, uint256 deposit2);
    /// Money was added to one side of an open channel.
    event ChannelFunded(bytes32 indexed channelId, uint8 indexed side, uint256 amount);
    /// A newer state was stored while the channel stays active.
    event ChannelCheckpoint(
        bytes32 indexed channelId,
        uint64 indexed version,
        int256 net,
        uint8 kind,
        uint256 locked1,
        uint256 locked2,
        bytes32 locksRoot
    );
    /// A unilateral close was started, or answered with a newer state.
    event ChannelClosing(
        bytes32 indexed channelId,
        uint64 indexed version,
        int256 net,
        uint8 kind,
        uint256 locked1,
        uint256 locked2,
        bytes32 locksRoot,
        uint40 closesAt,
        uint8 initiatingSide
    );
    /// Both sides withdrew from an open channel. The deposits are those that remain.
    event PartialWithdrawn(
        bytes32 indexed channelId,
        uint64 indexed version,
        int256 net,
        uint256 out1,
        uint256 out2,
        int256 deposit1,
        int256 deposit2,
        uint256 locked1,
        uint256 locked2,
        bytes32 locksRoot
    );
    /// The channel is settled; `held` waits for its locks.
    event ChannelClosed(
        bytes32 indexed channelId,
        uint64 indexed version,
        uint256 paid1,
        uint256 paid2,
        uint256 held1,
        uint256 held2,
        Mode mode
    );
    /// Lock `index` of a closed channel was decided: `paid` to its receiver, or back to its sender.
    event LockResolved(
        bytes32 indexed channelId,
        uint256 indexed index,
        bytes32 hash,
        bool from1,
        bool paid,
        uint256 amount
    );
    /// All locks are decided and more was held than they named: the rest went back to its own side.
    event RemainderReturned(bytes32 indexed channelId, uint256 amount1, uint256 amount2);
    /// A challenge of a batch was left out; `reason` is the selector of its error.
    event ChallengeSkipped(bytes32 indexed channelId, bytes4 reason);
    /// Money that could not be pushed, or came too late, waits for its owner.
    event Credited(
        address indexed token, address indexed account, bytes32 indexed channelId, uint256 amount
    );
    /// Credit was paid out to the recipient its owner named.
    event Withdrawn(
        address indexed token, address indexed account, address indexed to, uint256 amount
    );

    /// `withdrawFor` has used this order id of an account.
    event OrderExecuted(address indexed account, uint256 indexed id);

    // ------------------------------------------------------------------ errors

    /// The participant of this side is the zero address, or this contract.
    error InvalidParticipant(uint8 side);
    /// The signer of this side is the zero address.
    error InvalidSigner(uint8 side);
    /// One address stands on both sides.
    error SharedAddress(address account);
    /// The challenge period is not within this deployment's bounds. Seconds.
    error PeriodOutOfBounds(uint32 period, uint32 min, uint32 max);
    /// The deployment's own bounds are impossible.
    error InvalidPeriodBounds(uint32 min, uint32 max);
    /// There is no contract at this address.
    error NoCode(address account);
    /// `msg.value` is not what the call needs. Wei.
    error WrongValue(uint256 needed, uint256 sent);
    /// The amount does not fit the packed storage.
    error AmountTooLarge(uint256 amount);
    /// The call brought no money.
    error NothingReceived();
    /// The channel's status does not allow this.
    error WrongStatus(Status status);
    /// This id had its channel already; choose another salt.
    error IdUsed(bytes32 channelId);
    /// The caller may not do this, nor did a valid order come with the call.
    error NotAuthorized(address caller);
    /// The signature is not this side's over exactly this message; side 0 is a credited account.
    error BadSignature(uint8 side);
    /// The signature's s value is in the upper half of the curve order.
    error MalleableSignature(uint8 side);
    /// The order's deadline has passed.
    error Expired(uint64 deadline);
    /// Side 1's deposit is below what side 2 accepted.
    error DepositTooSmall(uint256 deposit1, uint256 minDeposit1);
    /// A state of this version or a newer one is stored.
    error StaleVersion(uint64 current);
    /// Another state of the same version is stored.
    error VersionConflict(uint64 version);
    /// The close would rest on an older version than the order demands.
    error BelowMinVersion(uint64 version, uint64 minVersion);
    /// The challenge window ended at this time.
    error WindowClosed(uint40 closesAt);
    /// The challenge window ends at this time.
    error WindowOpen(uint40 closesAt);
    /// The kind is neither 0 nor 1.
    error InvalidKind(uint8 kind);
    /// A final state cannot hold locks.
    error FinalStateHasLocks();
    /// `net` is outside of (-2^119, 2^119).
    error NetOutOfRange(int256 net);
    /// A locked sum is 2^112 or more.
    error LockedOutOfRange(uint256 locked);
    /// Locked sums and locks root must be both zero or both not.
    error LocksRootMismatch(bytes32 locksRoot);
    /// The state leaves this side with less than nothing.
    error InsufficientBalance(uint8 side, int256 balance);
    /// The locks given are not those of the settled state.
    error LocksMismatch(bytes32 expected, bytes32 actual);
    /// No lock of this channel waits for a decision.
    error NothingHeld();
    /// More locks than MAX_LOCKS.
    error TooManyLocks(uint256 count);
    /// A side is 1 or 2.
    error InvalidSide(uint8 side);
    /// Send the transaction again with more gas: at least this much must be left at this point.
    error InsufficientGas(uint256 needed);
    /// The account's credit is smaller than asked for. Base units.
    error InsufficientCredit(uint256 available);
    /// The recipient can't be the zero address or this contract.
    error InvalidRecipient(address to);
    /// This order was used already.
    error OrderUsed(address account, uint256 id);
    /// The transfer failed; nothing has moved.
    error TransferFailed(address token, address account);
    /// The launch cap on this channel or on this token would be passed. Base units.
    error CapExceeded(uint256 cap, uint256 wanted);
    /// Calls into this contract cannot be nested.
    error Reentered();
    /// Ether is taken only through a function that says whose it is.
    error UnattributedEther();

    // ------------------------------------------------------------------ entry

    /// Opens a channel, or adds to side 1 of the one that is there.
    /// @param accept side 2's acceptance: empty for none, else
    /// abi.encodePacked(uint256 minDeposit1, uint64 deadline, signature). It does not count for a
    /// deposit of side 1 below `minDeposit1` or after `deadline`. The signature over `Open` is that of
    /// participant 2 (64 or 65 bytes ECDSA, or EIP-1271) or of signer 2 (ECDSA).
    /// @param amount what to bring in; for ETH it is `msg.value`. Base units.
    /// With side 2's acceptance anyone may call and the channel is active at once; without it only
    /// participant 1 may, and the channel is pending. On a pending channel it adds the amount and
    /// applies the acceptance; on an active one it is a deposit to side 1.
    /// @dev Money that the channel can't take for reasons the sender could not foresee (status ahead,
    /// acceptance expired or withdrawn, cap reached on a call not made by participant 1) becomes a
    /// credit of participant 1, so that value delivered by a bridge never reverts.
    function openChannel(Terms calldata terms, uint256 amount, bytes calldata accept)
        external
        payable
        returns (bytes32 channelId);

    /// Opens many channels. `msg.value` is exactly the sum of the ETH amounts.
    function openBatch(OpenItem[] calldata items) external payable;

    /// Activates a pending channel: participant 2, or anyone with its acceptance. `amount` may be 0.
    /// On an active channel it is a deposit to side 2; later it is a credit of participant 2.
    function joinChannel(Terms calldata terms, uint256 amount, bytes calldata accept)
        external
        payable;

    /// Adds to one side of a pending (side 1) or active channel; else a credit of that participant.
    function deposit(Terms calldata terms, uint8 side, uint256 amount) external payable;

    /// Open, join or deposit with an ERC-3009 authorisation, whose signer acts as the caller.
    function enterWithAuthorization(
        Entry entry,
        Terms calldata terms,
        uint256 amount,
        bytes calldata accept,
        Authorization calldata authorization
    ) external;

    /// Open, join or deposit with a Permit2 witness signature, whose signer acts as the caller.
    function enterWithPermit2(
        Entry entry,
        Terms calldata terms,
        uint256 amount,
        bytes calldata accept,
        Permit calldata permit
    ) external;

    /// `openChannel` with all that lies in side 1's deposit box.
    function openFromBox(Terms calldata terms, bytes calldata accept) external;

    /// `joinChannel` with all that lies in side 2's deposit box.
    function joinFromBox(Terms calldata terms, bytes calldata accept) external;

    /// Empties a deposit box: the channel's token on an active channel is a deposit, anything else a
    /// credit of that side's participant. Before the channel is active only that participant may
    /// take the channel's token back.
    function sweep(Terms calldata terms, uint8 side, address token) external;

    // ------------------------------------------------------------------ exit

    /// Refunds a channel nobody joined: participant 1, or anyone with signer 1's order.
    function cancelOpen(Terms calldata terms, CloseIntent calldata intent) external;

    /// Stores a newer state while the channel stays active. Moves no deadline.
    function updateState(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external;

    /// Pays both sides out of an open channel.
    function partialWithdraw(
        Terms calldata terms,
        PartialWithdraw calldata order,
        Signature calldata signature1,
        Signature calldata signature2
    ) external;

    /// Starts the unilateral close with the newest state the caller has (version 0: none).
    /// A participant, a signer, or anyone with a signer's order.
    /// @dev Never fails because the chain is ahead: an older state than the stored one is ignored,
    /// and on a closing channel it does what `challengeClose` would do, if anything.
    function initiateClose(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2,
        CloseIntent calldata intent
    ) external;

    /// Answers a unilateral close with a newer state; the identical state succeeds silently.
    function challengeClose(
        Terms calldata terms,
        State calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external;

    /// `challengeClose` for many channels; a failing one is skipped and does not stop the others.
    /// @return reasons per item 0 for success, else the selector of its error (0xffffffff if it had none).
    function challengeCloseBatch(ChallengeItem[] calldata items)
        external
        returns (bytes4[] memory reasons);

    /// Settles a unilateral close at or after its deadline. Locked money stays until its lock is decided.
    function closeChannel(Terms calldata terms) external;

    /// Settles at once on a final state that both signed. The digest is made with kind 1 and without
    /// locks, so an ordinary state can't be settled here whatever is passed.
    function cooperativeClose(
        Terms calldata terms,
        FinalState calldata state,
        Signature calldata signature1,
        Signature calldata signature2
    ) external;

    /// Decides locks of a closed channel: met by its expiry pays the receiver, expired the sender,
    /// anything else is left for later. Ends when all are decided or nothing is held any more.
    /// @param locks all locks of the settled state, in the order that was signed.
    /// @param mask bit i chooses lock i.
    function resolveLocks(Terms calldata terms, Lock[] calldata locks, uint32 mask) external;

    /// Pays out the caller's credit.
    function withdraw(address token, address to, uint256 amount) external;

    /// Pays out an account's credit by its signed order (ECDSA or EIP-1271).
    function withdrawFor(Take calldata order, bytes calldata signature) external;

    /// Several calls in one transaction; the first that fails undoes all. Takes no value.
    function multicall(bytes[] calldata calls) external returns (bytes[] memory results);

    // ------------------------------------------------------------------ views

    /// The id of a channel on these terms, known before it is opened.
    function channelIdOf(Terms calldata terms) external view returns (bytes32);

    /// What is stored about a channel.
    function channelOf(bytes32 channelId) external view returns (Channel memory);

    /// What each side would be paid, and what would stay locked, if the stored point were settled now.
    function balances(Terms calldata terms)
        external
        view
        returns (uint256 balance1, uint256 balance2, uint256 locked1, uint256 locked2);

    /// Money waiting for its owner.
    function creditOf(address token, address account) external view returns (uint256);

    /// True once `withdrawFor` has used this account's order id.
    function isOrderUsed(address account, uint256 id) external view returns (bool);

    /// EIP-712 digest of a state.
    function stateDigest(bytes32 channelId, State calldata state) external view returns (bytes32);

    /// The only ERC-3009 nonce that may pay this entry of this channel.
    function authorizationNonce(bytes32 channelId, Entry entry, bytes32 salt)
        external
        pure
        returns (bytes32);

    /// Where money for one side of a channel can be sent by anyone, before or after the open.
    function boxAddress(bytes32 channelId, uint8 side) external view returns (address);

    /// The cap on one channel and on the whole contract for this token now; max once the launch is over.
    function capsOf(address token) external view returns (uint256 perChannel, uint256 total);

    /// EIP-712 domain separator; fixed at deployment.
    function domainSeparator() external view returns (bytes32);
}
