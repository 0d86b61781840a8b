use std::collections::BTreeMap;

use rscir_core::ColumnType;
use rscir_kernels::TAIL_RATIO;

use super::filter::write_filter;
use super::text::{Sql, SqlValue, TableName};
use crate::search::{Ask, Bound};
use crate::table::{EMBEDDING, KEY, PART};

/// Question number of the rows that count the rows of each part.
pub(crate) const CENSUS: i64 = -1;

/// Writes one statement that asks a table several questions: for each of `asks`, the rows with the highest bounds.
///
/// The result has these columns:
///
/// - `q`: the number of the question, from 0;
/// - `k`: the key of the row;
/// - `b`: the bound of the row;
/// - `e`: the vector of the row;
/// - `c0`, `c1` and so on: the table's `columns`, in their order.
///
/// If `counts_parts` is true, the result also has one row for each part of the table, with `q` -1, the part's mark
/// as `k`, the number of its rows as `b`, and null in the other columns. The counts show in the same job whether
/// the engine has read every part whole.
pub fn statement(
    table: &TableName,
    columns: &BTreeMap<String, ColumnType>,
    asks: &[Ask<'_>],
    counts_parts: bool,
) -> Sql {
    let mut sql = Sql::default();
    let table = table.sql();
    for (number, ask) in asks.iter().enumerate() {
        if number > 0 {
            sql.push(" UNION ALL ");
        }
        write_question(&mut sql, &table, columns, number, ask);
    }
    if counts_parts {
        write_counts(&mut sql, &table, columns);
    }
    sql
}

/// Writes a statement that reads the rows with some keys. Its result has the columns of [`statement`], with one
/// question.
#[cfg(feature = "spark")]
pub(crate) fn rows_under(
    table: &TableName,
    columns: &BTreeMap<String, ColumnType>,
    keys: &[&str],
    counts_parts: bool,
) -> Sql {
    let mut sql = Sql::default();
    let table = table.sql();
    let own = own_names(columns);
    sql.push(&format!("(SELECT CAST(0 AS BIGINT) AS q, k, CAST(0 AS DOUBLE) AS b, e{own} FROM ("));
    write_row(&mut sql, columns);
    sql.push(" FROM ").push(&table).push(" WHERE false");
    for key in keys {
        sql.push(" OR ").push_name(KEY).push(" = ").push_value(SqlValue::Text((*key).into()));
    }
    sql.push(") AS r)");
    if counts_parts {
        write_counts(&mut sql, &table, columns);
    }
    sql
}

/// Writes the part of a statement that counts the rows of each part.
fn write_counts(sql: &mut Sql, table: &str, columns: &BTreeMap<String, ColumnType>) {
    sql.push(&format!(" UNION ALL (SELECT CAST({CENSUS} AS BIGINT) AS q, ")).push_name(PART);
    sql.push(" AS k, CAST(count(*) AS DOUBLE) AS b, CAST(NULL AS ARRAY<FLOAT>) AS e");
    write_no_values(sql, columns);
    write_by_part(sql, table);
}

/// Writes the columns of rows that count parts, which have no values in them.
pub(super) fn write_no_values(sql: &mut Sql, columns: &BTreeMap<String, ColumnType>) {
    for (i, column_type) in columns.values().enumerate() {
        sql.push(&format!(", CAST(NULL AS {}) AS c{i}", type_name(*column_type)));
    }
}

/// Writes the end of a selection that counts the rows of each part.
pub(super) fn write_by_part(sql: &mut Sql, table: &str) {
    sql.push(" FROM ").push(table).push(" GROUP BY ").push_name(PART).push(")");
}

/// Returns the names of the columns `c0`, `c1` and so on, each after a comma.
pub(super) fn own_names(columns: &BTreeMap<String, ColumnType>) -> String {
    (0..columns.len()).map(|i| format!(", c{i}")).collect()
}

/// Writes the beginning of a selection of key, vector and columns.
pub(super) fn write_row(sql: &mut Sql, columns: &BTreeMap<String, ColumnType>) {
    sql.push("SELECT ")
        .push_name(KEY)
        .push(" AS k, CAST(")
        .push_name(EMBEDDING)
        .push(" AS ARRAY<FLOAT>) AS e");
    for (i, (name, column_type)) in columns.iter().enumerate() {
        sql.push(", CAST(").push_name(name).push(&format!(" AS {}) AS c{i}", type_name(*column_type)));
    }
}

/// Writes the part of a statement that asks one question.
fn write_question(
    sql: &mut Sql,
    table: &str,
    columns: &BTreeMap<String, ColumnType>,
    number: usize,
    ask: &Ask<'_>,
) {
    let own = own_names(columns);
    sql.push(&format!("(SELECT CAST({number} AS BIGINT) AS q, k, b, e{own} FROM (SELECT k, e{own}, "));
    ask.bound.write(sql, 0);
    // The arguments of the tails get names of their own, because a bound reads them more than once.
    sql.push(&format!(" AS b FROM (SELECT k, e{own}, si0, st0"));
    ask.bound.write_tail_arguments(sql, 0);
    sql.push(" FROM (");
    write_row(sql, columns);
    for (vector, name) in [(ask.image, "si0"), (ask.text, "st0")] {
        sql.push(", ");
        write_similarity(sql, vector);
        sql.push(" AS ").push(name);
    }
    sql.push(" FROM ").push(table);
    if let Some(filter) = ask.filter {
        sql.push(" WHERE ");
        write_filter(sql, filter, columns);
    }
    sql.push(&format!(") AS r) AS s) AS t ORDER BY b DESC, k LIMIT {})", ask.limit));
}

/// Writes the similarity of a row to a vector, 0 without one.
pub(super) fn write_similarity(sql: &mut Sql, vector: Option<&[f32]>) {
    let Some(vector) = vector else {
        sql.push("CAST(0 AS DOUBLE)");
        return;
    };
    sql.push("CAST(vector_inner_product(CAST(").push_name(EMBEDDING).push(" AS ARRAY<FLOAT>), ");
    sql.push_value(SqlValue::Vector(vector.to_vec())).push(") AS DOUBLE)");
}

fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Text => "STRING",
        ColumnType::Int => "BIGINT",
        ColumnType::Float => "DOUBLE",
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Date => "DATE",
        ColumnType::Floats => "ARRAY<DOUBLE>",
    }
}

impl Bound {
    /// Writes the columns `ti` and `tt` with a question's number, the magnitudes of the arguments of the normal tails, and `ui` and
    /// `ut`, which are 1 for an argument below 0, else 0. A list without a tail has none of them.
    pub(super) fn write_tail_arguments(&self, sql: &mut Sql, number: usize) {
        for (tail, list) in self.tails().into_iter().zip(['i', 't']) {
            if let Some((center, scale)) = tail {
                sql.push(&format!(", least(abs((s{list}{number} - ")).push_value(SqlValue::Float(center));
                sql.push(") * ").push_value(SqlValue::Float(scale));
                sql.push(&format!("), {:e}D) AS t{list}{number}", TAIL_RATIO.far));
                // The scale is above 0.
                sql.push(&format!(", CASE WHEN s{list}{number} < ")).push_value(SqlValue::Float(center));
                sql.push(&format!(" THEN 1.0D ELSE 0.0D END AS u{list}{number}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rscir_index::Filter;

    use super::*;
    use crate::search::similarity_bound;

    #[test]
    fn questions_share_a_statement_whose_values_are_all_bound() {
        let columns = BTreeMap::from([("label".to_string(), ColumnType::Text)]);
        let table = TableName::Parquet("/shared/tiles/v1".into());
        let bound = similarity_bound(false, 1e-5, 0.1, false);
        let (vector, filter) = (vec![0.25f32, 0.5], Filter::eq("label", "sea's edge"));
        let mut ask = Ask::new(&bound, 7);
        (ask.image, ask.filter) = (Some(&vector[..]), Some(&filter));
        let sql = statement(&table, &columns, &[ask, Ask::new(&bound, 3)], true);
        let expected = [SqlValue::Vector(vector.clone()), SqlValue::Text("sea's edge".into())];
        assert_eq!(sql.values(), expected);
        assert_eq!(sql.text().matches(":v").count(), sql.values().len());
        assert_eq!(sql.text().matches(" UNION ALL ").count(), 2);
        for text in
            ["ORDER BY b DESC, k LIMIT 7)", "LIMIT 3)", "GROUP BY `rscir_part`", "parquet.`/shared/tiles/v1`"]
        {
            assert!(sql.text().contains(text), "{text} in {}", sql.text());
        }
        assert!(!sql.text().contains("0.25") && !sql.text().contains("sea"));
        let uncounted = statement(&table, &columns, &[Ask::new(&bound, 3)], false);
        assert!(!uncounted.text().contains("count(*)"));
    }
}
