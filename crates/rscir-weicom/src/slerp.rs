use rscir_core::{
    Archive, ComposedQuery, Composition, Error as CoreError, Kind, Method, MethodInfo, Result as CoreResult,
    UnitVector, score_composition,
};

use crate::{Error, Result};

/// Spherical linear interpolation: one query vector on the great circle from the image's (`alpha` = 0) to the
/// text's (`alpha` = 1) (Shoemake, *Animating rotation with quaternion curves*, SIGGRAPH 1985; for composed
/// retrieval Jang et al., *Spherical Linear Interpolation and Text-Anchoring*, arXiv 2405.00571).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slerp {
    alpha: f64,
}

/// Greatest |cosine| at which the arc is computed. Above it the sine of the angle is too small to divide by,
/// and a line is as good as the arc.
const NEARLY_PARALLEL: f64 = 0.9995;

impl Slerp {
    /// Makes the method whose vector lies the share `alpha` of the way from image to text.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if `alpha` is not in 0..=1.
    pub fn new(alpha: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&alpha) {
            Ok(Self { alpha })
        } else {
            Err(Error::BadParameter {
                method: "slerp",
                parameter: "alpha",
                value: alpha.to_string(),
                expected: "between 0 (image alone) and 1 (text alone)",
            })
        }
    }

    /// Computes the interpolated unit vector of two vectors of one width.
    ///
    /// # Errors
    /// [`CoreError::Length`] if the widths differ; [`CoreError::ZeroRow`] if the two are opposite and `alpha`
    /// is 0.5.
    pub fn interpolate(&self, image: &[f32], text: &[f32]) -> CoreResult<UnitVector> {
        CoreError::check_length("width of the query text's vector", image.len(), text.len())?;
        let cosine: f64 = image.iter().zip(text).map(|(&i, &t)| f64::from(i) * f64::from(t)).sum();
        let (wi, wt) = if cosine.abs() > NEARLY_PARALLEL {
            (1.0 - self.alpha, self.alpha)
        } else {
            let theta = cosine.acos();
            (((1.0 - self.alpha) * theta).sin() / theta.sin(), (self.alpha * theta).sin() / theta.sin())
        };
        let mix = |(&i, &t): (&f32, &f32)| (wi * f64::from(i) + wt * f64::from(t)) as f32;
        UnitVector::normalize(image.iter().zip(text).map(mix).collect())
    }
}

impl Default for Slerp {
    /// Makes the method with `alpha` = 0.5.
    fn default() -> Self {
        Self { alpha: 0.5 }
    }
}

impl Method for Slerp {
    fn info(&self) -> MethodInfo {
        let label = format!("slerp(alpha={:?})", self.alpha);
        MethodInfo::new("slerp").parameter("alpha", self.alpha).labeled(label)
    }

    fn score(&self, query: &ComposedQuery, archive: &dyn Archive, scores: &mut [f32]) -> CoreResult<()> {
        score_composition(self, query, archive, scores)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Composition(self)
    }
}

impl Composition for Slerp {
    fn compose(&self, query: &ComposedQuery, archive: &dyn Archive) -> CoreResult<Vec<f32>> {
        archive.spec().check(query.spec())?;
        let label = self.label();
        let vector = self.interpolate(query.require_image(&label)?, query.require_text(&label)?)?;
        Ok(vector.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_way_between_orthogonal_vectors_is_the_diagonal() {
        let v = Slerp::default().interpolate(&[1.0, 0.0], &[0.0, 1.0]).unwrap();
        assert!((v[0] - 0.5f32.sqrt()).abs() < 1e-7 && (v[1] - 0.5f32.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn a_third_of_the_way_is_a_third_of_the_angle() {
        let v = Slerp::new(1.0 / 3.0).unwrap().interpolate(&[1.0, 0.0], &[0.0, 1.0]).unwrap();
        assert!((f64::from(v[1]).asin() - std::f64::consts::FRAC_PI_6).abs() < 1e-7);
    }

    #[test]
    fn parallel_and_opposite_vectors_do_not_divide_by_zero() {
        let i = [1.0, 0.0];
        assert_eq!(*Slerp::default().interpolate(&i, &i).unwrap(), i);
        assert!(matches!(Slerp::default().interpolate(&i, &[-1.0, 0.0]), Err(CoreError::ZeroRow { .. })));
        assert!(Slerp::new(1.1).is_err());
    }
}
