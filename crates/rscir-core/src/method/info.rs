use std::borrow::Cow;
use std::fmt;

/// Description of a method by values: its family, its parameters, and the label that tables print.
///
/// ```
/// use rscir_core::MethodInfo;
///
/// let info = MethodInfo::new("weicom").parameter("lambda", 0.6).labeled("weicom(lambda=0.6)");
/// assert_eq!((info.family.as_ref(), info.number("lambda")), ("weicom", Some(0.6)));
/// assert_eq!(info.to_string(), "weicom(lambda=0.6)");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MethodInfo {
    /// Name shared by methods that differ in parameters alone: `weicom`.
    pub family: Cow<'static, str>,
    /// Names and values of all parameters on which scores depend.
    pub parameters: Vec<(Cow<'static, str>, ParameterValue)>,
    /// Name with the parameters that matter to a reader: `weicom(lambda=0.5)`. No program reads it back.
    pub label: String,
}

/// Value of a method's parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ParameterValue {
    /// A number.
    Number(f64),
    /// A count.
    Count(usize),
    /// A switch for a stage of the method.
    Switch(bool),
    /// A choice by name.
    Choice(Cow<'static, str>),
}

impl MethodInfo {
    /// Describes a method without parameters, labeled by its family.
    pub fn new(family: impl Into<Cow<'static, str>>) -> Self {
        let family = family.into();
        Self { label: family.clone().into_owned(), family, parameters: Vec::new() }
    }

    /// Adds a parameter. It leaves the label as it is.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<ParameterValue>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the label. Default: the family.
    #[must_use]
    pub fn labeled(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Returns the value of a parameter, or `None` if the method has no such parameter.
    pub fn value(&self, name: &str) -> Option<&ParameterValue> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns the value of a parameter that is a number, or `None`.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(ParameterValue::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Returns the value of a parameter that is a choice, or `None`.
    pub fn choice(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(ParameterValue::Choice(choice)) => Some(choice),
            _ => None,
        }
    }
}

impl fmt::Display for MethodInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.label)
    }
}

/// Describes a method of which only the label is known.
impl From<&str> for MethodInfo {
    fn from(label: &str) -> Self {
        Self::new(label.to_string())
    }
}

impl From<f64> for ParameterValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for ParameterValue {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<bool> for ParameterValue {
    fn from(switch: bool) -> Self {
        Self::Switch(switch)
    }
}

impl From<&'static str> for ParameterValue {
    fn from(choice: &'static str) -> Self {
        Self::Choice(choice.into())
    }
}
