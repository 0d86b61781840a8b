use rscir_core::{
    Archive, ComposedQuery, Composition, Kind, Method, MethodInfo, Result as CoreResult, score_composition,
};

use crate::{Error, Result, Slerp};

/// The mean of the points at equal steps on the great circle from the image's vector to the text's, for a
/// query without a known `alpha` of [`Slerp`].
///
/// By symmetry the mean has the direction of the middle point, so the method ranks like `slerp` with alpha
/// 0.5 and like the sum: a grid gains nothing. No paper is known that proposes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlerpGrid {
    steps: usize,
}

impl SlerpGrid {
    /// Makes the method with `steps` steps, whose points include both ends.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `steps` is 0.
    pub fn new(steps: usize) -> Result<Self> {
        if steps > 0 {
            return Ok(Self { steps });
        }
        let (parameter, value) = ("steps", "0".into());
        Err(Error::BadParameter { method: "slerp-grid", parameter, value, expected: "at least 1" })
    }
}

impl Default for SlerpGrid {
    /// Makes the method with ten steps: alpha 0, 0.1, ..., 1.
    fn default() -> Self {
        Self { steps: 10 }
    }
}

impl Method for SlerpGrid {
    fn info(&self) -> MethodInfo {
        let info = MethodInfo::new("slerp-grid").parameter("steps", self.steps);
        if *self == Self::default() {
            info
        } else {
            info.labeled(format!("slerp-grid(steps={})", self.steps))
        }
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for SlerpGrid {
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        let label = self.label();
        let (image, text) = (query.require_image(&label)?, query.require_text(&label)?);
        let mut sum = vec![0.0f64; image.len()];
        for step in 0..=self.steps {
            let alpha = step as f64 / self.steps as f64;
            // A share from 0 to 1 is in the range of alpha.
            let Ok(slerp) = Slerp::new(alpha) else { continue };
            let point = slerp.interpolate(image, text)?;
            sum.iter_mut().zip(point.iter()).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let points = (self.steps + 1) as f64;
        Ok(sum.into_iter().map(|sum| (sum / points) as f32).collect())
    }
}
