use rscir_core::{
    Archive, AskedPart, Evidence, Fallback, Fit, ListSample, MethodInfo, Modality, NormalizationKey, Part,
    PartKind, Result as CoreResult,
};

use crate::conjunction::{check_lambda, modality_of};
use crate::evidence::{evidence_method, upright};
use crate::neighborhood::{Neighbors, ask_with, key};
use crate::{Normalization, Result};

/// WeiCom over any number of parts, with a lambda that is given or computed from the lists.
///
/// Each part's list becomes the normal CDF of its z-scores, as in [`WeiCom`](crate::WeiCom). The score is the
/// weighted mean of these with weights that add up to 1 (less 1, which
/// [`Method::display_score`](rscir_core::Method::display_score) adds). A part of negative weight counts by
/// one minus its CDF. For one image and one text the ranking is that of `WeiCom` with the same lambda.
///
/// Without a lambda, the weight of a part is the [nats](nats) by which its list differs from a uniform one:
/// for one image and one text, lambda is `D_text / (D_image + D_text)`. A list with a few tiles far above the
/// rest weighs more than one whose tiles are all alike, whatever its offset and scale.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WeiComByParts {
    lambda: Option<f64>,
    neighbors: Option<Neighbors>,
}

impl WeiComByParts {
    /// Makes the method that computes the weight of every part from its list.
    pub fn auto() -> Self {
        Self { lambda: None, neighbors: None }
    }

    /// Makes the method with weight `lambda` for all texts together and `1 - lambda` for all images.
    ///
    /// # Errors
    /// [`Error::BadParameter`](crate::Error::BadParameter) if `lambda` is not in 0..=1.
    pub fn new(lambda: f64) -> Result<Self> {
        check_lambda("weicom", lambda).map(|()| Self { lambda: Some(lambda), neighbors: None })
    }

    /// Sets how many tiles define an image, as in [`Posterior`](crate::Posterior). Default: an image is its
    /// own vector.
    #[must_use]
    pub fn neighbors(self, neighbors: Neighbors) -> Self {
        Self { neighbors: Some(neighbors), ..self }
    }

    /// Returns the weight of the texts, or `None` if it is computed.
    pub fn lambda(&self) -> Option<f64> {
        self.lambda
    }
}

/// Computes the nats by which a list differs from a uniform one: `ln n + sum p ln p`, where `p` is the
/// softmax of the list's z-scores. A normal list has 0.5, a list with a few outliers more.
///
/// The best value is left out, because it is usually the query's own tile. The others are standardized anew,
/// with `n`.
///
/// # Errors
/// The [`Fallback`] that says why nothing can be measured: fewer than three values, all values equal, or NaN
/// or an infinity among them.
pub fn nats<T: Copy + Into<f64>>(list: &[T]) -> Result<f64, Fallback> {
    // Two values must remain beside the best, because a single one has no spread.
    if list.len() < 3 {
        return Err(Fallback::FewRows);
    }
    let best = list
        .iter()
        .map(|&value| value.into())
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, value| if value.1 > best.1 { value } else { best });
    let rest = || list.iter().enumerate().filter(|(i, _)| *i != best.0).map(|(_, &value)| value.into());
    let n = (list.len() - 1) as f64;
    let mean = rest().sum::<f64>() / n;
    let deviation = (rest().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n).sqrt();
    if !deviation.is_finite() {
        return Err(Fallback::NotFinite);
    }
    if deviation <= 0.0 {
        return Err(Fallback::Constant);
    }
    // sum p ln p = sum e^z z / sum e^z - ln sum e^z. No z is above the square root of n.
    let highest = rest().fold(f64::NEG_INFINITY, f64::max);
    let highest = (highest - mean) / deviation;
    let (mut total, mut weighted) = (0.0, 0.0);
    for value in rest() {
        let z = (value - mean) / deviation;
        let e = (z - highest).exp();
        total += e;
        weighted += e * z;
    }
    Ok(n.ln() + weighted / total - highest - total.ln())
}

evidence_method!(
    WeiComByParts,
    |m| {
        let mut info = MethodInfo::new("weicom");
        let mut label = match m.lambda {
            None => "weicom(auto".to_string(),
            Some(lambda) => format!("weicom(lambda={lambda:?},parts=each"),
        };
        info = match m.lambda {
            None => info.parameter("lambda", "auto"),
            Some(lambda) => info.parameter("lambda", lambda).parameter("parts", "each"),
        };
        if let Some(neighbors) = m.neighbors {
            info = info.parameter("k", neighbors.parameter());
            label += &format!(",k={neighbors}");
        }
        info.labeled(label + ")")
    },
    display_score: |score| 1.0 + score
);

impl Evidence for WeiComByParts {
    fn modality(&self) -> Modality {
        self.lambda.map_or(Modality::Both, modality_of)
    }

    fn evidence_key(&self) -> NormalizationKey {
        NormalizationKey::of::<Self>()
            .with(if self.reads_rows() { 1.0 } else { 0.0 })
            .with(key(self.neighbors))
    }

    fn ask(&self, parts: &[Part<'_>], archive: &dyn Archive) -> CoreResult<Vec<AskedPart>> {
        ask_with(parts, archive, self.neighbors)
    }

    fn reads_rows(&self) -> bool {
        self.lambda.is_none()
    }

    fn fit(&self, part: &AskedPart, list: ListSample<'_>) -> Fit {
        let mut fit = Fit::new(upright(part, list.statistics));
        if self.reads_rows() {
            let measured = if part.against {
                nats(&list.values.iter().map(|value| -value).collect::<Vec<f32>>())
            } else {
                nats(list.values)
            };
            fit.nats = measured.ok();
            fit.fallback = measured.err();
        }
        fit
    }

    fn evidence(&self, part: &AskedPart, fit: &Fit, similarities: &[f32], evidence: &mut [f32]) {
        // The CDF of a negated list is one minus that of the list.
        Normalization::Cdf.apply(similarities, &upright(part, fit.statistics), evidence);
    }

    fn weights(&self, parts: &[AskedPart], fits: &[Fit]) -> Vec<f32> {
        let own: Vec<f64> = match self.lambda {
            // A list without information has weight 0, unless no list has any.
            None => {
                let nats = |(part, fit): (&AskedPart, &Fit)| f64::from(part.weight) * fit.nats.unwrap_or(0.0);
                parts.iter().zip(fits).map(nats).collect()
            }
            Some(lambda) => {
                let all = |kind| -> f64 {
                    let parts = parts.iter().filter(|part| part.kind == kind);
                    parts.map(|part| f64::from(part.weight)).sum()
                };
                let (images, texts) = (all(PartKind::Image), all(PartKind::Text));
                let share = |part: &AskedPart| match part.kind {
                    PartKind::Image => (1.0 - lambda) * f64::from(part.weight) / images,
                    PartKind::Text => lambda * f64::from(part.weight) / texts,
                };
                parts.iter().map(share).collect()
            }
        };
        let total: f64 = own.iter().sum();
        if total > 0.0 {
            own.iter().map(|weight| (weight / total) as f32).collect()
        } else {
            vec![1.0 / parts.len().max(1) as f32; parts.len()]
        }
    }

    fn probability(&self, part: &AskedPart, fit: &Fit, similarity: f32) -> f32 {
        let mut value = [0.0];
        self.evidence(part, fit, &[similarity], &mut value);
        1.0 + value[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_list_has_half_a_nat_and_a_list_with_a_group_more() {
        // Quantiles of a logistic distribution are near to normal ones.
        let quantile = |i: i32| (f64::from(i) / f64::from(20_001 - i)).ln();
        let plain: Vec<f64> = (1..=20_000).map(quantile).collect();
        let with_group: Vec<f64> =
            (1..=20_000).map(|i| quantile(i) + if i % 50 == 0 { 9.0 } else { 0.0 }).collect();
        let (plain, with_group) = (nats(&plain).unwrap(), nats(&with_group).unwrap());
        assert!(plain > 0.4 && plain < 1.0 && with_group > 1.5 * plain, "{plain} and {with_group}");
    }

    #[test]
    fn lists_that_say_nothing_say_why() {
        assert_eq!(nats(&[0.1f32, 0.2]), Err(Fallback::FewRows));
        assert_eq!(nats(&[0.1f32; 4]), Err(Fallback::Constant));
        assert_eq!(nats(&[0.1f32, f32::NAN, 0.3, 0.4]), Err(Fallback::NotFinite));
    }
}
