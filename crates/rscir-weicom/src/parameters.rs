use crate::{Error, Result};

/// The part of a method's text after its name: `0.6`, `lambda=0.6,norm=zscore`.
///
/// Every parameter must be taken. A parameter that is left over is an error that lists the parameters of the
/// method.
pub(crate) struct Parameters<'a> {
    method: &'static str,
    known: Vec<&'static str>,
    left: Vec<(Option<&'a str>, &'a str)>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(method: &'static str, text: Option<&'a str>) -> Self {
        let left = text
            .into_iter()
            .flat_map(|t| t.split(','))
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (Some(name.trim()), value.trim()),
                None => (None, part.trim()),
            })
            .collect();
        Self { method, known: Vec::new(), left }
    }

    /// Takes the parameter `name`, or the next one given without a name.
    pub(crate) fn positional(&mut self, name: &'static str) -> Option<&'a str> {
        self.named(name).or_else(|| self.take(None))
    }

    /// Takes the parameter `name`.
    pub(crate) fn named(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        self.take(Some(name))
    }

    /// Takes the number `name`, given by name or, if `positional`, without.
    pub(crate) fn number(&mut self, name: &'static str, positional: bool) -> Result<Option<f64>> {
        let value = if positional { self.positional(name) } else { self.named(name) };
        let Some(value) = value else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.bad(name, value, "a number"))
    }

    /// Takes the word `word`, given as the value of `name` or without a name.
    pub(crate) fn word(&mut self, name: &'static str, word: &str) -> Option<&'a str> {
        let is_it = |(n, value): &(Option<&str>, &str)| n.is_none_or(|n| n == name) && *value == word;
        let at = self.left.iter().position(is_it)?;
        self.known.push(name);
        Some(self.left.remove(at).1)
    }

    /// Takes the number `name`, which is 0 if it is switched off.
    pub(crate) fn number_or_off(&mut self, name: &'static str) -> Result<Option<f64>> {
        match self.named(name) {
            None => Ok(None),
            Some("off") => Ok(Some(0.0)),
            Some(value) => value.parse().map(Some).map_err(|_| self.bad(name, value, "a number or off")),
        }
    }

    /// Takes the count `name`.
    pub(crate) fn count(&mut self, name: &'static str) -> Result<Option<usize>> {
        let Some(value) = self.named(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.bad(name, value, "a whole number"))
    }

    /// Takes the count `name`, which is `Some(None)` if it is switched off.
    pub(crate) fn count_or_off(&mut self, name: &'static str) -> Result<Option<Option<usize>>> {
        match self.named(name) {
            None => Ok(None),
            Some("off") => Ok(Some(None)),
            Some(value) => match value.parse() {
                Ok(count) => Ok(Some(Some(count))),
                Err(_) => Err(self.bad(name, value, "a whole number or off")),
            },
        }
    }

    /// Takes the switch `name`: on or off.
    pub(crate) fn switch(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.named(name) {
            None => Ok(None),
            Some("on") => Ok(Some(true)),
            Some("off") => Ok(Some(false)),
            Some(value) => Err(self.bad(name, value, "on or off")),
        }
    }

    fn take(&mut self, name: Option<&str>) -> Option<&'a str> {
        let at = self.left.iter().position(|(n, _)| *n == name)?;
        Some(self.left.remove(at).1)
    }

    /// Makes an error about the value of a parameter.
    pub(crate) fn bad(&self, parameter: &'static str, value: &str, expected: &'static str) -> Error {
        Error::BadParameter { method: self.method, parameter, value: value.into(), expected }
    }

    /// Checks that every parameter was taken.
    pub(crate) fn finish(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((Some(name), value)) if self.known.contains(name) => {
                let known = self.known.iter().find(|known| *known == name).copied().unwrap_or_default();
                Err(self.bad(known, value, "given once"))
            }
            Some((name, value)) => Err(Error::UnknownParameter {
                method: self.method,
                parameter: name.unwrap_or(value).to_string(),
                known: if self.known.is_empty() { "none".into() } else { self.known.join(", ") },
            }),
        }
    }
}
