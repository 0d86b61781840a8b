use arrow_array::RecordBatch;
use arrow_array::types::{Float32Type, Int64Type};
use rscir_core::{EncoderSpec, Moments};

use super::rows::{number, numbers};
use super::session::Session;
use crate::sql::{Sql, SqlValue, TableName};
use crate::table::{EMBEDDING, KEY};
use crate::{Error, Result};

/// Bytes of vectors that are read at once, as many as a part of a published table has.
const BLOCK_BYTES: u64 = 128 << 20;

/// What is known of a table that nobody described: read from all of its vectors, once.
pub(super) struct Whole {
    pub(super) spec: EncoderSpec,
    pub(super) longest: f64,
    pub(super) moments: Moments,
}

impl Whole {
    /// Reads all vectors, block by block: which block a row is in follows from its key.
    pub(super) fn read(session: &Session, table: &TableName) -> Result<Self> {
        let said = table.to_string();
        let odd = |what: String| Error::Answer { table: said.clone(), what };
        let (rows, dim) = counted(session, table, &said)?;
        let blocks = (rows * dim as u64 * 4).div_ceil(BLOCK_BYTES).max(1) as i64;
        let (mut moments, mut longest) = (Moments::empty(dim), 0.0f64);
        for block in 0..blocks {
            let mut sql = Sql::default();
            sql.push("SELECT CAST(").push_name(EMBEDDING).push(" AS ARRAY<FLOAT>) FROM ").push(&table.sql());
            sql.push(" WHERE crc32(CAST(").push_name(KEY).push(" AS BINARY)) % ");
            sql.push_value(SqlValue::Int(blocks)).push(" = ").push_value(SqlValue::Int(block));
            for batch in session.rows(&said, &sql)? {
                let values =
                    vectors(&batch, dim).ok_or_else(|| odd(format!("no vector of {dim} numbers")))?;
                for row in values.chunks_exact(dim) {
                    let squared: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                    if !squared.is_finite() {
                        return Err(odd("a vector that is not finite".into()));
                    }
                    longest = longest.max(squared);
                }
                moments.merge(&Moments::of(dim, &values)?)?;
            }
        }
        if moments.count() != rows || longest == 0.0 {
            return Err(odd(format!("{} vectors where it counted {rows} rows", moments.count())));
        }
        // Sums of squares in f64 are off by less than one part in 10^12 at the widths of archives.
        Ok(Self { spec: EncoderSpec::unknown(dim), longest: longest.sqrt() * (1.0 + 1e-12), moments })
    }
}

/// Counts rows, and tells how wide their vectors are.
fn counted(session: &Session, table: &TableName, said: &str) -> Result<(u64, usize)> {
    let odd = |what: String| Error::Answer { table: said.into(), what };
    let mut sql = Sql::default();
    sql.push("SELECT count(*), count(").push_name(EMBEDDING).push("), count(DISTINCT ").push_name(KEY);
    sql.push("), CAST(min(size(").push_name(EMBEDDING).push(")) AS BIGINT), CAST(max(size(");
    sql.push_name(EMBEDDING).push(")) AS BIGINT) FROM ").push(&table.sql());
    let batches = session.rows(said, &sql)?;
    let counts = batches.iter().find(|batch| batch.num_rows() == 1).ok_or_else(|| odd("no counts".into()))?;
    let count = |column: usize| counts.columns().get(column).and_then(|of| number::<Int64Type>(of, 0));
    let counts = (count(0), count(1), count(2));
    let (Some(rows), Some(vectors), Some(keys)) = counts else { return Err(odd("no counts".into())) };
    if rows == 0 {
        return Err(odd("no rows: a path that leads nowhere looks the same to some engines".into()));
    }
    let (Some(narrowest), Some(widest)) = (count(3), count(4)) else {
        return Err(odd("no vectors".into()));
    };
    if vectors != rows || narrowest != widest {
        let without = rows - vectors;
        return Err(odd(format!(
            "{without} rows without a vector, and vectors of {narrowest} to {widest} numbers"
        )));
    }
    if keys != rows {
        return Err(odd(format!("{} rows under a key that another row has, or under none", rows - keys)));
    }
    match (u64::try_from(rows), usize::try_from(widest)) {
        (Ok(rows), Ok(dim)) if dim > 0 => Ok((rows, dim)),
        _ => Err(odd("vectors of no numbers".into())),
    }
}

fn vectors(batch: &RecordBatch, dim: usize) -> Option<Vec<f32>> {
    let mut values = Vec::with_capacity(batch.num_rows() * dim);
    for row in 0..batch.num_rows() {
        let vector = numbers::<Float32Type>(batch.columns().first()?, row)?;
        if vector.len() != dim {
            return None;
        }
        values.extend(vector);
    }
    Some(values)
}
