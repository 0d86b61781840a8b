//! Statements that ask any number of questions in one pass over a table each: one counts rows by the step in which their bounds
//! are, the other reads the rows from some step on.

use std::collections::BTreeMap;

use rscir_core::ColumnType;

use super::filter::write_filter;
use super::statement::{own_names, write_by_part, write_no_values, write_row, write_similarity};
use super::{Sql, TableName};
use crate::search::Ask;
use crate::table::PART;

/// Questions to a table under one filter.
pub(crate) struct Batch<'a> {
    pub(crate) table: &'a TableName,
    /// Names and types of the table's columns.
    pub(crate) columns: &'a BTreeMap<String, ColumnType>,
    /// The questions, at least one. All of them have the filter of the first.
    pub(crate) asks: &'a [Ask<'a>],
    /// If `true`, the rows of each part are counted, too.
    pub(crate) counts_parts: bool,
}

impl Batch<'_> {
    /// Writes a statement that counts the rows of each question by step.
    ///
    /// The result has the columns `p`, `s` and `n`: the step `s` divided by the number of questions has `n` rows of the question
    /// that is the remainder. If parts are counted, the result also has their numbers of rows: there `p` is the part's mark,
    /// which is null in the other rows.
    pub(crate) fn counts(&self) -> Sql {
        let mut sql = Sql::default();
        let questions = self.asks.len();
        let steps = self.each(", ", |number| format!("n{number} * {questions} + {number}"));
        sql.push("(SELECT CAST(NULL AS STRING) AS p, s, count(*) AS n FROM (SELECT explode(array(");
        sql.push(&steps).push(")) AS s FROM (");
        self.write_steps(&mut sql, false);
        sql.push(") AS u) AS v GROUP BY s)");
        if self.counts_parts {
            sql.push(" UNION ALL (SELECT ")
                .push_name(PART)
                .push(" AS p, CAST(0 AS BIGINT) AS s, count(*) AS n");
            write_by_part(&mut sql, &self.table.sql());
        }
        sql
    }

    /// Writes a statement that reads the rows that are in the step `from` of a question or a higher one, for any question.
    ///
    /// The result has these columns:
    ///
    /// - `k`: the key of the row;
    /// - `b`: the bounds of the row, one for each question;
    /// - `w`: for each question whether the row is in its step `from` or a higher one;
    /// - `e`: the vector of the row;
    /// - `c0`, `c1` and so on: the table's columns, in their order.
    ///
    /// If parts are counted, the result also has one row for each part, with the part's mark as `k`, the number of its rows as the
    /// only number of `b`, and null in the other columns.
    pub(crate) fn rows(&self, from: &[i64]) -> Sql {
        let mut sql = Sql::default();
        let reaches = |number: usize| format!("n{number} >= ({})", from[number]);
        sql.push(&format!("(SELECT k, b, w, e{0} FROM (SELECT k, e{0}", own_names(self.columns)));
        sql.push(&format!(", array({}) AS b", self.each(", ", |number| format!("b{number}"))));
        sql.push(&format!(", array({}) AS w, (", self.each(", ", reaches)));
        // A condition with a random number stays where it is. Engines push others down to the table, written out with all that they
        // refer to, which is a statement of many megabytes.
        sql.push(&self.each(" OR ", reaches)).push(") AND rand() >= 0.0D AS reached FROM (");
        self.write_steps(&mut sql, true);
        sql.push(") AS u) AS v WHERE reached)");
        if self.counts_parts {
            sql.push(" UNION ALL (SELECT ")
                .push_name(PART)
                .push(" AS k, array(CAST(count(*) AS DOUBLE)) AS b");
            sql.push(", CAST(NULL AS ARRAY<BOOLEAN>) AS w, CAST(NULL AS ARRAY<FLOAT>) AS e");
            write_no_values(&mut sql, self.columns);
            write_by_part(&mut sql, &self.table.sql());
        }
        sql
    }

    /// Joins what is written for each question.
    fn each(&self, between: &str, write: impl Fn(usize) -> String) -> String {
        (0..self.asks.len()).map(write).collect::<Vec<_>>().join(between)
    }

    /// Writes the part of a statement that computes the bounds and the steps of each row, `b0`, `n0` and so on, and that hands on the
    /// row itself if it is read. Each layer names what the layer above it uses more than once.
    fn write_steps(&self, sql: &mut Sql, reads_rows: bool) {
        let row = if reads_rows { format!("k, e{}, ", own_names(self.columns)) } else { String::new() };
        let numbered = |sql: &mut Sql, letter: &str, write: &dyn Fn(&mut Sql, usize)| {
            for number in 0..self.asks.len() {
                sql.push(if number == 0 { "" } else { ", " });
                write(sql, number);
                sql.push(&format!(" AS {letter}{number}"));
            }
        };
        sql.push(&format!("SELECT {row}{}, ", self.each(", ", |number| format!("b{number}"))));
        numbered(sql, "n", &|sql, number| self.asks[number].bound.write_step(sql, number));
        sql.push(&format!(" FROM (SELECT {row}"));
        numbered(sql, "b", &|sql, number| self.asks[number].bound.write(sql, number));
        sql.push(&format!(
            " FROM (SELECT {row}{}",
            self.each(", ", |number| format!("si{number}, st{number}"))
        ));
        for (number, ask) in self.asks.iter().enumerate() {
            ask.bound.write_tail_arguments(sql, number);
        }
        // Questions share vectors: each is multiplied once.
        let mut vectors: Vec<Option<&[f32]>> = Vec::new();
        sql.push(&format!(" FROM (SELECT {row}"));
        let mut names = Vec::new();
        for (number, ask) in self.asks.iter().enumerate() {
            for (list, vector) in [('i', ask.image), ('t', ask.text)] {
                let at = vectors.iter().position(|&of| of == vector).unwrap_or_else(|| {
                    vectors.push(vector);
                    vectors.len() - 1
                });
                names.push(format!("p{at} AS s{list}{number}"));
            }
        }
        sql.push(&names.join(", ")).push(" FROM (");
        write_row(sql, self.columns);
        for (i, vector) in vectors.into_iter().enumerate() {
            sql.push(", ");
            write_similarity(sql, vector);
            sql.push(&format!(" AS p{i}"));
        }
        sql.push(" FROM ").push(&self.table.sql());
        if let Some(filter) = self.asks.first().and_then(|ask| ask.filter) {
            sql.push(" WHERE ");
            write_filter(sql, filter, self.columns);
        }
        sql.push(") AS q) AS r) AS s) AS t");
    }
}

#[cfg(test)]
mod tests {
    use rscir_index::Filter;

    use super::*;
    use crate::search::similarity_bound;
    use crate::sql::SqlValue;

    #[test]
    fn a_vector_that_questions_share_is_sent_once_and_no_value_is_pasted() {
        let columns = BTreeMap::from([("label".to_string(), ColumnType::Text)]);
        let table = TableName::Parquet("/shared/tiles/v1".into());
        let bounds = [false, true].map(|falls| similarity_bound(false, 1e-5, 0.1, falls));
        let (vector, other, filter) = ([0.25f32, 0.5], [0.75f32, 0.5], Filter::eq("label", "sea's edge"));
        let ask = |bound, image| {
            let mut ask = Ask::new(bound, 7);
            (ask.image, ask.filter) = (Some(image), Some(&filter));
            ask
        };
        let asks = [ask(&bounds[0], &vector), ask(&bounds[1], &vector[..]), ask(&bounds[0], &other)];
        let batch = Batch { table: &table, columns: &columns, asks: &asks, counts_parts: true };
        let values = [
            SqlValue::Vector(vector.into()),
            SqlValue::Vector(other.into()),
            SqlValue::Text("sea's edge".into()),
        ];
        for sql in [batch.counts(), batch.rows(&[5, -3, 0])] {
            assert_eq!(sql.values(), values);
            assert_eq!(
                sql.text().matches("`/shared/tiles/v1`").count(),
                2,
                "one pass, and one for the parts"
            );
            assert!(!sql.text().contains("0.25") && !sql.text().contains("sea"));
        }
        let rows = batch.rows(&[5, -3, 0]);
        let reached = "(n0 >= (5) OR n1 >= (-3) OR n2 >= (0)) AND rand()";
        assert!(rows.text().contains(reached), "{}", rows.text());
    }
}
