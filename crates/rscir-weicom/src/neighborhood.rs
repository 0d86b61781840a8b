use std::fmt;

use rscir_core::{Archive, AskedPart, ParameterValue, Part, PartKind, Queries, Result, Scored, UnitVector};

use crate::evidence::{as_it_is, asked};

/// Number of tiles that define an image: the image itself and its nearest tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbors {
    /// This many tiles. 0: the image alone.
    Fixed(usize),
    /// From 5 to 20 tiles, as many as are nearer than chance allows: all up to the last rank `i` whose tail
    /// probability under a normal distribution is at most `0.1 i / n` in an archive of `n` rows (Y. Benjamini
    /// and Y. Hochberg, *Controlling the false discovery rate*, 1995).
    Auto,
}

impl Neighbors {
    /// Number of neighbors in FreeDom. BASIC has 25.
    const DEFAULT: usize = 20;
    /// Least number that [`Neighbors::Auto`] takes. A mean of fewer tiles is little better than the image.
    const MIN: usize = 5;
    /// Share of false discoveries that [`Neighbors::Auto`] allows.
    const FALSE_DISCOVERIES: f64 = 0.1;

    fn most(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto => Self::DEFAULT,
        }
    }

    pub(crate) fn parameter(self) -> ParameterValue {
        match self {
            Self::Fixed(count) => count.into(),
            Self::Auto => "auto".into(),
        }
    }

    /// Returns a number that identifies the choice.
    pub(crate) fn key(self) -> f64 {
        match self {
            Self::Fixed(count) => count as f64,
            Self::Auto => -1.0,
        }
    }
}

/// Returns a number that identifies the choice, or its absence.
pub(crate) fn key(neighbors: Option<Neighbors>) -> f64 {
    neighbors.map_or(-2.0, Neighbors::key)
}

impl Default for Neighbors {
    fn default() -> Self {
        Self::Fixed(Self::DEFAULT)
    }
}

impl fmt::Display for Neighbors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(count) => count.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// Makes the vectors of parts: an image is its neighborhood if `neighbors` is given, and its own vector
/// otherwise; a text is its own vector.
pub(crate) fn ask_with(
    parts: &[Part<'_>],
    archive: &dyn Archive,
    neighbors: Option<Neighbors>,
) -> Result<Vec<AskedPart>> {
    match neighbors {
        None => Ok(parts.iter().map(as_it_is).collect()),
        Some(neighbors) => ask(parts, &Neighborhood::new(archive, neighbors, &[]), |text| Ok(as_it_is(text))),
    }
}

/// Makes the vectors of parts: an image is its neighborhood, and `text` makes the vector of a text.
pub(crate) fn ask(
    parts: &[Part<'_>],
    neighborhood: &Neighborhood<'_>,
    text: impl Fn(&Part<'_>) -> Result<AskedPart>,
) -> Result<Vec<AskedPart>> {
    let images: Vec<&Part<'_>> = parts.iter().filter(|part| part.kind == PartKind::Image).collect();
    let mut images = neighborhood.of(&images)?.into_iter();
    let ask = |part: &Part<'_>| match part.kind {
        PartKind::Image => {
            let (vector, neighbors) = images.next().unwrap_or_default();
            Ok(asked(part, vector, neighbors))
        }
        PartKind::Text => text(part),
    };
    parts.iter().map(ask).collect()
}

/// The vector of an image: the mean of the nearest tiles of an archive, less the archive's mean.
pub(crate) struct Neighborhood<'a> {
    archive: &'a dyn Archive,
    neighbors: Neighbors,
    leave_out: Vec<usize>,
    /// The archive's mean, rounded so that it does not depend on the parts from which the moments were
    /// merged.
    mean: Vec<f32>,
}

/// Row that stands for the image itself among its neighbors, if it is not in the archive.
const ITSELF: usize = usize::MAX;

impl<'a> Neighborhood<'a> {
    /// Prepares the neighborhoods in an archive, without the tiles under the keys `leave_out`.
    pub(crate) fn new(archive: &'a dyn Archive, neighbors: Neighbors, leave_out: &[String]) -> Self {
        let mean = archive.moments().mean().iter().map(|&mean| mean as f32).collect();
        let leave_out = leave_out.iter().filter_map(|key| archive.find(key)).collect();
        Self { archive, neighbors, leave_out, mean }
    }

    /// Returns the vector of each image and the rows that it was made of, nearest first.
    pub(crate) fn of(&self, images: &[&Part<'_>]) -> Result<Vec<(Vec<f32>, Vec<usize>)>> {
        let centered: Vec<f32> = images.iter().flat_map(|image| self.centered(image.vector)).collect();
        let most = self.neighbors.most();
        if most == 0 || images.is_empty() {
            let dim = self.archive.dim().max(1);
            return Ok(centered.chunks_exact(dim).map(|vector| (vector.to_vec(), Vec::new())).collect());
        }
        let queries = Queries::new(self.archive.dim(), &centered)?;
        let nearest = self.archive.nearest(queries, most + self.leave_out.len() + 1)?;
        let of_image = |(i, (image, mut nearest)): (usize, (&&Part<'_>, Vec<Scored>))| {
            nearest.retain(|near| !self.leave_out.contains(&near.row));
            let count = match self.neighbors {
                Neighbors::Fixed(count) => count,
                Neighbors::Auto => self.discoveries(queries.row(i), &nearest)?,
            };
            let rows = self.with_itself(image, nearest.into_iter().map(|near| near.row), count);
            let mean = self.mean_of(image.vector, &rows);
            Ok((mean, rows.into_iter().filter(|&row| row != ITSELF).collect()))
        };
        images.iter().zip(nearest).enumerate().map(of_image).collect()
    }

    /// Subtracts the mean from a vector.
    fn centered(&self, vector: &[f32]) -> impl Iterator<Item = f32> {
        vector.iter().zip(&self.mean).map(|(value, mean)| value - mean)
    }

    /// Returns the first `count` of the rows with the image among them: as its own row, or in place of the
    /// last.
    fn with_itself(&self, image: &Part<'_>, rows: impl Iterator<Item = usize>, count: usize) -> Vec<usize> {
        let own = image.key.and_then(|key| self.archive.find(key));
        let is_own = |row: usize| own == Some(row) || self.is_row(image.vector, row);
        let mut rows: Vec<usize> = rows.take(count).collect();
        if !rows.iter().any(|&row| is_own(row)) {
            rows.truncate(count - 1);
            rows.push(own.filter(|row| !self.leave_out.contains(row)).unwrap_or(ITSELF));
        }
        rows
    }

    /// Tells whether a vector is that of a row. A row that is stored in fewer bits than `f32` is normalized
    /// again before it is used in a query.
    fn is_row(&self, vector: &[f32], row: usize) -> bool {
        let stored = self.archive.vector(row);
        *stored == *vector || UnitVector::normalize(stored.into_owned()).is_ok_and(|unit| *unit == *vector)
    }

    /// Computes the mean of some rows less the archive's mean, in f64.
    fn mean_of(&self, image: &[f32], rows: &[usize]) -> Vec<f32> {
        let mut sum = vec![0.0f64; image.len()];
        for &row in rows {
            let mut add = |vector: &[f32]| {
                sum.iter_mut().zip(vector).for_each(|(sum, &value)| *sum += f64::from(value));
            };
            if row == ITSELF { add(image) } else { add(&self.archive.vector(row)) }
        }
        let n = rows.len().max(1) as f64;
        sum.iter().zip(&self.mean).map(|(sum, &mean)| (sum / n - f64::from(mean)) as f32).collect()
    }

    /// Returns how many of the nearest tiles are nearer than chance allows, within the bounds of
    /// [`Neighbors::Auto`].
    fn discoveries(&self, centered: &[f32], nearest: &[Scored]) -> Result<usize> {
        let statistics = self.archive.moments().statistics(centered)?;
        let z: Vec<f32> = nearest.iter().map(|near| statistics.z_score(near.score) as f32).collect();
        let mut tails = vec![0.0; z.len()];
        rscir_kernels::survival(&z, &mut tails);
        let allowed = |place: usize| Neighbors::FALSE_DISCOVERIES * place as f64 / self.archive.len() as f64;
        let found = tails.iter().enumerate().rposition(|(i, &tail)| f64::from(tail) <= allowed(i + 1));
        let most = self.neighbors.most().min(nearest.len());
        Ok(found.map_or(0, |i| i + 1).clamp(Neighbors::MIN.min(most), most).max(1))
    }
}
