use std::fmt;

/// A value of a statement, which the engine puts in the place of a parameter of its text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SqlValue {
    /// A `STRING`.
    Text(String),
    /// A `BIGINT`.
    Int(i64),
    /// A `DOUBLE`.
    Float(f64),
    /// A `BOOLEAN`.
    Bool(bool),
    /// A `DATE`, as the number of days since 1970-01-01.
    Date(i32),
    /// An `ARRAY<FLOAT>`.
    Vector(Vec<f32>),
}

/// A statement in Spark's SQL. Its text has a named parameter, `:v0`, `:v1` and so on, in the place of each value, so that
/// no value is pasted into SQL. Parameters have names, because Apache Spark 4.2.0 gives more than ten of them that are
/// told by their places to the wrong places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sql {
    text: String,
    values: Vec<SqlValue>,
}

impl Sql {
    /// Returns the text of the statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the values in the order of the text: the first is that of `:v0`.
    pub fn values(&self) -> &[SqlValue] {
        &self.values
    }

    /// Appends SQL that this crate wrote.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text += text;
        self
    }

    /// Appends the name of a column, quoted.
    pub(crate) fn push_name(&mut self, name: &str) -> &mut Self {
        self.text += &quoted(name);
        self
    }

    /// Returns the name of the parameter for the value at `index`, without its colon.
    pub(crate) fn parameter(index: usize) -> String {
        format!("v{index}")
    }

    /// Appends a parameter and its value.
    pub(crate) fn push_value(&mut self, value: SqlValue) -> &mut Self {
        self.text += &format!(":{}", Self::parameter(self.values.len()));
        self.values.push(value);
        self
    }

    /// Appends a number of the method, as a literal. The literal has parentheses, because a minus after a minus
    /// would begin a comment.
    pub(crate) fn push_number(&mut self, number: f64) -> &mut Self {
        self.text += &format!("({number:e}D)");
        self
    }
}

/// Puts a name between backticks and doubles the backticks in it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table as an engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableName {
    /// A name in the engine's catalog, one string for each level: `["sales", "tiles"]` is the table `tiles` of the
    /// database `sales`.
    Catalog(Vec<String>),
    /// A folder of Parquet files, a path or a URL that the engine can read.
    Parquet(String),
}

impl TableName {
    /// Returns the name as SQL, with each level quoted.
    pub(crate) fn sql(&self) -> String {
        match self {
            Self::Catalog(parts) => parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join("."),
            Self::Parquet(path) => format!("parquet.{}", quoted(path)),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(parts) => f.write_str(&parts.join(".")),
            Self::Parquet(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_quotes() {
        let name = TableName::Catalog(vec!["a`; DROP TABLE b".into(), "c".into()]);
        assert_eq!(name.sql(), "`a``; DROP TABLE b`.`c`");
    }

    #[test]
    fn numbers_keep_all_their_digits_and_make_no_comment() {
        let mut sql = Sql::default();
        sql.push("1 -").push_number(-8.870_684_920_873_554e-4);
        assert_eq!(sql.text(), "1 -(-8.870684920873554e-4D)");
    }
}
