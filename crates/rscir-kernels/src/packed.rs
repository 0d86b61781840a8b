//! Linear layers: `x[m, k] . W[n, k]^T`, the weights packed once, the bias and activation fused into the store.

/// What becomes of a product's element once bias is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Store it.
    #[default]
    Store,
    /// Store its Gaussian error linear unit in the exact form, `x Phi(x)` (Hendrycks & Gimpel 2016).
    Gelu,
    /// Store `x sigmoid(1.702 x)`, the approximation CLIP was trained with.
    QuickGelu,
    /// Add it to what `out` holds: a residual connection.
    Add,
}

/// The end of a linear layer, done while its product is still in registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to every row, `n` elements.
    pub bias: Option<&'a [f32]>,
    /// What follows the bias.
    pub finish: Finish,
}

impl<'a> Epilogue<'a> {
    /// Nothing but the product.
    pub const fn none() -> Self {
        Self { bias: None, finish: Finish::Store }
    }

    /// Adds a bias of `n` elements to every row.
    pub const fn bias(bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), finish: Finish::Store }
    }

    /// Then the exact GELU.
    pub const fn gelu(self) -> Self {
        Self { finish: Finish::Gelu, ..self }
    }

    /// Then QuickGELU.
    pub const fn quick_gelu(self) -> Self {
        Self { finish: Finish::QuickGelu, ..self }
    }

    /// Then adds to what `out` holds, where the residual stands.
    pub const fn add(self) -> Self {
        Self { finish: Finish::Add, ..self }
    }
}

/// The weights of a linear layer in f32, laid out for the product.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    weights: Vec<f32>,
    n: usize,
    k: usize,
}

impl PackedMatrix {
    /// Packs row-major `weights[n, k]` (`n` outputs, `k` inputs).
    ///
    /// # Panics
    /// If `weights` has not `n * k` elements.
    pub fn pack(weights: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(weights.len(), n * k, "weights have n x k elements");
        Self { weights: weights.to_vec(), n, k }
    }

    /// The number of outputs.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of inputs.
    pub fn k(&self) -> usize {
        self.k
    }

    /// `out[m, n] = epilogue(x[m, k] . W^T)`.
    ///
    /// # Panics
    /// If a slice's length is not what `m`, `n` and `k` say.
    pub fn apply(&self, x: &[f32], m: usize, epilogue: Epilogue<'_>, out: &mut [f32]) {
        let mut product = vec![0.0; m * self.n];
        crate::matmul_nt(x, &self.weights, m, self.n, self.k, &mut product);
        assert_eq!(out.len(), m * self.n, "out has m x n elements");
        for (i, (out, mut x)) in out.iter_mut().zip(product).enumerate() {
            x += epilogue.bias.map_or(0.0, |bias| bias[i % self.n]);
            *out = match epilogue.finish {
                Finish::Store => x,
                Finish::Gelu => x * (1.0 - crate::normal::survival_of(x.into()) as f32),
                Finish::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
                Finish::Add => *out + x,
            };
        }
    }
}
