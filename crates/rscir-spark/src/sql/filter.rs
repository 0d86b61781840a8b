use std::collections::BTreeMap;

use rscir_core::ColumnType;
use rscir_index::{Comparison, Filter, FilterView, Literal};

use super::text::{Sql, SqlValue};
use crate::Result;

/// Checks that each comparison of a filter has a literal of its column's type, or a whole number for a column of
/// numbers. A search of an archive also compares times that are text with years and days; SQL would compare the texts.
///
/// # Errors
/// [`rscir_index::Error::ColumnType`] if a literal has another type; it names the column.
pub(crate) fn check_types(filter: &Filter, columns: &BTreeMap<String, ColumnType>) -> Result<()> {
    let check = |column: &str, literal: &Literal| {
        let got = match literal {
            Literal::Text(_) => ColumnType::Text,
            Literal::Int(_) => ColumnType::Int,
            Literal::Float(_) => ColumnType::Float,
            Literal::Bool(_) => ColumnType::Bool,
            Literal::Date(_) => ColumnType::Date,
        };
        match columns.get(column) {
            Some(&of) if of == got || (of, got) == (ColumnType::Float, ColumnType::Int) => Ok(()),
            Some(&expected) => {
                Err(rscir_index::Error::ColumnType { column: column.into(), expected, got }.into())
            }
            // The caller has already refused columns that do not exist.
            None => Ok(()),
        }
    };
    match filter.view() {
        FilterView::Compare(column, _, literal) => check(column, literal),
        FilterView::IsIn(column, literals) => literals.iter().try_for_each(|literal| check(column, literal)),
        FilterView::Intersects(..) | FilterView::HasValue(_) => Ok(()),
        FilterView::All(filters) | FilterView::Any(filters) => {
            filters.iter().try_for_each(|filter| check_types(filter, columns))
        }
        FilterView::Not(filter) => check_types(filter, columns),
    }
}

/// Writes a filter as a condition that is true or false for every row, and never null: for a row without a value a
/// comparison is false and its negation is true. `columns` has the types of the filter's columns, which
/// [`check_types`] has checked.
pub(crate) fn write_filter(sql: &mut Sql, filter: &Filter, columns: &BTreeMap<String, ColumnType>) {
    match filter.view() {
        FilterView::Compare(column, comparison, literal) => {
            let of = columns.get(column).copied();
            write_compare(sql, column, of, comparison, literal);
        }
        FilterView::IsIn(column, literals) => {
            let of = columns.get(column).copied();
            sql.push("(false");
            for literal in literals {
                sql.push(" OR ");
                write_compare(sql, column, of, Comparison::Eq, literal);
            }
            sql.push(")");
        }
        FilterView::Intersects(column, [left, bottom, right, top]) => {
            // The elements of a box, counted from 1, are the smallest x, smallest y, largest x and largest y.
            let edges =
                [("1", " <= ", right), ("3", " >= ", left), ("2", " <= ", top), ("4", " >= ", bottom)];
            sql.push("coalesce(size(").push_name(column).push(") = 4");
            for (place, compares, edge) in edges {
                sql.push(" AND NOT isnan(element_at(").push_name(column).push(", ").push(place).push("))");
                sql.push(" AND element_at(")
                    .push_name(column)
                    .push(", ")
                    .push(place)
                    .push(")")
                    .push(compares);
                sql.push_value(SqlValue::Float(edge));
            }
            sql.push(", false)");
        }
        FilterView::HasValue(column) => {
            sql.push("(").push_name(column).push(" IS NOT NULL)");
        }
        FilterView::All(filters) => write_joined(sql, filters, " AND ", "true", columns),
        FilterView::Any(filters) => write_joined(sql, filters, " OR ", "false", columns),
        FilterView::Not(filter) => {
            sql.push("(NOT ");
            write_filter(sql, filter, columns);
            sql.push(")");
        }
    }
}

/// Writes filters as one condition, with `word` between them. `of_none` is what the condition is without any
/// filter.
fn write_joined(
    sql: &mut Sql,
    filters: &[Filter],
    word: &str,
    of_none: &str,
    columns: &BTreeMap<String, ColumnType>,
) {
    sql.push("(").push(of_none);
    for filter in filters {
        sql.push(word);
        write_filter(sql, filter, columns);
    }
    sql.push(")");
}

/// Writes a comparison of a column of type `of` with a literal.
fn write_compare(
    sql: &mut Sql,
    column: &str,
    of: Option<ColumnType>,
    comparison: Comparison,
    literal: &Literal,
) {
    let value = match literal {
        // In a filter a whole number may stand for any number.
        Literal::Int(number) if of == Some(ColumnType::Float) => SqlValue::Float(*number as f64),
        Literal::Int(number) => SqlValue::Int(*number),
        Literal::Float(number) => SqlValue::Float(*number),
        Literal::Text(text) => SqlValue::Text(text.clone()),
        Literal::Bool(value) => SqlValue::Bool(*value),
        Literal::Date(date) => SqlValue::Date(date.days()),
    };
    if matches!(value, SqlValue::Float(number) if number.is_nan()) {
        // In a filter no comparison with NaN is true; in Spark, NaN is above all numbers.
        sql.push("false");
        return;
    }
    let word = match comparison {
        Comparison::Eq => " = ",
        Comparison::Lt => " < ",
        Comparison::Le => " <= ",
        Comparison::Gt => " > ",
        Comparison::Ge => " >= ",
    };
    sql.push("coalesce(");
    if of == Some(ColumnType::Float) {
        sql.push("NOT isnan(").push_name(column).push(") AND ");
    }
    sql.push_name(column).push(word).push_value(value).push(", false)");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(filter: &Filter) -> (String, Vec<SqlValue>) {
        let columns = [("label", ColumnType::Text), ("cloud", ColumnType::Float), ("n", ColumnType::Int)];
        let columns = columns.map(|(name, of)| (name.to_string(), of)).into();
        let mut sql = Sql::default();
        write_filter(&mut sql, filter, &columns);
        (sql.text().into(), sql.values().to_vec())
    }

    #[test]
    fn values_are_bound_and_absent_ones_count_as_no() {
        let filter = Filter::eq("label", "'; DROP TABLE tiles; --").and(!Filter::lt("cloud", 1));
        let (text, values) = written(&filter);
        let expected = "(true AND coalesce(`label` = :v0, false) AND (NOT coalesce(NOT isnan(`cloud`) AND `cloud` < :v1, false)))";
        assert_eq!(text, expected);
        assert_eq!(values, [SqlValue::Text("'; DROP TABLE tiles; --".into()), SqlValue::Float(1.0)]);
    }

    #[test]
    fn what_is_not_a_number_equals_nothing_and_an_empty_list_holds_of_nothing() {
        assert_eq!(written(&Filter::ge("cloud", f64::NAN)).0, "false");
        assert_eq!(written(&Filter::is_in("n", Vec::<i64>::new())).0, "(false)");
    }

    #[test]
    fn each_place_has_a_value() {
        let filter = Filter::intersects("box", [0.0, 1.0, 2.0, 3.0]).or(Filter::is_in("label", ["a?", "b"]));
        let (text, values) = written(&filter);
        assert_eq!(text.matches(":v").count(), values.len());
        assert!((0..values.len()).all(|index| text.contains(&format!(":v{index}"))), "{text}");
        assert!(!text.contains("a?"));
    }
}
