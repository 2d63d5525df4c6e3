// Signatures, digests, bounds, locks, transfers: the libraries.
const SIGNATURES = "libraries/Signatures.sol";
const DIGESTS = "libraries/Digests.sol";
const RULE = "libraries/StateRules.sol";
const LOCKS = "libraries/LockRules.sol";
const EXIT_BASE = "base/ChannelExit.sol";
const CHECKPOINT = "check_p05_a_checkpoint_is_newer_and_signed_by_both";
const CHALLENGE = "check_p05_a_challenge_is_newer_and_moves_no_deadline";
const BOUNDS = "check_p07_an_adopted_state_leaves_no_side_below_zero";
const ONE_LOCK = "check_p25_a_lock_pays_iff_revealed_by_its_expiry";
const COOPERATIVE = "check_p10_only_a_final_state_both_signed_closes_at_once";

export const RULES = [
  // ---------------------------------------------------------------- signatures and digests
  { id: "M01", rule: "side 1 must have signed", short: true, proof: CHECKPOINT,
    edits: [[EXIT_BASE, "        Signatures.requireSigner(digest, signature1, terms.signer1, 1);\n", ""]] },
  { id: "M02", rule: "side 2 must have signed", proof: CHALLENGE,
    edits: [[EXIT_BASE, "        Signatures.requireSigner(digest, signature2, terms.signer2, 2);\n", ""]] },
  { id: "M03", rule: "each signature is its own side's",
    edits: [[EXIT_BASE, "requireSigner(digest, signature1, terms.signer1, 1)", "requireSigner(digest, signature1, terms.signer2, 1)"],
            [EXIT_BASE, "requireSigner(digest, signature2, terms.signer2, 2)", "requireSigner(digest, signature2, terms.signer1, 2)"]] },
  { id: "M04", rule: "a signature that recovers to nobody is no signature",
    equivalent: "no channel can be opened with signer 0 (StateRules.requireParties), so nobody never equals the signer; kept as a second lock",
    edits: [[SIGNATURES, "if (recovered == address(0) || recovered != signer) {", "if (recovered != signer) {"]] },
  { id: "M05", rule: "a state is signed for one channel", short: true, proof: CHECKPOINT,
    edits: [[DIGESTS, "            mstore(add(buffer, 0x20), id)\n", "            mstore(add(buffer, 0x20), 0)\n"]] },
  { id: "M06", rule: "a high s is refused",
    edits: [[SIGNATURES, "        if (uint256(s) > HALF_CURVE_ORDER) revert IPaymentChannel.MalleableSignature(side);\n", ""]] },
  { id: "M07", rule: "a high s in an order or acceptance is refused",
    edits: [[SIGNATURES, "        if (uint256(s) > HALF_CURVE_ORDER) return address(0);\n", ""]] },
  { id: "M08", rule: "only kind 1 settles at once", short: true, proof: COOPERATIVE,
    edits: [[DIGESTS, "abi.encode(STATE_TYPEHASH, id, version, 1, net, 0, 0, 0)", "abi.encode(STATE_TYPEHASH, id, version, 0, net, 0, 0, 0)"]] },
  { id: "M09", rule: "the id is bound to the chain",
    edits: [[DIGESTS, "            mstore(buffer, chainId)\n            mstore(add(buffer, 0x20), address())", "            mstore(buffer, 1)\n            mstore(add(buffer, 0x20), address())"]] },
  { id: "M10", rule: "the id is bound to the contract",
    edits: [[DIGESTS, "mstore(add(buffer, 0x20), address())", "mstore(add(buffer, 0x20), 0)"]] },
  { id: "M11", rule: "signatures are bound to the contract", proof: CHECKPOINT,
    edits: [[DIGESTS, 'keccak256("Lockstep"), keccak256("1"), chainId, address(this)', 'keccak256("Lockstep"), keccak256("1"), chainId, address(0)']] },
  { id: "M12", rule: "a later change of the chain id voids no channel",
    edits: [["base/ChannelBase.sol", "return Digests.channelId(CHAIN_ID, terms);", "return Digests.channelId(block.chainid, terms);"]] },
  { id: "M13", rule: "every term is in the id (the salt too)",
    edits: [[DIGESTS, "            calldatacopy(add(buffer, 0x40), terms, 0xe0)\n            id := keccak256(buffer, 0x120)", "            calldatacopy(add(buffer, 0x40), terms, 0xc0)\n            id := keccak256(buffer, 0x100)"]] },
  { id: "M14", rule: "a wallet's yes is exactly the magic value",
    edits: [[SIGNATURES, "return ok && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);", "return ok && answer != 0;"]] },
  { id: "M15", rule: "the caller can't choose a wallet's answer by the gas it sends",
    edits: [[SIGNATURES, "if (gasleft() < ERC1271_GAS_FLOOR) {", "if (gasleft() < 1) {"]] },

  // ---------------------------------------------------------------- bounds
  { id: "M16", rule: "side 1 never owns less than nothing", short: true, proof: BOUNDS,
    edits: [[RULE, "        if (balance1 < 0) revert IPaymentChannel.InsufficientBalance(1, balance1);\n", ""]] },
  { id: "M17", rule: "side 2 never owns less than nothing", proof: BOUNDS,
    edits: [[RULE, "        if (balance2 < 0) revert IPaymentChannel.InsufficientBalance(2, balance2);\n", ""]] },
  { id: "M18", rule: "locked sums are bounded before the cast", proof: BOUNDS,
    edits: [[RULE, "        if (locked1 >= LOCKED_LIMIT) revert IPaymentChannel.LockedOutOfRange(locked1);\n", ""]] },
  { id: "M19", rule: "net is bounded before the cast", proof: BOUNDS,
    edits: [[RULE, "if (net <= -MAGNITUDE_LIMIT || net >= MAGNITUDE_LIMIT) {", "if (net == type(int256).min) {"]] },
  { id: "M20", rule: "locked sums and root come together", proof: CHECKPOINT,
    edits: [[RULE, "if (((locked1 | locked2) == 0) != (locksRoot == 0)) {", "if ((locked1 | locked2) == 0 && locksRoot != 0) {"]] },
  { id: "M21", rule: "a final state has no locks", proof: CHECKPOINT,
    edits: [[RULE, "if (state.kind == FINAL && state.locksRoot != 0) {", "if (state.kind > FINAL && state.locksRoot != 0) {"]] },
  { id: "M22", rule: "the kind is 0 or 1", proof: BOUNDS,
    edits: [[RULE, "        if (state.kind > FINAL) revert IPaymentChannel.InvalidKind(state.kind);\n", ""]] },
  { id: "M23", rule: "a withdrawal lowers the deposit",
    proof: "check_p02_a_partial_withdrawal_pays_exactly_what_both_signed",
    edits: [[RULE, "return deposit - int256(amount);", "return deposit;"]] },
  { id: "M24", rule: "nobody is on both sides",
    edits: [[RULE, "if (signer1 == participant2 || signer1 == signer2) {", "if (signer1 == participant2) {"]] },
  { id: "M25", rule: "both deposits together fit the storage",
    edits: [[RULE, "if (sum >= MAGNITUDE_LIMIT || sum + otherDeposit >= MAGNITUDE_LIMIT) {", "if (sum >= MAGNITUDE_LIMIT) {"]] },

  // ---------------------------------------------------------------- locks
  { id: "M26", rule: "a secret revealed in the expiry's second counts", short: true, proof: ONE_LOCK,
    edits: [[LOCKS, "return revealedAt != 0 && revealedAt <= lock.expiry;", "return revealedAt != 0 && revealedAt < lock.expiry;"]] },
  { id: "M27", rule: "a lock is refunded only after its expiry", proof: ONE_LOCK,
    edits: [[LOCKS, "block.timestamp > lock.expiry ? Outcome.Refunded", "block.timestamp >= lock.expiry ? Outcome.Refunded"]] },
  { id: "M28", rule: "a late reveal pays nothing", proof: ONE_LOCK,
    edits: [[LOCKS, "return revealedAt != 0 && revealedAt <= lock.expiry;", "return revealedAt != 0;"]] },
  { id: "M29", rule: "a resolver's decision in the expiry's second counts",
    edits: [[LOCKS, "ok == 1 && decidedAt <= lock.expiry;", "ok == 1 && decidedAt < lock.expiry;"]] },
  { id: "M30", rule: "a resolver that says no does not pay",
    edits: [[LOCKS, "done == 1 && ok == 1 && decidedAt", "done == 1 && decidedAt"]] },
  { id: "M31", rule: "the caller can't starve a resolver",
    edits: [[LOCKS, "if (gasleft() < RESOLVER_GAS_FLOOR) {", "if (gasleft() < 1) {"]] },
  { id: "M32", rule: "a resolver can't burn more than its share",
    edits: [[LOCKS, "                RESOLVER_GAS,\n                resolver,", "                gas(),\n                resolver,"]] },
  { id: "M33", rule: "a resolver that answers too little has not answered",
    edits: [[LOCKS, "answered := and(answered, gt(returndatasize(), 95))", "answered := and(answered, gt(returndatasize(), 63))"]] },
  { id: "M34", rule: "the first reveal time stays",
    edits: [["SecretRegistry.sol", "            if (revealedAt[hash] != 0) continue;\n", ""]] },

  // ---------------------------------------------------------------- transfers
  { id: "M35", rule: "a token that answers false has not paid",
    edits: [["libraries/Transfers.sol", "size >= 32 && word == 1;", "size >= 32;"]] },
  { id: "M36", rule: "a token whose code is gone has not paid",
    edits: [["libraries/Transfers.sol", "return size == 0 ? token.code.length != 0 :", "return size == 0 ? true :"]] },
  { id: "M37", rule: "a receiver of ether can't burn the closer's gas",
    edits: [["libraries/Transfers.sol", "ok := call(gasLimit, to, value, 0, 0, 0, 0)", "ok := call(gas(), to, value, 0, 0, 0, 0)"]] },
  { id: "M38", rule: "a token can't burn the closer's gas",
    edits: [["libraries/Transfers.sol", "ok := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0, 0)", "ok := call(gas(), token, 0, add(data, 0x20), mload(data), 0, 0)"]] },
];
