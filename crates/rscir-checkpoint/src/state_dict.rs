//! Finds the state dict among the dicts of a pickle. Training scripts save other dicts beside it.

use rscir_pickle::{Entries, Value};

use crate::rebuild::is_tensor;

/// Keys under which training scripts keep the state dict.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Keys under which training scripts keep a state dict whose weights are averaged over steps. It is taken if
/// it is the only one or if it is requested.
const AVERAGED: [&str; 6] =
    ["ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "model_ema_state_dict"];

/// Greatest depth of such keys below each other.
const MAX_DEPTH: usize = 4;

/// Greatest number of dicts under such keys that are examined. A small file can nest them without end.
const MAX_LOOKS: usize = 64;

/// The state dicts of a file by their places: keys joined by points, or nothing for the whole file.
pub(crate) struct StateDicts<'p> {
    found: Vec<(String, Entries<'p>)>,
}

/// Why no state dict can be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoChoice {
    /// There is no state dict.
    None,
    /// Several are alike, or none has the requested name.
    Several,
}

impl<'p> StateDicts<'p> {
    /// Finds the dicts under known keys that hold tensors, or else takes the whole. A tensor beside such a
    /// key is a step, a loss or the state of a generator.
    pub(crate) fn of(root: Value<'p>) -> Self {
        let mut found = Vec::new();
        look(root, "", 0, &mut 0, &mut found);
        Self { found }
    }

    /// Returns the places of all state dicts.
    pub(crate) fn places(&self) -> Vec<String> {
        self.found.iter().map(|(place, _)| place.clone()).collect()
    }

    /// Chooses the requested state dict, by its place or one of its keys. Without a request, it chooses the
    /// only one whose weights are not averaged, or the only one.
    pub(crate) fn choose(&self, wanted: Option<&str>) -> Result<(&str, Entries<'p>), NoChoice> {
        if self.found.is_empty() {
            return Err(NoChoice::None);
        }
        let only = |fits: &dyn Fn(&str) -> bool| {
            let mut fitting = self.found.iter().filter(|(place, _)| fits(place));
            match (fitting.next(), fitting.next()) {
                (Some((place, entries)), None) => Some((place.as_str(), *entries)),
                _ => None,
            }
        };
        let chosen = match wanted {
            Some(wanted) => only(&|place| place == wanted)
                .or_else(|| only(&|place| place.split('.').any(|key| key == wanted))),
            None => only(&|place| !place.split('.').any(|key| AVERAGED.contains(&key)))
                .or_else(|| only(&|_| true)),
        };
        chosen.ok_or(NoChoice::Several)
    }
}

/// Appends the state dicts in `value`, and tells whether there are any.
fn look<'p>(
    value: Value<'p>,
    place: &str,
    depth: usize,
    looks: &mut usize,
    found: &mut Vec<(String, Entries<'p>)>,
) -> bool {
    let Some(entries) = value.as_entries() else { return false };
    *looks += 1;
    if depth > MAX_DEPTH || *looks > MAX_LOOKS {
        return false;
    }
    let before = found.len();
    for key in NESTED.iter().chain(&AVERAGED) {
        if let Some(value) = entries.get(key) {
            let place = if place.is_empty() { (*key).to_owned() } else { format!("{place}.{key}") };
            look(value, &place, depth + 1, looks, found);
        }
    }
    if found.len() == before && entries.iter().any(|(_, value)| is_tensor(value)) {
        found.push((place.to_owned(), entries));
    }
    found.len() > before
}
