use crate::decode::Oddities;

/// Number of keys that a [`Noticed`] keeps: enough to look at some of the images.
const MAX_FIRST: usize = 3;

/// Images with something in common: their number, and the keys of the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Noticed {
    /// Number of images.
    pub count: usize,
    /// Keys of the first three, in the order of the list.
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

/// Encoded images that may not look as they were meant to, by the signs in [`Oddities`]. An image with both signs
/// counts as of one color.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OddImages {
    /// Images whose pixels all have one color.
    pub one_color: Noticed,
    /// Images whose values span less than a sixteenth of their type's range.
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
