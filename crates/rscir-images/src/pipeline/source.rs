//! The images of a source, as items of an ingest.

use std::borrow::Cow;
use std::path::PathBuf;

use rscir_core::{Channels, ColumnSchema, Fingerprint, ImageEncoder, ImageSource, RowValues, Stage};

use super::items::{Items, Look, Prepared, Refused, attempt};
use super::pixels::Pixels;
use crate::decode::Oddities;

/// The images of a source.
pub(super) struct Source<'a>(pub(super) &'a dyn ImageSource);

impl Items for Source<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        self.0.key(item)
    }

    fn path(&self, item: usize) -> PathBuf {
        self.key(item).into_owned().into()
    }

    fn look(&self, item: usize, known: Fingerprint) -> Look {
        match self.0.fingerprint(item) {
            Ok(current) if current != known => Look::Changed,
            // An item whose fingerprint cannot be read keeps its row.
            _ => Look::Same,
        }
    }

    fn columns(&self) -> &[ColumnSchema] {
        self.0.columns()
    }

    fn values(&self, item: usize) -> Result<RowValues<'_>, Refused> {
        let mut row = RowValues::new(self.0.columns());
        attempt(Stage::Columns, || self.0.values(item, &mut row))?;
        Ok(row)
    }

    fn prepare(&self, item: usize, encoder: &dyn ImageEncoder) -> Result<Prepared, Refused> {
        let fingerprint = attempt(Stage::Read, || self.0.fingerprint(item))?;
        let pixels = match encoder.channels() {
            Channels::Bands { values, .. } => {
                let image = attempt(Stage::Read, || self.0.read_bands(item, values))?;
                Pixels::of_bands(&image, encoder)?
            }
            _ => Pixels::of_colors(&attempt(Stage::Read, || self.0.read(item))?, encoder)?,
        };
        Ok(Prepared { pixels, fingerprint, oddities: Oddities::default() })
    }
}
