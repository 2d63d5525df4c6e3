//! StarkNet: another VM and another RPC. Refused, rather than half followed.

use super::{Profile, ProfileError};

pub(super) fn profile() -> Result<Profile, ProfileError> {
    Err(ProfileError::StarknetUnsupported)
}
