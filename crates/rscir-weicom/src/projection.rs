use nalgebra::DMatrix;
use rscir_core::Embeddings;

/// Number that is added to every entry of the contrast matrix (calculate_rankings of billpsomas/icir).
const OFFSET: f64 = 1e-5;

/// An orthogonal projection on a few directions, `[components, dim]`.
#[derive(Debug)]
pub(crate) struct Projection {
    directions: DMatrix<f64>,
}

impl Projection {
    /// Makes the projection on the eigenvectors of the greatest positive eigenvalues, at most `components`,
    /// of `(1 - share) A'A / (nA - 1) - share B'B / (nB - 1) + 1e-5`, where A and B are the centered subjects
    /// and styles.
    pub(crate) fn contrastive(
        subjects: &Embeddings,
        styles: &Embeddings,
        mean: &[f64],
        share: f64,
        components: usize,
    ) -> Self {
        let dim = mean.len();
        let scatter = |rows: &Embeddings| {
            let centered = DMatrix::from_fn(rows.len(), dim, |r, c| f64::from(rows.row(r)[c]) - mean[c]);
            centered.tr_mul(&centered) / (rows.len().max(2) - 1) as f64
        };
        let contrast = (scatter(subjects) * (1.0 - share) - scatter(styles) * share).add_scalar(OFFSET);
        let eigen = contrast.symmetric_eigen();
        let mut order: Vec<usize> = (0..dim).filter(|&i| eigen.eigenvalues[i] > 0.0).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        order.truncate(components);
        let directions = DMatrix::from_fn(order.len(), dim, |r, c| eigen.eigenvectors[(c, order[r])]);
        Self { directions }
    }

    /// Computes `V V' x`.
    pub(crate) fn apply(&self, vector: &[f64]) -> Vec<f64> {
        let x = nalgebra::DVector::from_column_slice(vector);
        let coordinates = &self.directions * x;
        self.directions.tr_mul(&coordinates).as_slice().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_applied_twice_changes_nothing_more() {
        let rows = |seed: u64, n: usize| rscir_core::testing::unit_rows(n, 12, seed);
        let p = Projection::contrastive(&rows(1, 40), &rows(2, 30), &[0.0; 12], 0.2, 5);
        assert_eq!(p.directions.nrows(), 5);
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        let once = p.apply(&x);
        for (a, b) in once.iter().zip(p.apply(&once)) {
            assert!((a - b).abs() < 1e-10);
        }
        assert!(once.iter().zip(&x).any(|(a, b)| (a - b).abs() > 0.1));
    }
}
