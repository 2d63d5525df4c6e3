//! How a request ends that is not granted.

use lockstep_core::appointment::AppointmentError;
use lockstep_core::terms::TermsError;
use lockstep_p2p::tower::message::{Held, RefusalCode, TowerRefusal};

use super::TROUBLE_SECS;
use crate::look::NotActionable;
use crate::store::TowerStoreError;

/// A request that is refused, or that failed for a reason of ours.
pub(super) enum Stop {
    Refused(TowerRefusal),
    Held(Box<Held>),
}

impl From<RefusalCode> for Stop {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(TowerRefusal::of(code))
    }
}

impl From<TowerStoreError> for Stop {
    fn from(error: TowerStoreError) -> Self {
        tracing::error!(%error, "the tower's store fails");
        Self::Refused(TowerRefusal::later(RefusalCode::Storage, TROUBLE_SECS))
    }
}

impl From<NotActionable> for Stop {
    fn from(reason: NotActionable) -> Self {
        let later = |code| Self::Refused(TowerRefusal::later(code, TROUBLE_SECS));
        match reason {
            NotActionable::NotOpen => later(RefusalCode::UnknownChannel),
            NotActionable::Closed => RefusalCode::ChannelClosed.into(),
            NotActionable::Stale { .. } | NotActionable::Refused => {
                RefusalCode::NotActionable.into()
            }
            NotActionable::Chain(error) => {
                tracing::warn!(%error, "the chain cannot be asked about an appointment");
                later(RefusalCode::ChainUnavailable)
            }
        }
    }
}

impl From<AppointmentError> for Stop {
    fn from(error: AppointmentError) -> Self {
        tracing::debug!(%error, "appointment refused");
        let code = match error {
            AppointmentError::ForeignChain => RefusalCode::UnsupportedChain,
            AppointmentError::Terms(TermsError::PeriodOutOfBounds { .. }) => {
                RefusalCode::WindowTooShort
            }
            AppointmentError::Terms(
                TermsError::InvalidParticipant { .. }
                | TermsError::ZeroSigner { .. }
                | TermsError::SameOnBothSides { .. }
                | TermsError::ForeignAccount { .. },
            )
            | AppointmentError::OtherChannel { .. }
            | AppointmentError::VersionZero
            | AppointmentError::Refusal(_) => RefusalCode::Invalid,
            AppointmentError::Signature { .. } => RefusalCode::BadSignature,
        };
        code.into()
    }
}
