// States and payouts: ChannelExit, the packing it stores, and credit.
const BASE = "base/ChannelBase.sol";
const EXIT_BASE = "base/ChannelExit.sol";
const MAIN = "PaymentChannel.sol";
const CHECKPOINT = "check_p05_a_checkpoint_is_newer_and_signed_by_both";
const CHALLENGE = "check_p05_a_challenge_is_newer_and_moves_no_deadline";
const INITIATE = "check_p08_the_deadline_is_set_once";
const COOPERATIVE = "check_p10_only_a_final_state_both_signed_closes_at_once";
const UNILATERAL = "check_p02_a_unilateral_close_pays_exactly_the_stored_point";
const WITHDRAWAL = "check_p02_a_partial_withdrawal_pays_exactly_what_both_signed";
const CANCEL = "check_p02_a_cancelled_open_refunds_all";

const moveTheDeadline = `next = Point.wrap(Point.unwrap(next) & ~(uint256(type(uint40).max) << 184)).closing(
            uint40(block.timestamp) + terms.challengePeriod, next.initiatingSide()
        );
        channel.point = next;
        _emitClosing(channel, id, next);`;

const capTheExit = `_bury(channel, ledger, point, version, Mode.Unilateral);
        if (_isGuarded()) {
            (, uint256 total) = _capsOf(terms.token);
            uint256 held = terms.token == address(0) ? address(this).balance : 0;
            if (held > total) revert CapExceeded(total, held);
        }`;

export const EXIT = [
  // ---------------------------------------------------------------- versions and the window
  { id: "M40", rule: "a checkpoint is strictly newer", short: true, proof: CHECKPOINT,
    edits: [[EXIT_BASE, "if (state.version <= point.version()) revert StaleVersion", "if (state.version < point.version()) revert StaleVersion"]] },
  { id: "M41", rule: "a challenge is not older than the stored point", proof: CHALLENGE,
    edits: [[EXIT_BASE, "        if (state.version < current) revert StaleVersion(current);\n", ""]] },
  { id: "M42", rule: "another state of the stored version is refused", proof: CHALLENGE,
    edits: [[EXIT_BASE, "state.net != point.net() || state.kind != point.kind() || state.locksRoot != root\n                || state.locked1 != held.held1() || state.locked2 != held.held2()", "state.net != point.net() || state.kind != point.kind() || state.locksRoot != root"]] },
  { id: "M43", rule: "no challenge moves the deadline", short: true, proof: CHALLENGE,
    edits: [[EXIT_BASE, "channel.point = next;\n        _emitClosing(channel, id, next);", moveTheDeadline]] },
  { id: "M44", rule: "no challenge at the deadline", proof: CHALLENGE,
    edits: [[EXIT_BASE, "if (block.timestamp >= closesAt) revert WindowClosed", "if (block.timestamp > closesAt) revert WindowClosed"]] },
  { id: "M45", rule: "no settlement before the deadline", proof: UNILATERAL,
    edits: [[EXIT_BASE, "if (block.timestamp < point.closesAt()) revert WindowOpen", "if (block.timestamp + 1 < point.closesAt()) revert WindowOpen"]] },
  { id: "M46", rule: "settlement at the deadline",
    edits: [[EXIT_BASE, "if (block.timestamp < point.closesAt()) revert WindowOpen", "if (block.timestamp <= point.closesAt()) revert WindowOpen"]] },
  { id: "M47", rule: "the window is the one of the terms", proof: INITIATE,
    edits: [[EXIT_BASE, "point.closing(uint40(block.timestamp) + terms.challengePeriod, side)", "point.closing(uint40(block.timestamp) + MIN_CHALLENGE_PERIOD, side)"]] },
  { id: "M48", rule: "no checkpoint while closing", proof: CHECKPOINT,
    edits: [[EXIT_BASE, "_requireStatus(ledger, Status.Active);\n        Point point = _pointOf(channel, ledger);\n        if (state.version <=", "if (ledger.status() != Status.Closing) _requireStatus(ledger, Status.Active);\n        Point point = _pointOf(channel, ledger);\n        if (state.version <="]] },
  { id: "M49", rule: "the close does not fail because the chain is ahead",
    edits: [[EXIT_BASE, "        _requireMinVersion(point, intent.minVersion);\n        point = point.closing(", "        else if (state.version < point.version()) {\n            revert StaleVersion(point.version());\n        }\n        _requireMinVersion(point, intent.minVersion);\n        point = point.closing("]] },
  { id: "M50", rule: "an older state than the stored one is never adopted by a close", proof: INITIATE,
    edits: [[EXIT_BASE, "        uint8 side = _closingSide(id, terms, intent);\n        if (state.version > point.version()) {", "        uint8 side = _closingSide(id, terms, intent);\n        if (state.version != 0) {"]] },
  { id: "M51", rule: "a later close behaves as a challenge, in time only", proof: INITIATE,
    edits: [[EXIT_BASE, "point = _challenge(channel, id, ledger, point, terms, state, signature1, signature2);", "point = _adopt(channel, id, ledger, point, terms, state, signature1, signature2);\n                channel.point = point;"]] },
  { id: "M52", rule: "the identical challenge succeeds in silence",
    edits: [[EXIT_BASE, "if (_requireNotStale(channel, point, state)) return;", "if (_requireNotStale(channel, point, state)) revert StaleVersion(point.version());"]] },

  // ---------------------------------------------------------------- who may
  { id: "M53", rule: "a stranger can't start a close", short: true, proof: INITIATE,
    edits: [[EXIT_BASE, "if (intent.side == 0) revert NotAuthorized(msg.sender);", "if (intent.side == 0) return 1;"]] },
  { id: "M54", rule: "an order is that of the side it names", proof: INITIATE,
    edits: [[EXIT_BASE, "side == 1 ? terms.signer1 : terms.signer2, side", "side == 1 ? terms.signer2 : terms.signer1, side"]] },
  { id: "M55", rule: "an order dies at its deadline", proof: INITIATE,
    edits: [[EXIT_BASE, "        if (block.timestamp > intent.deadline) revert Expired(intent.deadline);\n", ""]] },
  { id: "M56", rule: "a close rests on the version its order demands", proof: INITIATE,
    edits: [[EXIT_BASE, "if (point.version() < minVersion) revert", "if (point.version() + 1 < minVersion) revert"]] },
  { id: "M57", rule: "side 2 can't cancel side 1's open", proof: CANCEL,
    edits: [[EXIT_BASE, "            if (intent.side != 1) revert NotAuthorized(msg.sender);\n", ""]] },
  { id: "M58", rule: "anyone may challenge",
    edits: [[EXIT_BASE, "        if (_requireNotStale(channel, point, state)) return;", "        if (msg.sender != terms.participant1 && msg.sender != terms.participant2) {\n            revert NotAuthorized(msg.sender);\n        }\n        if (_requireNotStale(channel, point, state)) return;"]] },
  { id: "M59", rule: "only pending channels are cancelled",
    edits: [[EXIT_BASE, "_requireStatus(ledger, Status.Pending);", "if (ledger.status() != Status.Active) _requireStatus(ledger, Status.Pending);"]] },

  // ---------------------------------------------------------------- cooperative close, withdrawal
  { id: "M60", rule: "a final state is not older than the stored point", proof: COOPERATIVE,
    edits: [[EXIT_BASE, "if (version < current) revert StaleVersion(current);\n        if (point.kind()", "if (point.kind()"]] },
  { id: "M61", rule: "an ordinary state of the same version is not final", proof: COOPERATIVE,
    edits: [[EXIT_BASE, "if (point.kind() != StateRules.FINAL || net != point.net()) {", "if (net != point.net()) {"]] },
  { id: "M62", rule: "a final state leaves no locks behind", proof: COOPERATIVE,
    edits: [[EXIT_BASE, "        _storeLocks(channel, point, 0, 0, 0);\n", ""]] },
  { id: "M63", rule: "a withdrawal is newer than the stored point", proof: WITHDRAWAL,
    edits: [[EXIT_BASE, "        if (order.version <= point.version()) revert StaleVersion(point.version());\n", ""]] },
  { id: "M64", rule: "a withdrawal dies at its deadline", proof: WITHDRAWAL,
    edits: [[EXIT_BASE, "        if (block.timestamp > order.deadline) revert Expired(order.deadline);\n", ""]] },
  { id: "M65", rule: "a withdrawal stores its own locks", proof: WITHDRAWAL,
    edits: [[EXIT_BASE, "        _storeLocks(channel, point, order.locksRoot, order.locked1, order.locked2);\n", ""]] },
  { id: "M66", rule: "a withdrawal is a point that no older state can follow", proof: WITHDRAWAL,
    edits: [[EXIT_BASE, "order.version, StateRules.ORDINARY, order.net,", "point.version() + 1, StateRules.ORDINARY, order.net,"]] },
  { id: "M67", rule: "what is left must bear the withdrawal", proof: WITHDRAWAL,
    edits: [[EXIT_BASE, "        StateRules.balances(deposit1, deposit2, order.net, order.locked1, order.locked2);\n", ""]] },
  { id: "M68", rule: "the tombstone remembers the withdrawal",
    edits: [[BASE, "uint64 withdrawVersion = point.hasWithdrawn() ? channel.withdrawVersion : 0;", "uint64 withdrawVersion = 0;"]] },

  // ---------------------------------------------------------------- payouts
  { id: "M70", rule: "each side gets its own", proof: UNILATERAL,
    edits: [[EXIT_BASE, "Mode.Unilateral);\n        _push(id, terms.token, terms.participant1, paid1);\n        _push(id, terms.token, terms.participant2, paid2);", "Mode.Unilateral);\n        _push(id, terms.token, terms.participant1, paid2);\n        _push(id, terms.token, terms.participant2, paid1);"]] },
  { id: "M71", rule: "a payout that fails is its receiver's credit",
    edits: [[BASE, "if (!Transfers.trySend(token, to, amount, gasLimit)) _credit(id, token, to, amount);", "Transfers.trySend(token, to, amount, gasLimit);"]],
    proof: UNILATERAL },
  { id: "M72", rule: "a payout that fails stops nothing",
    edits: [[BASE, "if (!Transfers.trySend(token, to, amount, gasLimit)) _credit(id, token, to, amount);", "if (!Transfers.trySend(token, to, amount, gasLimit)) revert TransferFailed(token, to);"]] },
  { id: "M73", rule: "the caller can't turn a payout into credit by gas",
    edits: [[BASE, "if (gasleft() < needed) revert InsufficientGas(needed);", "needed;"]] },
  { id: "M74", rule: "closed is for ever", short: true, proof: UNILATERAL,
    edits: [["libraries/Ledger.sol", "<< SIDE_SHIFT | uint256(Status.Closed) << STATUS_SHIFT", "<< SIDE_SHIFT | uint256(Status.None) << STATUS_SHIFT"]] },
  { id: "M75", rule: "no cap ever gates an exit", edits: [[EXIT_BASE, "_bury(channel, ledger, point, version, Mode.Unilateral);", capTheExit]] },
  { id: "M76", rule: "held locks stay until they are decided", proof: UNILATERAL,
    edits: [[EXIT_BASE, "ledger.deposit1(), ledger.deposit2(), point.net(), held.held1(), held.held2()", "ledger.deposit1(), ledger.deposit2(), point.net(), 0, 0"]] },

  // ---------------------------------------------------------------- locks after the close
  { id: "M80", rule: "a lock resolves once", proof: "check_p25_a_decided_lock_is_never_paid_again",
    edits: [[EXIT_BASE, "if (mask & bit == 0 || resolved & bit != 0) continue;", "if (mask & bit == 0) continue;"]] },
  { id: "M81", rule: "a met lock pays its receiver", proof: "check_p25_a_lock_pays_iff_revealed_by_its_expiry",
    edits: [[EXIT_BASE, "if (lock.from1 == paid) owed2 += amount;", "if (lock.from1 != paid) owed2 += amount;"]] },
  { id: "M82", rule: "a lock pays at most what its side still holds",
    proof: "check_p25_two_locks_pay_no_more_and_no_less_than_is_held",
    edits: [[EXIT_BASE, "if (amount > held1) amount = held1;\n                held1 -= amount;", "unchecked {\n                    held1 = amount > held1 ? 0 : held1 - amount;\n                }"]] },
  { id: "M83", rule: "what no lock names returns to its own side", proof: "check_p25_a_lock_pays_iff_revealed_by_its_expiry",
    edits: [[EXIT_BASE, "(owed1 + rest1, owed2 + rest2)", "(owed1 + rest2, owed2 + rest1)"]] },
  { id: "M84", rule: "locks are decided after the close only",
    edits: [[EXIT_BASE, "        _requireStatus(channel.ledger, Status.Closed);\n", ""]] },
  { id: "M85", rule: "the locks are those of the settled state",
    edits: [[EXIT_BASE, "        if (actual != root) revert LocksMismatch(root, actual);\n", ""]] },
  { id: "M86", rule: "only the chosen locks are decided",
    edits: [[EXIT_BASE, "if (mask & bit == 0 || resolved & bit != 0) continue;", "if (resolved & bit != 0) continue;"]],
    proof: "check_p25_a_lock_pays_iff_revealed_by_its_expiry" },
  { id: "M87", rule: "at most MAX_LOCKS",
    edits: [[EXIT_BASE, "        if (locks.length > MAX_LOCKS) revert TooManyLocks(locks.length);\n", ""]] },

  // ---------------------------------------------------------------- batch, credit, re-entry
  { id: "M90", rule: "a batch can't be made to skip by gas",
    edits: [[EXIT_BASE, "            if (gasleft() < BATCH_ITEM_GAS) revert InsufficientGas(BATCH_ITEM_GAS);\n", ""]] },
  { id: "M91", rule: "a failing item stops no other",
    edits: [[EXIT_BASE, "            emit ChallengeSkipped(_idOf(item.terms), reason);\n", "            emit ChallengeSkipped(_idOf(item.terms), reason);\n            break;\n"]] },
  { id: "M92", rule: "a batch says what happened to each item",
    edits: [[EXIT_BASE, "            reasons[i] = reason;\n", ""]] },
  { id: "M93", rule: "an order to pay out works once",
    edits: [[MAIN, "        _usedOrders[account][order.id] = true;\n", ""]] },
  { id: "M94", rule: "an order to pay out dies at its deadline",
    edits: [[MAIN, "        if (block.timestamp > order.deadline) revert Expired(order.deadline);\n", ""]] },
  { id: "M95", rule: "only its owner takes a credit",
    edits: [[MAIN, "if (!signed && !Signatures.isApprovedByContract(account, digest, signature)) {", "if (recovered == address(0) && !Signatures.isApprovedByContract(account, digest, signature)) {"]] },
  { id: "M96", rule: "state before payment, and no re-entry",
    edits: [[MAIN, "function withdraw(address token, address to, uint256 amount) external nonReentrant {", "function withdraw(address token, address to, uint256 amount) external {"],
            [MAIN, "        _credits[token][account] = available - amount;\n        if (!Transfers.trySend(token, to, amount, gasleft())) revert TransferFailed(token, to);", "        if (!Transfers.trySend(token, to, amount, gasleft())) revert TransferFailed(token, to);\n        unchecked {\n            _credits[token][account] -= amount;\n        }"]] },
  { id: "M97", rule: "no call while another runs: settlement",
    edits: [[EXIT_BASE, "function closeChannel(Terms calldata terms) external nonReentrant {", "function closeChannel(Terms calldata terms) external {"]] },
  { id: "M98", rule: "no call while another runs: checkpoint",
    edits: [["libraries/ReentrancyGuard.sol", "    modifier notEntered() {\n        if (_entered != FREE) revert IPaymentChannel.Reentered();\n", "    modifier notEntered() {\n"]] },
  { id: "M99", rule: "a multicall can't count a value twice",
    edits: [[MAIN, "function multicall(bytes[] calldata calls) external returns", "function multicall(bytes[] calldata calls) external payable returns"],
            ["interfaces/IPaymentChannel.sol", "function multicall(bytes[] calldata calls) external returns", "function multicall(bytes[] calldata calls) external payable returns"]] },
];
