//! Bends known inputs, by seed: most of what a decoder must refuse is nearly right.

use lockstep_sim::rng::Rng;

use crate::wire;

/// A neighbour of some known input.
#[must_use]
pub fn bend(known: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.pick(known).cloned().unwrap_or_default();
    // A stored value has one byte before its message.
    let at = usize::from(rng.coin()).min(bytes.len());
    if rng.below(4) > 0
        && let Some(bent) = wire::bend(&bytes[at..], rng)
    {
        return [&bytes[..at], &bent].concat();
    }
    for _ in 0..=rng.below(3) {
        if rng.below(8) == 0 {
            // The head of this with the tail of another.
            let other = rng.pick(known).cloned().unwrap_or_default();
            let from = rng.index(other.len().max(1)).min(other.len());
            bytes.truncate(rng.index(bytes.len().max(1)));
            bytes.extend_from_slice(&other[from..]);
        } else {
            edit(&mut bytes, rng);
        }
    }
    bytes
}

/// Any bytes at all.
#[must_use]
pub fn any(rng: &mut Rng) -> Vec<u8> {
    let most = [8, 64, 512, 2_048][rng.index(4)];
    let len = rng.index(most);
    (0..len).map(|_| byte(rng)).collect()
}

/// One small change.
pub(crate) fn edit(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.index(bytes.len().max(1)).min(bytes.len());
    match rng.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, byte(rng)),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 => bytes.extend((0..rng.below(32)).map(|_| byte(rng)).collect::<Vec<_>>()),
        4 => {
            let fill = [0, 0xff, byte(rng)][rng.index(3)];
            let len = rng.index(40).min(bytes.len() - at);
            bytes[at..at + len].fill(fill);
        }
        5 if at < bytes.len() => bytes[at] = byte(rng),
        _ if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        _ => {}
    }
}

fn byte(rng: &mut Rng) -> u8 {
    u8::try_from(rng.below(256)).unwrap_or(0)
}
