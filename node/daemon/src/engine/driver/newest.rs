//! Messages that a later one makes needless.

use lockstep_core::message::PeerMessage;

/// Of several proposals the newest is enough, since each covers all that came since its base; the same holds for
/// acceptances (spec §2). `of` says on which session something came, and what it is.
///
/// The newest proposal stays where it is. The newest acceptance takes the place of the first: the intents that come
/// behind an acceptance count on the room that it made, and without it they would be more than may wait. It passes
/// nothing but intents, least of all the beginning of another session.
pub(super) fn newest_only<T, S: PartialEq>(
    messages: Vec<T>,
    of: impl Fn(&T) -> (S, &PeerMessage),
) -> Vec<T> {
    let is_proposal = |message: &T| matches!(of(message).1, PeerMessage::Propose { .. });
    let last_proposal = messages.iter().rposition(is_proposal);
    let mut kept: Vec<T> = Vec::with_capacity(messages.len());
    let mut first_acceptance: Option<usize> = None;
    for (place, received) in messages.into_iter().enumerate() {
        let (session, message) = of(&received);
        match message {
            PeerMessage::Accept { .. } => {
                let first = first_acceptance.and_then(|first| kept.get_mut(first));
                match first.filter(|first| of(first).0 == session) {
                    Some(first) => {
                        *first = received;
                        continue;
                    }
                    None => first_acceptance = Some(kept.len()),
                }
            }
            PeerMessage::Intent { .. } => {}
            PeerMessage::Propose { .. } => {
                first_acceptance = None;
                if last_proposal.is_some_and(|last| place < last) {
                    continue;
                }
            }
            PeerMessage::OpenQuery(_)
            | PeerMessage::OpenOffer(_)
            | PeerMessage::OpenRequest(_)
            | PeerMessage::OpenAccept { .. }
            | PeerMessage::OpenReject { .. }
            | PeerMessage::Reject { .. }
            | PeerMessage::Refuse { .. }
            | PeerMessage::WithdrawRequest { .. }
            | PeerMessage::WithdrawPropose { .. }
            | PeerMessage::WithdrawAccept { .. }
            | PeerMessage::WithdrawReject { .. }
            | PeerMessage::CloseRequest { .. }
            | PeerMessage::Reestablish(_) => first_acceptance = None,
        }
        kept.push(received);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use lockstep_core::ids::{ChannelId, Sequence, Version};
    use lockstep_core::message::{Proposal, RejectReason};
    use lockstep_core::money::{Amount, Net};
    use lockstep_core::signature::StateSignature;
    use lockstep_core::state::{State, StateKind};

    const SIGNATURE: StateSignature = StateSignature([0; 64]);
    const INTENT: PeerMessage = PeerMessage::Intent { updates: Vec::new() };
    const REFUSE: PeerMessage =
        PeerMessage::Refuse { sequence: Sequence(1), reason: RejectReason::NotNow };

    fn accept(version: u64) -> PeerMessage {
        PeerMessage::Accept { version: Version(version), signature: SIGNATURE }
    }

    fn propose(version: u64) -> PeerMessage {
        let state = State {
            channel_id: ChannelId(B256::ZERO),
            version: Version(version),
            kind: StateKind::Ordinary,
            net: Net::ZERO,
            locked1: Amount::ZERO,
            locked2: Amount::ZERO,
            locks_root: B256::ZERO,
        };
        let proposal = Proposal {
            base_version: Version(0),
            state,
            locks: Vec::new(),
            updates: Vec::new(),
            intents_through: Sequence::ZERO,
            refused: Vec::new(),
        };
        PeerMessage::Propose { proposal, signature: SIGNATURE }
    }

    fn kept(messages: &[(u8, PeerMessage)]) -> Vec<(u8, PeerMessage)> {
        newest_only(messages.to_vec(), |(session, message)| (*session, message))
    }

    fn kept_of_one_session(messages: &[PeerMessage]) -> Vec<PeerMessage> {
        let messages: Vec<_> = messages.iter().map(|message| (1, message.clone())).collect();
        kept(&messages).into_iter().map(|(_, message)| message).collect()
    }

    #[test]
    fn the_newest_acceptance_comes_before_the_intents_that_count_on_its_room() {
        let messages = [INTENT, accept(5), INTENT, accept(6), INTENT, accept(7)];
        assert_eq!(kept_of_one_session(&messages), [INTENT, accept(7), INTENT, INTENT]);
    }

    #[test]
    fn an_acceptance_passes_nothing_but_intents() {
        let messages = [accept(5), REFUSE, accept(6), accept(7)];
        assert_eq!(kept_of_one_session(&messages), [accept(5), REFUSE, accept(7)]);
    }

    #[test]
    fn an_acceptance_does_not_come_in_the_place_of_another_sessions() {
        let messages = [(1, accept(5)), (2, accept(6)), (2, INTENT), (2, accept(7))];
        assert_eq!(kept(&messages), [(1, accept(5)), (2, accept(7)), (2, INTENT)]);
    }

    #[test]
    fn the_newest_proposal_stays_where_it_is() {
        let messages = [propose(5), REFUSE, propose(6), REFUSE];
        assert_eq!(kept_of_one_session(&messages), [REFUSE, propose(6), REFUSE]);
    }
}
