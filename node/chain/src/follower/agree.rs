//! Where enough views agree, and where they do not.

use super::view::{Fact, View};
use crate::alarm::Alarm;
use crate::endpoint::EndpointName;
use alloy_primitives::B256;
use lockstep_core::time::{BlockNumber, BlockPoint, Finality};

/// A height up to which enough endpoints show the same blocks and the same logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) block: BlockPoint,
    pub(crate) hash: B256,
}

/// What one endpoint claims about the blocks up to a height.
#[derive(PartialEq, Eq)]
struct Claim<'a> {
    block: BlockPoint,
    hash: B256,
    facts: Vec<&'a Fact>,
}

/// The highest block that at least `quorum` live views show at a finality class, with equal facts from the
/// cursor on, where no rival group of that size shows another one.
pub(crate) fn agreed(views: &[View], quorum: usize, class: fn(&View) -> u64) -> Option<Agreed> {
    let mut heights: Vec<u64> = views.iter().filter(|v| v.is_live).map(class).collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    heights.dedup();
    heights.into_iter().find_map(|height| {
        let claims = views.iter().filter(|v| v.is_live && class(v) >= height);
        let claims = claims.filter_map(|view| claim(view, height));
        let claim = crate::endpoints::majority(claims, quorum).ok()?;
        Some(Agreed { block: claim.block, hash: claim.hash })
    })
}

fn claim(view: &View, height: u64) -> Option<Claim<'_>> {
    let block = view.block(height)?;
    let facts = view.blocks().take_while(|b| b.point.number.0 <= height).flat_map(|b| &b.facts);
    Some(Claim { block: block.point, hash: block.hash, facts: facts.collect() })
}

/// The lowest difference between each view and the first one that is live.
pub(crate) fn differences(views: &[View], names: &[EndpointName]) -> Vec<Alarm> {
    let mut live = views.iter().zip(names).filter(|(view, _)| view.is_live);
    let Some((first, first_name)) = live.next() else { return Vec::new() };
    live.filter_map(|(view, name)| difference(first, first_name, view, name)).collect()
}

/// An endpoint is behind once its newest block is this much older than another one's. Units: seconds.
const BEHIND_SECS: u64 = 600;

/// Endpoints that answer and stand still: without an alarm they would hold up what all must agree on.
pub(crate) fn laggards(views: &[View], names: &[EndpointName]) -> Vec<Alarm> {
    let newest = views.iter().map(|view| view.head_time).max().unwrap_or_default();
    let known = views.iter().zip(names).filter(|(view, _)| view.head_time.0 > 0);
    let behind = known.filter(|(view, _)| newest.secs_since(view.head_time) > BEHIND_SECS);
    behind.map(|(_, name)| Alarm::EndpointBehind { endpoint: name.clone() }).collect()
}

fn difference(
    one: &View,
    one_name: &EndpointName,
    other: &View,
    other_name: &EndpointName,
) -> Option<Alarm> {
    for block in one.blocks() {
        let number = block.point.number.0;
        let Some(rival) = other.block(number) else { continue };
        if block.hash != rival.hash {
            return Some(Alarm::BlocksDiffer {
                number: BlockNumber(number),
                one: (one_name.clone(), block.hash),
                other: (other_name.clone(), rival.hash),
                finality: shared_finality(one, other, number),
            });
        }
        if block.facts != rival.facts {
            return Some(Alarm::LogsDiffer {
                number: BlockNumber(number),
                one: one_name.clone(),
                other: other_name.clone(),
            });
        }
    }
    None
}

fn shared_finality(one: &View, other: &View, number: u64) -> Finality {
    if one.finalized.min(other.finalized) >= number {
        Finality::Final
    } else if one.safe.min(other.safe) >= number {
        Finality::Safe
    } else {
        Finality::Seen
    }
}
