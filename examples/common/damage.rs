//! What a look at an archive has found, for people.

use rscir::index::Verification;

use super::text;

/// One line for each place at which an archive is not as it was written.
pub fn places(found: &Verification) -> Vec<String> {
    let damaged = found.damage.iter().map(|damage| format!("{} rows: {}", damage.rows, damage.error));
    // A segment's place is named with its rows.
    let others = found.misplaced.iter().filter(|place| found.damage.iter().all(|d| d.path != place.path));
    let misplaced = others.map(|place| {
        let (path, found, expected) = (place.path.display(), place.found, place.expected);
        format!("{path}: {found} where an archive has {expected}; take it away")
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

/// One line for each thing that is no part of the archive and does it no harm.
pub fn notes(found: &Verification) -> Vec<String> {
    let unnamed =
        found.unnamed.iter().map(|path| format!("{}: left over; the next ingest removes it", path.display()));
    let foreign =
        found.foreign.iter().map(|path| format!("{}: no part of the archive, left alone", path.display()));
    unnamed.chain(foreign).map(text::shown).collect()
}
