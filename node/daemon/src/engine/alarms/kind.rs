//! Kinds of alarms: a closed list, so that each can be counted and acted on.

use prometheus_client::encoding::EncodeLabelValue;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelValue)]
pub(crate) enum AlarmKind {
    /// The journal or the signer failed: nothing more is signed.
    SigningStopped,
    /// The chain can't be followed.
    ChainBroken,
    /// No new block comes.
    ChainStandsStill,
    /// Facts of the chain can't be written down.
    FactsNotDurable,
    /// A peer has seen a later life of this journal.
    JournalIsOld,
    /// A channel's record can't be read.
    RecordDamaged,
    /// A channel whose record cannot be read is being closed.
    DamagedClosing,
    /// A promise of ours about a channel did not hold.
    ChannelFrozen,
    /// A channel has lost data.
    ChannelRestored,
    /// A call is due and can't be signed.
    CallUnsigned,
    /// The signer refuses a channel.
    SignerRefuses,
    /// A counterparty signed two states of one version.
    Equivocation,
    /// A counterparty breaks the protocol.
    PeerMisbehaves,
    /// No tower can be reached.
    TowersDown,
    /// Too few towers answer.
    TowerQuorumMissed,
    /// A tower has answered a close.
    TowerActed,
    /// A tower lies.
    TowerMisbehaves,
    /// A tower does not prove that it has what it promised.
    TowerUnproven,
    /// Payments to us wait for towers.
    IncomeWaits,
    /// An endpoint does not answer.
    EndpointDown,
    /// Two endpoints show different chains or logs.
    EndpointsDisagree,
    /// An endpoint stands still.
    EndpointBehind,
    /// An endpoint is not believed any more.
    EndpointLeftOut,
    /// A close was seen without its log.
    CloseWithoutLog,
    /// A close that was taken back may come back.
    CloseMayComeBack,
    /// A call needs a higher fee than is allowed.
    FeeAboveBudget,
    /// An account can't pay for a call.
    AccountEmpty,
    /// The accounts can't pay for closing all channels.
    ReserveLow,
    /// A call that is owed can't be written down.
    CallNotKept,
    /// A call with a deadline is not included.
    CallLate,
    /// A call that must go through L1 does not get through.
    EscapeFails,
}

impl AlarmKind {
    /// All of them.
    pub(crate) const ALL: [Self; 31] = [
        Self::SigningStopped,
        Self::ChainBroken,
        Self::ChainStandsStill,
        Self::FactsNotDurable,
        Self::JournalIsOld,
        Self::RecordDamaged,
        Self::DamagedClosing,
        Self::ChannelFrozen,
        Self::ChannelRestored,
        Self::CallUnsigned,
        Self::SignerRefuses,
        Self::Equivocation,
        Self::PeerMisbehaves,
        Self::TowersDown,
        Self::TowerQuorumMissed,
        Self::TowerActed,
        Self::TowerMisbehaves,
        Self::TowerUnproven,
        Self::IncomeWaits,
        Self::EndpointDown,
        Self::EndpointsDisagree,
        Self::EndpointBehind,
        Self::EndpointLeftOut,
        Self::CloseWithoutLog,
        Self::CloseMayComeBack,
        Self::FeeAboveBudget,
        Self::AccountEmpty,
        Self::ReserveLow,
        Self::CallNotKept,
        Self::CallLate,
        Self::EscapeFails,
    ];

    /// Its name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SigningStopped => "signingStopped",
            Self::ChainBroken => "chainBroken",
            Self::ChainStandsStill => "chainStandsStill",
            Self::FactsNotDurable => "factsNotDurable",
            Self::JournalIsOld => "journalIsOld",
            Self::RecordDamaged => "recordDamaged",
            Self::DamagedClosing => "damagedClosing",
            Self::ChannelFrozen => "channelFrozen",
            Self::ChannelRestored => "channelRestored",
            Self::CallUnsigned => "callUnsigned",
            Self::SignerRefuses => "signerRefuses",
            Self::Equivocation => "equivocation",
            Self::PeerMisbehaves => "peerMisbehaves",
            Self::TowersDown => "towersDown",
            Self::TowerQuorumMissed => "towerQuorumMissed",
            Self::TowerActed => "towerActed",
            Self::TowerMisbehaves => "towerMisbehaves",
            Self::TowerUnproven => "towerUnproven",
            Self::IncomeWaits => "incomeWaits",
            Self::EndpointDown => "endpointDown",
            Self::EndpointsDisagree => "endpointsDisagree",
            Self::EndpointBehind => "endpointBehind",
            Self::EndpointLeftOut => "endpointLeftOut",
            Self::CloseWithoutLog => "closeWithoutLog",
            Self::CloseMayComeBack => "closeMayComeBack",
            Self::FeeAboveBudget => "feeAboveBudget",
            Self::AccountEmpty => "accountEmpty",
            Self::ReserveLow => "reserveLow",
            Self::CallNotKept => "callNotKept",
            Self::CallLate => "callLate",
            Self::EscapeFails => "escapeFails",
        }
    }
}
