use std::any::{TypeId, type_name};
use std::fmt;

/// Identity of a normalization of similarity lists: a type, and the numbers that parametrize it.
///
/// Engines compute the lists of equal keys once. A key belongs to the type that it was made of, so two independent
/// fusions never share lists, whatever they are called. A fusion that normalizes in the same way as another returns
/// the key of that one, or a key that it offers, such as that of `rscir_weicom::Normalization::key`.
///
/// ```
/// use rscir_core::NormalizationKey;
///
/// struct Mine;
/// struct Theirs;
/// let key = NormalizationKey::of::<Mine>().with(60.0);
/// assert_eq!(key, NormalizationKey::of::<Mine>().with(60.0));
/// assert_ne!(key, NormalizationKey::of::<Mine>().with(20.0));
/// assert_ne!(key, NormalizationKey::of::<Theirs>().with(60.0));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NormalizationKey {
    owner: TypeId,
    name: &'static str,
    parameters: Vec<u64>,
}

impl NormalizationKey {
    /// Makes the key, without parameters, of a normalization that belongs to the type `T`. A private type
    /// makes a key that no other crate can make.
    pub fn of<T: 'static>() -> Self {
        Self { owner: TypeId::of::<T>(), name: type_name::<T>(), parameters: Vec::new() }
    }

    /// Adds a number that the normalized values depend on. Numbers are compared bit by bit.
    #[must_use]
    pub fn with(mut self, parameter: f64) -> Self {
        self.parameters.push(parameter.to_bits());
        self
    }
}

impl fmt::Debug for NormalizationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = f.debug_tuple(self.name);
        for bits in &self.parameters {
            key.field(&f64::from_bits(*bits));
        }
        key.finish()
    }
}
