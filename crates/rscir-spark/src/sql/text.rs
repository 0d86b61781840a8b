use std::fmt;

/// A value that is bound to a statement, in place of a `?` of its text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SqlValue {
    /// `STRING`.
    Text(String),
    /// `BIGINT`.
    Int(i64),
    /// `DOUBLE`.
    Float(f64),
    /// `BOOLEAN`.
    Bool(bool),
    /// `DATE`, as days since 1970-01-01.
    Date(i32),
    /// `ARRAY<FLOAT>`.
    Vector(Vec<f32>),
}

/// A statement of Spark's SQL and the values of its `?`, in the order of the text: no value stands in the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sql {
    text: String,
    values: Vec<SqlValue>,
}

impl Sql {
    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the values, one for each `?`.
    pub fn values(&self) -> &[SqlValue] {
        &self.values
    }

    /// Appends text of ours.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text += text;
        self
    }

    /// Appends the name of a column.
    pub(crate) fn push_name(&mut self, name: &str) -> &mut Self {
        self.text += &quoted(name);
        self
    }

    /// Appends a place for a value.
    pub(crate) fn push_value(&mut self, value: SqlValue) -> &mut Self {
        self.text.push('?');
        self.values.push(value);
        self
    }

    /// Appends a number that is known when the statement is written. In parentheses: a minus after a minus begins a comment.
    pub(crate) fn push_number(&mut self, number: f64) -> &mut Self {
        self.text += &format!("({number:e}D)");
        self
    }
}

/// A name within backticks, of which those in the name are doubled.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table as an engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableName {
    /// A name of the engine's catalog, its parts one by one: `["sales", "tiles"]` is the table `tiles` of the database `sales`.
    Catalog(Vec<String>),
    /// A folder of Parquet files, a path or a URL that the engine can read.
    Parquet(String),
}

impl TableName {
    /// Returns the name as statements have it.
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
