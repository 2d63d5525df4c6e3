// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// Stand-in for ArbOS' precompile 0x6e, written from its published interface; for local networks only.
/// It hashes attempts by itself, apart from the product's code.
contract ArbRetryableTx {
    address private constant ARBOS = 0x00000000000000000000000000000000000A4B05;
    uint256 private constant LIFETIME = 7 days;
    /// Gas that is kept from an attempt, for its bookkeeping.
    uint64 private constant KEPT_GAS = 60_000;

    struct Ticket {
        uint256 timeout;
        address from;
        address to;
        address beneficiary;
        uint256 callValue;
        uint64 tries;
        bytes data;
    }

    /// The attempt that ArbOS makes by itself; without gas it makes none.
    struct Attempt {
        uint64 gas;
        uint256 price;
        address refundTo;
        uint256 maxRefund;
        uint256 submissionFeeRefund;
    }

    event TicketCreated(bytes32 indexed ticketId);
    event LifetimeExtended(bytes32 indexed ticketId, uint256 newTimeout);
    event RedeemScheduled(
        bytes32 indexed ticketId,
        bytes32 indexed retryTxHash,
        uint64 indexed sequenceNum,
        uint64 donatedGas,
        address gasDonor,
        uint256 maxRefund,
        uint256 submissionFeeRefund
    );
    event Canceled(bytes32 indexed ticketId);

    error NoTicketWithID();
    error NotCallable();
    error OnlyArbOS(address caller);
    error SubmissionFailed();

    mapping(bytes32 => Ticket) private _tickets;
    address private _redeemer;

    modifier onlyArbOS() {
        if (msg.sender != ARBOS) revert OnlyArbOS(msg.sender);
        _;
    }

    function create(
        bytes32 ticketId,
        address from,
        address to,
        address beneficiary,
        uint256 callValue,
        bytes calldata data,
        Attempt calldata attempt
    ) external onlyArbOS {
        _tickets[ticketId] =
            Ticket(block.timestamp + LIFETIME, from, to, beneficiary, callValue, 0, data);
        emit TicketCreated(ticketId);
        if (attempt.gas > 0) _schedule(ticketId, attempt);
    }

    function failSubmission() external view onlyArbOS {
        revert SubmissionFailed();
    }

    function setRedeemer(address account) external onlyArbOS {
        _redeemer = account;
    }

    function remove(bytes32 ticketId) external onlyArbOS {
        delete _tickets[ticketId];
    }

    function redeem(bytes32 ticketId) external returns (bytes32) {
        _live(ticketId);
        uint64 gas = uint64(gasleft());
        gas = gas > KEPT_GAS ? gas - KEPT_GAS : 0;
        return _schedule(ticketId, Attempt(gas, block.basefee, msg.sender, type(uint256).max, 0));
    }

    function keepalive(bytes32 ticketId) external returns (uint256 timeout) {
        Ticket storage ticket = _live(ticketId);
        require(ticket.timeout <= block.timestamp + LIFETIME, "timeout too far into the future");
        timeout = ticket.timeout + LIFETIME;
        ticket.timeout = timeout;
        emit LifetimeExtended(ticketId, timeout);
    }

    function cancel(bytes32 ticketId) external {
        Ticket storage ticket = _live(ticketId);
        require(msg.sender == ticket.beneficiary, "only the beneficiary may cancel a retryable");
        delete _tickets[ticketId];
        emit Canceled(ticketId);
    }

    function getLifetime() external pure returns (uint256) {
        return LIFETIME;
    }

    function getTimeout(bytes32 ticketId) external view returns (uint256) {
        return _live(ticketId).timeout;
    }

    function getBeneficiary(bytes32 ticketId) external view returns (address) {
        return _live(ticketId).beneficiary;
    }

    function getCurrentRedeemer() external view returns (address) {
        return _redeemer;
    }

    function submitRetryable(
        bytes32,
        uint256,
        uint256,
        uint256,
        uint256,
        uint64,
        uint256,
        address,
        address,
        address,
        bytes calldata
    ) external pure {
        revert NotCallable();
    }

    function _live(bytes32 ticketId) private view returns (Ticket storage ticket) {
        ticket = _tickets[ticketId];
        if (ticket.timeout < block.timestamp) revert NoTicketWithID();
    }

    function _schedule(bytes32 ticketId, Attempt memory attempt) private returns (bytes32 hash) {
        Ticket storage ticket = _tickets[ticketId];
        uint64 number = ticket.tries++;
        hash = _attemptHash(ticketId, ticket, number, attempt);
        emit RedeemScheduled(
            ticketId,
            hash,
            number,
            attempt.gas,
            attempt.refundTo,
            attempt.maxRefund,
            attempt.submissionFeeRefund
        );
    }

    function _attemptHash(
        bytes32 ticketId,
        Ticket storage ticket,
        uint64 number,
        Attempt memory attempt
    ) private view returns (bytes32) {
        bytes memory head = bytes.concat(
            _number(block.chainid),
            _number(number),
            _string(abi.encodePacked(ticket.from)),
            _number(attempt.price),
            _number(attempt.gas),
            ticket.to == address(0) ? _string("") : _string(abi.encodePacked(ticket.to)),
            _number(ticket.callValue),
            _string(ticket.data)
        );
        bytes memory tail = bytes.concat(
            _string(abi.encodePacked(ticketId)),
            _string(abi.encodePacked(attempt.refundTo)),
            _number(attempt.maxRefund),
            _number(attempt.submissionFeeRefund)
        );
        bytes memory list = bytes.concat(head, tail);
        return keccak256(bytes.concat(hex"68", _prefix(list.length, 0xc0), list));
    }

    function _number(uint256 value) private pure returns (bytes memory) {
        return _string(_trimmed(value));
    }

    function _trimmed(uint256 value) private pure returns (bytes memory bare) {
        uint256 length;
        for (uint256 rest = value; rest > 0; rest >>= 8) length++;
        bare = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            bare[i] = bytes1(uint8(value >> (8 * (length - 1 - i))));
        }
    }

    function _string(bytes memory value) private pure returns (bytes memory) {
        if (value.length == 1 && value[0] < 0x80) return value;
        return bytes.concat(_prefix(value.length, 0x80), value);
    }

    function _prefix(uint256 length, uint8 offset) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(offset + length));
        bytes memory size = _trimmed(length);
        return bytes.concat(abi.encodePacked(uint8(offset + 55 + size.length)), size);
    }
}
