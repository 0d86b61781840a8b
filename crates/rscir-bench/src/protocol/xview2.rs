use std::path::Path;

use rscir_core::Archive;

use super::lines::{field_problem, file_name, read_csv};
use super::pairs::{Pair, pair_queries};
use super::{DatasetReport, Protocol};
use crate::{Error, QuerySet, Result};

/// Choice among the three texts of xView2-CIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum XviewText {
    /// The text "post flood".
    #[default]
    Default,
    /// The first alternative.
    First,
    /// The second alternative.
    Second,
}

/// xView2-CIR: a scene before a disaster is the query, and the same scene after it is relevant (github
/// billpsomas/rscir, `xview2_cir.csv`).
///
/// There is one group for each event, such as `palu-tsunami`. The keys of the images are the paths of the CSV
/// file, with `.tif` or `.png`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XviewCir {
    pairs: Vec<Pair>,
    file: String,
    /// Choice of the texts of the queries.
    pub text: XviewText,
}

impl XviewCir {
    /// Reads `xview2_cir.csv`, which has a header `image,query_default,query_alt1,query_alt2,target`, then
    /// one query a row.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Line`] for a row of another form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        const COLUMNS: [&str; 5] = ["image", "query_default", "query_alt1", "query_alt2", "target"];
        let path = path.as_ref();
        let mut records = read_csv(path)?;
        let bad = |line, problem| Error::Line { path: path.into(), line, problem };
        match records.next().transpose()? {
            Some(header) if header.fields == COLUMNS => {}
            header => {
                let line = header.map_or(1, |header| header.line);
                return Err(bad(line, format!("expected the header {}", COLUMNS.join(","))));
            }
        }
        let pairs = records.map(|record| {
            let record = record?;
            let got = record.count;
            let [image, texts @ .., target] = record.fields.as_slice() else {
                return Err(bad(record.line, format!("expected 5 columns, got {got}")));
            };
            if got != COLUMNS.len() {
                return Err(bad(
                    record.line,
                    format!("expected 5 columns ({}), got {got}", COLUMNS.join(",")),
                ));
            }
            for (what, field) in COLUMNS.into_iter().zip(&record.fields) {
                if let Some(problem) = field_problem(what, field) {
                    return Err(bad(record.line, problem));
                }
            }
            let event = event(image).ok_or_else(|| {
                bad(record.line, format!("expected <event>_<id>_pre_disaster as the image, got {image:?}"))
            })?;
            let (image, target) = (image.clone(), target.clone());
            Ok(Pair { line: record.line, group: event.into(), image, texts: texts.to_vec(), target })
        });
        let pairs = pairs.collect::<Result<_>>()?;
        Ok(Self { pairs, file: file_name(path), text: XviewText::Default })
    }

    /// Returns the number of queries in the file.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Tells whether there are no queries.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// Returns `palu-tsunami` for `test/images/palu-tsunami_00000193_pre_disaster.tif`.
fn event(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let (event, _) = name.split_once('_')?;
    (!event.is_empty()).then_some(event)
}

impl Protocol for XviewCir {
    fn name(&self) -> &'static str {
        "xView2-CIR"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)> {
        pair_queries(&self.pairs, self.text as usize, &self.file, archive)
    }

    fn cutoffs(&self) -> &'static [usize] {
        &[1, 5, 10]
    }
}
