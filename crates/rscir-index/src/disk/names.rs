use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};

use crate::digest::Digest;

/// The manifest's name in an archive's folder.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The name of the file that a writer locks.
pub(crate) const LOCK: &str = "lock";

/// The name of the folder of segments.
pub(crate) const SEGMENTS: &str = "segments";

/// What the next manifest is called while it is written, before a dash and a number; alone in archives of earlier programs.
pub(crate) const NEW_MANIFEST: &str = "manifest.json.new";

/// What a segment is called while it is written, before a dash and a number; alone in archives of earlier programs.
pub(crate) const NEW_SEGMENT: &str = "new";

/// What follows the checksum in a segment's name.
const SEGMENT_EXTENSION: &str = ".safetensors";

/// What follows the checksum of a segment in the name of its 8-bit copies.
const QUANTIZED_EXTENSION: &str = ".int8";

/// Digits of the number in a temporary name.
const DIGITS: usize = 16;

/// The name of the segment with this checksum.
pub(crate) fn segment(digest: &Digest) -> String {
    format!("{digest}{SEGMENT_EXTENSION}")
}

/// The name of the 8-bit copies of the segment with this checksum.
pub(crate) fn quantized(digest: &Digest) -> String {
    format!("{digest}{QUANTIZED_EXTENSION}")
}

/// True for a name that a segment has.
pub(crate) fn is_segment(name: &OsStr) -> bool {
    digest_before(name, SEGMENT_EXTENSION).is_some()
}

/// The segment whose 8-bit copies have this name.
pub(crate) fn segment_of_quantized(name: &OsStr) -> Option<String> {
    digest_before(name, QUANTIZED_EXTENSION).map(|digest| segment(&digest))
}

fn digest_before(name: &OsStr, extension: &str) -> Option<Digest> {
    name.to_str()?.strip_suffix(extension)?.parse().ok()
}

/// A name for a file in the making, which nobody can have prepared anything under: it ends in a random number.
pub(crate) fn temporary(prefix: &str) -> String {
    // Its keys are drawn from the system's source of random numbers.
    format!("{prefix}-{:0DIGITS$x}", RandomState::new().hash_one(prefix))
}

/// True for a name that [`temporary`] gave, and for `prefix` alone.
pub(crate) fn is_temporary(name: &OsStr, prefix: &str) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else { return false };
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.len() == DIGITS && n.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_again_and_no_others() {
        let digest = Digest::of(b"");
        assert!(is_segment(segment(&digest).as_ref()));
        let name = temporary(NEW_SEGMENT);
        assert!(is_temporary(name.as_ref(), NEW_SEGMENT) && is_temporary("new".as_ref(), NEW_SEGMENT));
        assert_ne!(name, temporary(NEW_SEGMENT));
        for other in
            ["thesis.docx", "0123.safetensors", "new.docx", "new-", "newer", &name[1..], &name.to_uppercase()]
        {
            assert!(!is_segment(other.as_ref()) && !is_temporary(other.as_ref(), NEW_SEGMENT), "{other}");
        }
        assert!(!is_segment(format!("{digest}").as_ref()));
        assert_eq!(segment_of_quantized(quantized(&digest).as_ref()), Some(segment(&digest)));
        assert_eq!(segment_of_quantized(segment(&digest).as_ref()), None);
        assert!(!is_segment(quantized(&digest).as_ref()));
        assert!(!is_segment(segment(&digest).to_uppercase().as_ref()));
        assert!(!is_temporary(format!("{name}0").as_ref(), NEW_SEGMENT));
    }
}
