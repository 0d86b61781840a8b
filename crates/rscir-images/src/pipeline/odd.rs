use crate::decode::Oddities;

/// Keys that a [`Noticed`] keeps: enough to look at some of the images.
const MAX_FIRST: usize = 3;

/// Images that have something in common: how many, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Noticed {
    /// How many there are.
    pub count: usize,
    /// The keys of the first three, in the order of the list.
    pub first: Vec<String>,
}

impl Noticed {
    pub(super) fn add(&mut self, key: &str) {
        self.count += 1;
        if self.first.len() < MAX_FIRST {
            self.first.push(key.to_owned());
        }
    }
}

/// Encoded images that may not look as they were meant to: see [`Oddities`]. An image that is both counts as of one color.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OddImages {
    /// All of their pixels have one color.
    pub one_color: Noticed,
    /// Their values span less than a sixteenth of their type's range.
    pub narrow_range: Noticed,
}

impl OddImages {
    pub(super) fn add(&mut self, key: &str, oddities: Oddities) {
        if oddities.one_color {
            self.one_color.add(key);
        } else if oddities.narrow_range {
            self.narrow_range.add(key);
        }
    }
}
