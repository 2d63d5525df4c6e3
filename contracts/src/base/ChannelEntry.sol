// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Authorization,
    Entry,
    IPaymentChannel,
    OpenItem,
    Permit,
    Status,
    Terms
} from "../interfaces/IPaymentChannel.sol";
import {DepositBox} from "../DepositBox.sol";
import {IDepositBox} from "../interfaces/IDepositBox.sol";
import {IERC20} from "../interfaces/external/IERC20.sol";
import {IERC3009} from "../interfaces/external/IERC3009.sol";
import {IPermit2} from "../interfaces/external/IPermit2.sol";
import {Digests} from "../libraries/Digests.sol";
import {Ledger, LedgerLib} from "../libraries/Ledger.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {StateRules} from "../libraries/StateRules.sol";
import {Transfers} from "../libraries/Transfers.sol";
import {ChannelBase} from "./ChannelBase.sol";

/// How money comes in. First it arrives, then it is booked for the side the arguments name; who sent
/// it never matters. What the channel can't take any more becomes a credit.
abstract contract ChannelEntry is ChannelBase {
    bytes32 private constant BOX_INIT_CODE_HASH = keccak256(type(DepositBox).creationCode);
    /// Bytes of an acceptance before its signature: minDeposit1 and deadline.
    uint256 private constant ACCEPTANCE_HEAD = 40;
    bytes32 private constant WITNESS_TYPEHASH =
        keccak256("ChannelEntry(bytes32 channelId,uint8 entry)");
    string private constant WITNESS_TYPE =
        "ChannelEntry witness)ChannelEntry(bytes32 channelId,uint8 entry)TokenPermissions(address token,uint256 amount)";

    /// Ether of a deposit box on its way in.
    receive() external payable {
        if (!_isEntered()) revert UnattributedEther();
    }

    /// @inheritdoc IPaymentChannel
    function openChannel(Terms calldata terms, uint256 amount, bytes calldata accept)
        external
        payable
        nonReentrant
        returns (bytes32 channelId)
    {
        channelId = _idOf(terms);
        _open(channelId, terms, _take(terms.token, amount), accept, msg.sender, false);
    }

    /// @inheritdoc IPaymentChannel
    function openBatch(OpenItem[] calldata items) external payable nonReentrant {
        uint256 unspent = msg.value;
        for (uint256 i = 0; i < items.length; ++i) {
            OpenItem calldata item = items[i];
            uint256 received = item.amount;
            if (item.terms.token == address(0)) {
                if (received > unspent) revert WrongValue(received, unspent);
                unspent -= received;
            } else {
                received = _pull(item.terms.token, received);
            }
            _open(_idOf(item.terms), item.terms, received, item.accept, msg.sender, false);
        }
        if (unspent != 0) revert WrongValue(msg.value - unspent, msg.value);
    }

    /// @inheritdoc IPaymentChannel
    function joinChannel(Terms calldata terms, uint256 amount, bytes calldata accept)
        external
        payable
        nonReentrant
    {
        _join(_idOf(terms), terms, _take(terms.token, amount), accept, msg.sender, false);
    }

    /// @inheritdoc IPaymentChannel
    function deposit(Terms calldata terms, uint8 side, uint256 amount)
        external
        payable
        nonReentrant
    {
        _deposit(_idOf(terms), terms, side, _take(terms.token, amount), msg.sender);
    }

    /// @inheritdoc IPaymentChannel
    function enterWithAuthorization(
        Entry entry,
        Terms calldata terms,
        uint256 amount,
        bytes calldata accept,
        Authorization calldata authorization
    ) external nonReentrant {
        if (terms.token == address(0)) {
            revert NoCode(address(0));
        }
        bytes32 id = _idOf(terms);
        uint256 before = _balance(terms.token);
        IERC3009(terms.token)
            .receiveWithAuthorization(
                authorization.from,
                address(this),
                amount,
                authorization.validAfter,
                authorization.validBefore,
                authorizationNonce(id, entry, authorization.salt),
                authorization.v,
                authorization.r,
                authorization.s
            );
        _enter(entry, id, terms, _arrived(terms.token, before, amount), accept, authorization.from);
    }

    /// @inheritdoc IPaymentChannel
    function enterWithPermit2(
        Entry entry,
        Terms calldata terms,
        uint256 amount,
        bytes calldata accept,
        Permit calldata permit
    ) external nonReentrant {
        if (address(PERMIT2).code.length == 0) revert NoCode(address(PERMIT2));
        bytes32 id = _idOf(terms);
        uint256 before = _balance(terms.token);
        PERMIT2.permitWitnessTransferFrom(
            IPermit2.PermitTransferFrom(
                IPermit2.TokenPermissions(terms.token, amount), permit.nonce, permit.deadline
            ),
            IPermit2.SignatureTransferDetails(address(this), amount),
            permit.from,
            keccak256(abi.encode(WITNESS_TYPEHASH, id, entry)),
            WITNESS_TYPE,
            permit.signature
        );
        _enter(entry, id, terms, _arrived(terms.token, before, amount), accept, permit.from);
    }

    /// @inheritdoc IPaymentChannel
    function openFromBox(Terms calldata terms, bytes calldata accept) external nonReentrant {
        bytes32 id = _idOf(terms);
        _open(id, terms, _collect(id, 1, terms.token), accept, msg.sender, true);
    }

    /// @inheritdoc IPaymentChannel
    function joinFromBox(Terms calldata terms, bytes calldata accept) external nonReentrant {
        bytes32 id = _idOf(terms);
        _join(id, terms, _collect(id, 2, terms.token), accept, msg.sender, true);
    }

    /// @inheritdoc IPaymentChannel
    function sweep(Terms calldata terms, uint8 side, address token) external nonReentrant {
        bytes32 id = _idOf(terms);
        address participant = _participant(terms, side);
        if (token != terms.token) {
            return _credit(id, token, participant, _collect(id, side, token));
        }
        Status status = _channels[id].ledger.status();
        if (status == Status.None || status == Status.Pending) {
            if (msg.sender != participant) revert WrongStatus(status);
            return _credit(id, token, participant, _collect(id, side, token));
        }
        _deposit(id, terms, side, _collect(id, side, token), address(this));
    }

    /// @inheritdoc IPaymentChannel
    function boxAddress(bytes32 channelId, uint8 side) public view returns (address) {
        if (side != 1 && side != 2) revert InvalidSide(side);
        bytes32 salt = _boxSalt(channelId, side);
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(this), salt, BOX_INIT_CODE_HASH));
        return address(uint160(uint256(hash)));
    }

    /// @inheritdoc IPaymentChannel
    function authorizationNonce(bytes32 channelId, Entry entry, bytes32 salt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(channelId, entry, salt));
    }

    // ------------------------------------------------------------------ booking

    function _enter(
        Entry entry,
        bytes32 id,
        Terms calldata terms,
        uint256 received,
        bytes calldata accept,
        address actor
    ) private {
        // A token whose fallback takes any call has checked no signature: only money that moved shows
        // that the payer wants this.
        if (received == 0) revert NothingReceived();
        if (entry == Entry.Open) {
            _open(id, terms, received, accept, actor, false);
        } else if (entry == Entry.Join) {
            _join(id, terms, received, accept, actor, false);
        } else {
            _deposit(id, terms, entry == Entry.Deposit1 ? 1 : 2, received, actor);
        }
    }

    function _open(
        bytes32 id,
        Terms calldata terms,
        uint256 received,
        bytes calldata accept,
        address actor,
        bool fromBox
    ) private {
        Ledger ledger = _channels[id].ledger;
        Status status = ledger.status();
        if (status == Status.None) {
            _create(id, terms, received, accept, actor, fromBox);
        } else if (status == Status.Pending) {
            _addToPending(id, ledger, terms, received, accept, actor);
        } else {
            _deposit(id, terms, 1, received, actor);
        }
    }

    function _create(
        bytes32 id,
        Terms calldata terms,
        uint256 received,
        bytes calldata accept,
        address actor,
        bool fromBox
    ) private {
        StateRules.requireParties(terms);
        uint32 period = terms.challengePeriod;
        if (period < MIN_CHALLENGE_PERIOD || period > MAX_CHALLENGE_PERIOD) {
            revert PeriodOutOfBounds(period, MIN_CHALLENGE_PERIOD, MAX_CHALLENGE_PERIOD);
        }
        if (terms.token != address(0) && terms.token.code.length == 0) revert NoCode(terms.token);
        bool accepted = _isAccepted(id, terms, received, accept);
        if (!accepted && actor != terms.participant1) {
            // What lies in a box stays there: a stranger must not turn it into credit and so keep
            // the channel from being opened with it.
            if (received == 0 || fromBox) revert NotAuthorized(actor);
            return _credit(id, terms.token, terms.participant1, received);
        }
        int256 deposit1 = StateRules.addDeposit(0, 0, received);
        if (!_fitsCaps(terms, 1, deposit1, received, actor)) {
            return _credit(id, terms.token, terms.participant1, received);
        }
        Status status = accepted ? Status.Active : Status.Pending;
        _channels[id].ledger = LedgerLib.pack(deposit1, 0, status, false);
        emit ChannelOpened(id, terms.participant1, terms.participant2, terms, received, accepted);
    }

    function _addToPending(
        bytes32 id,
        Ledger ledger,
        Terms calldata terms,
        uint256 received,
        bytes calldata accept,
        address actor
    ) private {
        int256 deposit1 = StateRules.addDeposit(ledger.deposit1(), 0, received);
        bool accepted = _isAccepted(id, terms, uint256(deposit1), accept);
        if (received == 0 && !accepted) revert NothingReceived();
        if (!_fitsCaps(terms, 1, deposit1, received, actor)) {
            return _credit(id, terms.token, terms.participant1, received);
        }
        Status status = accepted ? Status.Active : Status.Pending;
        _channels[id].ledger = LedgerLib.pack(deposit1, 0, status, false);
        if (received != 0) emit ChannelFunded(id, 1, received);
        if (accepted) emit ChannelJoined(id, 0);
    }

    function _join(
        bytes32 id,
        Terms calldata terms,
        uint256 received,
        bytes calldata accept,
        address actor,
        bool fromBox
    ) private {
        Ledger ledger = _channels[id].ledger;
        if (ledger.status() != Status.Pending) return _deposit(id, terms, 2, received, actor);
        int256 deposit1 = ledger.deposit1();
        address participant2 = terms.participant2;
        if (actor != participant2 && !_isAccepted(id, terms, uint256(deposit1), accept)) {
            if (received == 0 || fromBox) revert NotAuthorized(actor);
            return _credit(id, terms.token, participant2, received);
        }
        int256 deposit2 = StateRules.addDeposit(0, deposit1, received);
        if (!_fitsCaps(terms, 2, deposit1 + deposit2, received, actor)) {
            return _credit(id, terms.token, participant2, received);
        }
        _channels[id].ledger = LedgerLib.pack(deposit1, deposit2, Status.Active, false);
        emit ChannelJoined(id, received);
    }

    /// Adds to a side that can still take it; later it is that participant's credit.
    function _deposit(bytes32 id, Terms calldata terms, uint8 side, uint256 received, address actor)
        private
    {
        address participant = _participant(terms, side);
        Ledger ledger = _channels[id].ledger;
        Status status = ledger.status();
        if (status == Status.None) revert WrongStatus(status);
        if (received == 0) {
            if (status == Status.Closed) revert IdUsed(id);
            revert NothingReceived();
        }
        bool open = status == Status.Active || (status == Status.Pending && side == 1);
        if (!open) return _credit(id, terms.token, participant, received);

        int256 deposit1 = ledger.deposit1();
        int256 deposit2 = ledger.deposit2();
        if (side == 1) deposit1 = StateRules.addDeposit(deposit1, deposit2, received);
        else deposit2 = StateRules.addDeposit(deposit2, deposit1, received);
        if (!_fitsCaps(terms, side, deposit1 + deposit2, received, actor)) {
            return _credit(id, terms.token, participant, received);
        }
        _channels[id].ledger = LedgerLib.pack(deposit1, deposit2, status, ledger.hasPoint());
        emit ChannelFunded(id, side, received);
    }

    /// Whether side 2 consents. What could have been known when the call was made reverts; what
    /// changed since (a deadline passed, a wallet withdrew its consent) is "no".
    function _isAccepted(bytes32 id, Terms calldata terms, uint256 deposit1, bytes calldata accept)
        private
        view
        returns (bool)
    {
        if (accept.length == 0) return false;
        if (accept.length < ACCEPTANCE_HEAD) revert BadSignature(2);
        uint256 minDeposit1 = uint256(bytes32(accept[:32]));
        uint64 deadline = uint64(bytes8(accept[32:ACCEPTANCE_HEAD]));
        bytes calldata signature = accept[ACCEPTANCE_HEAD:];
        if (deposit1 < minDeposit1) revert DepositTooSmall(deposit1, minDeposit1);
        if (block.timestamp > deadline) return false;
        bytes32 digest = Digests.open(DOMAIN, id, minDeposit1, deadline);
        address recovered = Signatures.recover(digest, signature);
        address participant2 = terms.participant2;
        if (recovered != address(0) && (recovered == participant2 || recovered == terms.signer2)) {
            return true;
        }
        if (participant2.code.length == 0) revert BadSignature(2);
        return Signatures.isApprovedByContract(participant2, digest, signature);
    }

    /// Whether the launch caps leave room. The side's own participant gets the refusal as an error and
    /// keeps its money; from anyone else it may come over a bridge and must not revert.
    function _fitsCaps(
        Terms calldata terms,
        uint8 side,
        int256 channelSum,
        uint256 received,
        address actor
    ) private view returns (bool) {
        if (received == 0 || !_isGuarded()) return true;
        (uint256 perChannel, uint256 total) = _capsOf(terms.token);
        uint256 held = _balance(terms.token);
        bool fitsChannel = channelSum <= 0 || uint256(channelSum) <= perChannel;
        if (fitsChannel && held <= total) return true;
        if (actor != _participant(terms, side)) return false;
        if (!fitsChannel) revert CapExceeded(perChannel, uint256(channelSum));
        revert CapExceeded(total, held);
    }

    // ------------------------------------------------------------------ arrival

    /// Money that comes with the call or by approval. Returns what really came.
    function _take(address token, uint256 amount) private returns (uint256) {
        bool isEther = token == address(0);
        uint256 needed = isEther ? amount : 0;
        if (msg.value != needed) revert WrongValue(needed, msg.value);
        return isEther ? amount : _pull(token, amount);
    }

    function _pull(address token, uint256 amount) private returns (uint256) {
        if (token.code.length == 0) revert NoCode(token);
        if (amount == 0) return 0;
        uint256 before = _balance(token);
        if (!Transfers.tryPull(token, msg.sender, amount)) {
            revert TransferFailed(token, msg.sender);
        }
        return _arrived(token, before, amount);
    }

    /// Empties a deposit box, putting the box there first if need be.
    function _collect(bytes32 id, uint8 side, address token) private returns (uint256 received) {
        uint256 before = _balance(token);
        address box = boxAddress(id, side);
        if (box.code.length == 0) new DepositBox{salt: _boxSalt(id, side)}();
        IDepositBox(box).collect(token);
        received = _arrived(token, before, type(uint256).max);
        if (received == 0) revert NothingReceived();
    }

    /// What came, not what was said: tokens may take a fee, and must not be believed to have sent more.
    function _arrived(address token, uint256 before, uint256 announced)
        private
        view
        returns (uint256)
    {
        uint256 now_ = _balance(token);
        if (now_ <= before) return 0;
        uint256 received = now_ - before;
        if (received > announced) received = announced;
        // No credit can then ever overflow, whatever a token says of its balances.
        if (received >= uint256(StateRules.MAGNITUDE_LIMIT)) revert AmountTooLarge(received);
        return received;
    }

    function _balance(address token) private view returns (uint256) {
        if (token == address(0)) return address(this).balance;
        if (token.code.length == 0) revert NoCode(token);
        return IERC20(token).balanceOf(address(this));
    }

    function _boxSalt(bytes32 id, uint8 side) private pure returns (bytes32) {
        return keccak256(abi.encode(id, side));
    }
}
