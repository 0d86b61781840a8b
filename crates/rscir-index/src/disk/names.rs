use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};

use crate::digest::Digest;

/// Name of the manifest in an archive's folder.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Name of the file that a writer locks.
pub(crate) const LOCK: &str = "lock";

/// Name of the folder of segments.
pub(crate) const SEGMENTS: &str = "segments";

/// Name of the next manifest while it is written, followed by a dash and a number; without them in archives of
/// earlier programs.
pub(crate) const NEW_MANIFEST: &str = "manifest.json.new";

/// Name of a segment while it is written, followed by a dash and a number; without them in archives of earlier
/// programs.
pub(crate) const NEW_SEGMENT: &str = "new";

/// Follows the checksum in the name of a segment.
const SEGMENT_EXTENSION: &str = ".safetensors";

/// Follows the checksum of a segment in the name of its 8-bit copies.
const QUANTIZED_EXTENSION: &str = ".int8";

/// Follows the checksum of a segment in the name of the file that finds its rows by key.
const KEYS_EXTENSION: &str = ".keys";

/// Follows the checksum of a list of segments in the name of their merged moments.
const MOMENTS_EXTENSION: &str = ".moments";

/// Number of hexadecimal digits in a temporary name.
const DIGITS: usize = 16;

/// Returns the name of the segment with this checksum.
pub(crate) fn segment(digest: &Digest) -> String {
    format!("{digest}{SEGMENT_EXTENSION}")
}

/// Returns the name of the 8-bit copies of the segment with this checksum.
pub(crate) fn quantized(digest: &Digest) -> String {
    format!("{digest}{QUANTIZED_EXTENSION}")
}

/// Returns the name of the file that finds rows by key, of the segment with this checksum.
pub(crate) fn keys(digest: &Digest) -> String {
    format!("{digest}{KEYS_EXTENSION}")
}

/// Returns the name of the merged moments of the list of segments with this checksum.
pub(crate) fn moments(digest: &Digest) -> String {
    format!("{digest}{MOMENTS_EXTENSION}")
}

/// Tells whether a file with this name holds merged moments.
pub(crate) fn is_moments(name: &OsStr) -> bool {
    digest_before(name, MOMENTS_EXTENSION).is_some()
}

/// Tells whether a file with this name is a segment.
pub(crate) fn is_segment(name: &OsStr) -> bool {
    digest_before(name, SEGMENT_EXTENSION).is_some()
}

/// Returns the name of the segment that a file with this name is derived from, or `None` if it is another file.
pub(crate) fn segment_of_derived(name: &OsStr) -> Option<String> {
    let digest = [QUANTIZED_EXTENSION, KEYS_EXTENSION].into_iter().find_map(|end| digest_before(name, end));
    digest.map(|digest| segment(&digest))
}

/// Returns the checksum before an extension, or `None` if the name has another form.
fn digest_before(name: &OsStr, extension: &str) -> Option<Digest> {
    name.to_str()?.strip_suffix(extension)?.parse().ok()
}

/// Returns a name for a new file. It ends in a random number, so that nobody can have put another file under it.
pub(crate) fn temporary(prefix: &str) -> String {
    // `RandomState` draws its keys from the system's source of random numbers.
    format!("{prefix}-{:0DIGITS$x}", RandomState::new().hash_one(prefix))
}

/// Tells whether a name is one of [`temporary`], or `prefix` alone.
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
        for derived in [quantized(&digest), keys(&digest)] {
            assert_eq!(segment_of_derived(derived.as_ref()), Some(segment(&digest)));
            assert!(!is_segment(derived.as_ref()) && !is_moments(derived.as_ref()));
        }
        assert_eq!(segment_of_derived(segment(&digest).as_ref()), None);
        assert!(is_moments(moments(&digest).as_ref()) && !is_moments(segment(&digest).as_ref()));
        assert_eq!(segment_of_derived(moments(&digest).as_ref()), None);
        assert!(!is_segment(segment(&digest).to_uppercase().as_ref()));
        assert!(!is_temporary(format!("{name}0").as_ref(), NEW_SEGMENT));
    }
}
