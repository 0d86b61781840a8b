use std::collections::BTreeMap;

use rscir_core::ColumnType;
use spark_connect_proto::DataType;
use spark_connect_proto::data_type::{Kind, StructField};

use crate::table::{EMBEDDING, KEY, PART};
use crate::{Error, Result};

/// The columns of a table, held against those that it should have.
pub(super) struct TableColumns<'a> {
    table: &'a str,
    fields: Vec<StructField>,
}

impl<'a> TableColumns<'a> {
    pub(super) fn new(table: &'a str, schema: DataType) -> Result<Self> {
        match schema.kind {
            Some(Kind::Struct(of)) => Ok(Self { table, fields: of.fields }),
            _ => Err(Error::Answer { table: table.into(), what: "no columns".into() }),
        }
    }

    /// Refuses a table without keys and vectors, or with others than archives have.
    pub(super) fn check_own(&self) -> Result<()> {
        self.check(KEY, "text", |of| matches!(of, Kind::String(_)))?;
        self.check(EMBEDDING, "lists of 32-bit floats", |of| {
            is_list_of(of, |of| matches!(of, Kind::Float(_)))
        })
    }

    /// Refuses a table that is not the one that was published.
    pub(super) fn check_published(&self, columns: &BTreeMap<String, ColumnType>) -> Result<()> {
        self.check_own()?;
        self.check(PART, "text", |of| matches!(of, Kind::String(_)))?;
        self.check_columns(columns)
    }

    /// Refuses a table without these columns, or with others under their names.
    pub(super) fn check_columns(&self, columns: &BTreeMap<String, ColumnType>) -> Result<()> {
        columns
            .iter()
            .try_for_each(|(name, of)| self.check(name, of.name(), |kind| type_of(kind) == Some(*of)))
    }

    /// Returns the columns that archives can have. Others are left out of answers.
    pub(super) fn known(&self) -> BTreeMap<String, ColumnType> {
        let own = [KEY, EMBEDDING, PART];
        let others = self.fields.iter().filter(|field| !own.contains(&field.name.as_str()));
        others.filter_map(|field| Some((field.name.clone(), type_of(kind_of(field)?)?))).collect()
    }

    fn check(&self, name: &str, expected: &str, fits: impl Fn(&Kind) -> bool) -> Result<()> {
        let Some(field) = self.fields.iter().find(|field| field.name == name) else {
            let present: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            let (table, column) = (self.table.into(), name.into());
            return Err(Error::NoColumn { table, column, present: present.join(", ") });
        };
        let kind = kind_of(field);
        if kind.is_some_and(fits) {
            return Ok(());
        }
        Err(Error::ColumnType {
            table: self.table.into(),
            column: name.into(),
            expected: expected.into(),
            got: kind.map_or("nothing".into(), name_of),
        })
    }
}

fn kind_of(field: &StructField) -> Option<&Kind> {
    field.data_type.as_ref()?.kind.as_ref()
}

fn is_list_of(kind: &Kind, fits: impl Fn(&Kind) -> bool) -> bool {
    element_of(kind).is_some_and(fits)
}

fn element_of(kind: &Kind) -> Option<&Kind> {
    match kind {
        Kind::Array(array) => array.element_type.as_ref()?.kind.as_ref(),
        _ => None,
    }
}

/// Returns the type of an archive's column; `None` if archives have no such columns.
fn type_of(kind: &Kind) -> Option<ColumnType> {
    Some(match kind {
        Kind::String(_) => ColumnType::Text,
        Kind::Long(_) => ColumnType::Int,
        Kind::Double(_) => ColumnType::Float,
        Kind::Boolean(_) => ColumnType::Bool,
        Kind::Date(_) => ColumnType::Date,
        of if is_list_of(of, |of| matches!(of, Kind::Double(_))) => ColumnType::Floats,
        _ => return None,
    })
}

/// Returns the name of a type in SQL.
fn name_of(kind: &Kind) -> String {
    let simple = match kind {
        Kind::Array(_) => {
            return element_of(kind).map_or("ARRAY".into(), |of| format!("ARRAY<{}>", name_of(of)));
        }
        Kind::String(_) => "STRING",
        Kind::Binary(_) => "BINARY",
        Kind::Boolean(_) => "BOOLEAN",
        Kind::Byte(_) => "TINYINT",
        Kind::Short(_) => "SMALLINT",
        Kind::Integer(_) => "INT",
        Kind::Long(_) => "BIGINT",
        Kind::Float(_) => "FLOAT",
        Kind::Double(_) => "DOUBLE",
        Kind::Decimal(_) => "DECIMAL",
        Kind::Date(_) => "DATE",
        Kind::Timestamp(_) | Kind::TimestampNtz(_) => "TIMESTAMP",
        Kind::Struct(_) => "STRUCT",
        Kind::Map(_) => "MAP",
        _ => "another type",
    };
    simple.into()
}

#[cfg(test)]
mod tests {
    use spark_connect_proto::data_type::{Array, Double, Float, Integer, Struct};

    use super::*;

    fn of(kind: Kind) -> DataType {
        DataType { kind: Some(kind) }
    }

    fn list(kind: Kind) -> Kind {
        Kind::Array(Box::new(Array { element_type: Some(Box::new(of(kind))), ..Default::default() }))
    }

    fn table(fields: &[(&str, Kind)]) -> DataType {
        let field = |(name, kind): &(&str, Kind)| StructField {
            name: (*name).into(),
            data_type: Some(of(kind.clone())),
            ..Default::default()
        };
        of(Kind::Struct(Struct { fields: fields.iter().map(field).collect(), ..Default::default() }))
    }

    #[test]
    fn a_type_that_does_not_fit_is_told_in_the_words_of_sql() {
        let vectors = list(Kind::Double(Double::default()));
        let schema = table(&[
            ("key", Kind::String(Default::default())),
            ("embedding", vectors),
            ("n", list(Kind::Float(Float::default()))),
        ]);
        let columns = TableColumns::new("tiles", schema).unwrap();
        let words = columns.check_own().unwrap_err().to_string();
        assert!(
            words.contains("table tiles")
                && words.contains("\"embedding\"")
                && words.contains("ARRAY<DOUBLE>"),
            "{words}"
        );
        assert!(columns.known().is_empty(), "an archive has no lists of 32-bit floats beside its vectors");
    }

    #[test]
    fn columns_are_held_against_those_that_were_published() {
        let schema = table(&[
            ("key", Kind::String(Default::default())),
            ("embedding", list(Kind::Float(Float::default()))),
            ("rscir_part", Kind::String(Default::default())),
            ("n", Kind::Integer(Integer::default())),
        ]);
        let columns = TableColumns::new("tiles", schema).unwrap();
        columns.check_published(&BTreeMap::new()).unwrap();
        let of_type = |of| BTreeMap::from([("n".to_string(), of)]);
        let error = columns.check_published(&of_type(ColumnType::Int)).unwrap_err();
        assert!(matches!(&error, Error::ColumnType { got, .. } if got == "INT"), "{error}");
        let error = columns.check_published(&BTreeMap::from([("m".into(), ColumnType::Int)])).unwrap_err();
        assert!(
            matches!(&error, Error::NoColumn { present, .. } if present.ends_with("rscir_part, n")),
            "{error}"
        );
    }
}
