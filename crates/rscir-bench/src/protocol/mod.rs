//! What benchmarks ask: files in, queries out.

mod classes;
mod csv_file;
mod lines;
mod lists;
mod paired;
mod patterncom;
mod set_builder;

use rscir_core::Archive;

pub(crate) use classes::class_of;
pub(crate) use lines::shortened;
pub(crate) use patterncom::base_name;

pub use lists::{DomainConversion, Icir, OwnQueries};
pub use paired::{LevirCc, XviewCir, XviewText};
pub use patterncom::{ATTRIBUTES, Attribute, DatasetReport, Finding, LabelRow, Mode, PatternCom, Tile};

use crate::{Convention, PATTERNCOM_CUTOFFS, QuerySet, Result};

/// A benchmark whose files were read: what it asks of an archive.
///
/// Each has a `read` of its own, since each has other files.
pub trait Protocol {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Its queries on an archive whose keys are the images' paths, and the rows of its files whose images the archive lacks.
    ///
    /// # Errors
    /// [`Error::NoQueries`](crate::Error::NoQueries) if none is left, and the protocol's own.
    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)>;

    /// What it means by its figures.
    fn convention(&self) -> Convention {
        Convention::Standard
    }

    /// The ranks at which it reports precision and recall.
    fn cutoffs(&self) -> &'static [usize] {
        &PATTERNCOM_CUTOFFS
    }
}

/// In the clean mode; [`PatternCom::queries`] has the strict one, and the whole report.
impl Protocol for PatternCom {
    fn name(&self) -> &'static str {
        "PatternCom"
    }

    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, Vec<Finding>)> {
        let (queries, report) = PatternCom::queries(self, archive, Mode::Clean)?;
        Ok((queries, report.missing))
    }
}
