//! Damages files at random.

use crate::random::Random;

/// Changes bytes, cuts some out, repeats some or cuts the rest off.
pub(crate) fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len());
        let near = at % bytes.len().min(64);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at.max(1)),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes[at] = 0xFF,
            4 => bytes[at] ^= 1 << random.below(8),
            // Headers lie at the beginning, and are damaged more often.
            5 => bytes[near] = random.below(256) as u8,
            _ => bytes[at] = random.below(256) as u8,
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}
