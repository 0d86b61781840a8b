//! Benchmarks: each reads its files and makes queries of them.

#![deny(clippy::indexing_slicing)]

mod classes;
mod custom;
mod domain;
mod findings;
mod icir;
mod levir_cc;
mod lines;
mod mode;
mod pairs;
mod patterncom;
mod set_builder;
mod xview2;

use rscir_core::{Archive, Method};

pub(crate) use classes::class_of;
pub(crate) use lines::shortened;
pub(crate) use patterncom::base_name;

pub use custom::CustomQueries;
pub use domain::DomainConversion;
pub use findings::{DatasetReport, Finding};
pub use icir::Icir;
pub use levir_cc::LevirCc;
pub use mode::Mode;
pub use patterncom::{ATTRIBUTES, Attribute, LabelRow, PatternCom, Tile};
pub use xview2::{XviewCir, XviewText};

use crate::{
    Convention, EvaluateOptions, Evaluation, PATTERNCOM_CUTOFFS, QuerySet, QueryVectors, Result, Rounding,
    Table,
};

/// A benchmark whose files were read. It makes the queries on an archive and decides how figures are
/// computed.
///
/// Each benchmark has a `read` of its own, because the files differ. [`queries`](Self::queries),
/// [`evaluate`](Self::evaluate) and [`table`](Self::table) of one protocol belong together: they give its
/// figures, whatever methods are evaluated.
pub trait Protocol {
    /// Returns the name of the benchmark in reports.
    fn name(&self) -> &'static str;

    /// Makes the queries on an archive whose keys are the paths of the images, and reports everything
    /// unexpected in the benchmark's files.
    ///
    /// # Errors
    /// [`Error::NoQueries`](crate::Error::NoQueries) if no query is left; the errors of the protocol.
    fn queries(&self, archive: &dyn Archive) -> Result<(QuerySet, DatasetReport)>;

    /// Returns the definition of the benchmark's figures. Default: [`Convention::Standard`].
    fn convention(&self) -> Convention {
        Convention::Standard
    }

    /// Returns the ranks at which the benchmark reports precision and recall.
    fn cutoffs(&self) -> &'static [usize] {
        &PATTERNCOM_CUTOFFS
    }

    /// Returns the stage at which the benchmark rounds its figures.
    fn rounding(&self) -> Rounding {
        Rounding::None
    }

    /// Tells whether each method is computed as its authors' program computes it ([`Method::reference`]).
    fn follows_reference(&self) -> bool {
        false
    }

    /// Evaluates methods on the protocol's queries like [`evaluate`](crate::evaluate). If the protocol
    /// [follows the reference](Self::follows_reference), each method that the reference program computes
    /// differently is replaced by that form.
    ///
    /// # Errors
    /// The errors of [`evaluate`](crate::evaluate).
    fn evaluate(
        &self,
        archive: &dyn Archive,
        queries: &QuerySet,
        vectors: &QueryVectors,
        methods: &[&dyn Method],
        options: EvaluateOptions<'_>,
    ) -> Result<Evaluation> {
        if !self.follows_reference() {
            return crate::evaluate(archive, queries, vectors, methods, options);
        }
        let replaced: Vec<Option<Box<dyn Method>>> =
            methods.iter().map(|method| method.reference()).collect();
        let methods: Vec<&dyn Method> = methods
            .iter()
            .zip(&replaced)
            .map(|(method, other)| other.as_deref().unwrap_or(*method))
            .collect();
        crate::evaluate(archive, queries, vectors, &methods, options)
    }

    /// Makes the table of an evaluation by the benchmark's convention, rounding and cutoffs.
    fn table(&self, evaluation: &Evaluation) -> Table {
        Table::by(evaluation, self.rounding(), self.convention()).cutoffs(self.cutoffs())
    }
}
