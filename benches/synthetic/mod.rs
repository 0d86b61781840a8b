//! An evaluation of PatternCom's size on random features: 30,400 rows of 768 values, 9,385 query images, and 20,984
//! queries in six attributes with up to 1,345 relevant rows each.

use rscir::bench::{Query, QueryGroup, QuerySet, QueryVectors};
use rscir::core::testing::unit_rows;
use rscir::prelude::*;

pub(crate) const ROWS: usize = 30_400;
pub(crate) const DIM: usize = 768;
const IMAGES: usize = 9_385;
const QUERIES: usize = 20_984;
const TEXTS: usize = 44;

/// Makes queries in the shape of PatternCom's: each attribute has a share of the images, each image has queries with
/// some texts, and relevant sets have 2 to 1,345 rows.
fn queries() -> QuerySet {
    let relevant: Vec<Vec<usize>> = (0..120)
        .map(|set| {
            let size = 2 + (1343 * set * set) / (119 * 119);
            let step = ROWS / size;
            (0..size).map(|i| (i * step + 37 * set) % ROWS).collect::<std::collections::BTreeSet<_>>()
        })
        .map(|rows| rows.into_iter().collect())
        .collect();
    let names = ["color", "context", "density", "existence", "quantity", "shape"];
    let mut groups: Vec<QueryGroup> =
        names.map(|name| QueryGroup { name: name.into(), ..QueryGroup::default() }).into();
    for q in 0..QUERIES {
        let image = q * IMAGES / QUERIES;
        let query = Query { image, text: (q * 7) % TEXTS, relevant: (q * 31) % relevant.len() };
        groups[image % 6].queries.push(query);
    }
    QuerySet {
        images: (0..IMAGES).map(|i| format!("{i}.jpg").into()).collect(),
        texts: (0..TEXTS).map(|t| format!("text {t}")).collect(),
        relevant,
        groups,
    }
}

/// An archive, queries and methods for an evaluation.
pub(crate) struct Synthetic {
    pub(crate) archive: MemoryArchive,
    pub(crate) queries: QuerySet,
    pub(crate) vectors: QueryVectors,
    /// WeiCom at lambda 0, 0.1, ..., 1.
    pub(crate) sweep: Vec<WeiCom>,
}

impl Synthetic {
    pub(crate) fn new() -> Self {
        let keys = (0..ROWS).map(|row| format!("{row}.jpg")).collect();
        let archive = MemoryArchive::new(EncoderSpec::unknown(DIM), keys, unit_rows(ROWS, DIM, 1))
            .expect("distinct keys");
        let queries = queries();
        let images = QueryVectors::images_of(&queries, &archive).expect("images of the archive");
        let vectors = QueryVectors { images, texts: unit_rows(TEXTS, DIM, 2) };
        let sweep = (0..=10).map(|t| WeiCom::new(f64::from(t) / 10.0).expect("a lambda in range")).collect();
        Self { archive, queries, vectors, sweep }
    }

    /// Evaluates WeiCom with lambda 0.5 or, if `eleven`, with all eleven lambdas.
    pub(crate) fn evaluate(&self, eleven: bool) {
        let sweep = if eleven { &self.sweep[..] } else { &self.sweep[5..6] };
        let methods: Vec<&dyn Method> = sweep.iter().map(|m| m as &dyn Method).collect();
        let options = EvaluateOptions::default();
        let outcome = evaluate(&self.archive, &self.queries, &self.vectors, &methods, options);
        std::hint::black_box(outcome.expect("scores without NaN"));
    }
}

/// Returns the largest memory that the process has held so far, in MiB. Returns `None` on systems other than Linux.
pub(crate) fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}
