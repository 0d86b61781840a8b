//! Words for what the verification of an archive has found.

use rscir::index::Verification;

use super::text;

/// Makes a line for each place at which an archive is not as it was written.
pub fn places(found: &Verification) -> Vec<String> {
    let damaged = found.damage.iter().map(|damage| format!("{} rows: {}", damage.rows, damage.error));
    // A segment that is not in its place is named already, with its rows.
    let others = found.misplaced.iter().filter(|place| found.damage.iter().all(|d| d.path != place.path));
    let misplaced = others.map(|place| {
        let (path, found, expected) = (place.path.display(), place.found, place.expected);
        format!("{path}: {found} where an archive has {expected}; remove it by hand")
    });
    let copies = found.damaged_copies.iter().map(|copies| {
        let extension = copies.path.extension().and_then(|extension| extension.to_str());
        let what = match extension {
            Some("keys") => "an index of keys",
            Some("moments") => "merged moments",
            _ => "8-bit copies of rows",
        };
        format!("{what}, which can be made again: {}", copies.error)
    });
    damaged.chain(copies).chain(misplaced).map(text::shown).collect()
}

/// Makes a line for each file that is not part of the archive and does no harm.
pub fn notes(found: &Verification) -> Vec<String> {
    let unnamed =
        found.unnamed.iter().map(|path| format!("{}: left over; the next ingest removes it", path.display()));
    let foreign =
        found.foreign.iter().map(|path| format!("{}: not part of the archive, left alone", path.display()));
    unnamed.chain(foreign).map(text::shown).collect()
}
