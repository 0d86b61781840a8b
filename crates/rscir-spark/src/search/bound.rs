use rscir_kernels::TAIL_RATIO;

use crate::sql::Sql;

/// Upper bound of a row's score, computed by an engine from the row's two similarities. However the engine and the
/// library round, the bound is at least the score that the library gives the row. An engine returns the rows with
/// the highest bounds, so no other row has a score above the lowest of these bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    pub(super) image: List,
    pub(super) text: List,
    pub(super) join: Join,
    /// What is added to the score, so that the bound stays above it.
    pub(super) slack: f64,
    pub(super) steps: Steps,
}

/// How bounds are divided into steps in which an engine counts rows. It only decides how many rows share a step, of which
/// there should be few among the best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Steps {
    /// Steps of one width, for bounds that are linear in similarities.
    Even { width: f64 },
    /// Steps of one ratio of what the bound lacks to its greatest value: tails of the best rows differ by ratios.
    Ratios,
}

/// Steps to a standard deviation, and to a factor of e. A step then has one row in a hundred of those above it, or a few
/// where rows are near one another.
#[cfg(feature = "spark")]
const STEPS: f64 = 64.0;

/// Least that a bound lacks to its greatest value which is told apart from nothing.
#[cfg(feature = "spark")]
const LEAST_LACK: f64 = 1e-300;

/// Function that is applied to the similarities `s` of one list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum List {
    /// The list is not read; the value is 0.
    Unread,
    /// `factor * s + offset`.
    Linear { factor: f64, offset: f64 },
    /// `-Q((s - center) * scale)`, where `Q` is the upper tail of the normal distribution.
    Tail { center: f64, scale: f64 },
}

/// How the values of the two lists are combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Join {
    /// The weighted sum. The weights, of image and text, are at least 0.
    Sum([f64; 2]),
    /// The product. If `clamped`, a factor below 0 counts as 0.
    Product { clamped: bool },
    /// The smaller of the two.
    Least,
}

/// Factor of the tails in a bound. The library's tails have a relative error of 1.2e-7, because they are rounded to
/// `f32`, and an engine's of 1e-9. A tail that is smaller by a millionth is below both, and its negative above.
const TAIL_SLACK: f64 = 1.0 - 1e-6;

/// Relative error that an engine's formulas may have, which it computes in `f64`: ten times the 1e-9 of its tails.
const ENGINE_ROUNDING: f64 = 1e-8;

impl Bound {
    /// Returns the bound of a row with the similarities `image` and `text`, by the formula that the engine
    /// computes. A similarity that the bound does not read has no effect.
    pub fn of(&self, image: f64, text: f64) -> f64 {
        let (image, text) = (self.image.of(image), self.text.of(text));
        let joined = match self.join {
            Join::Sum([a, b]) => a * image + b * text,
            Join::Product { clamped: true } => image.max(0.0) * text.max(0.0),
            Join::Product { clamped: false } => image * text,
            Join::Least => image.min(text),
        };
        joined + self.slack
    }

    /// Returns the least and the greatest bound that an engine can compute of a row with similarities within `image` and
    /// `text`, each the least and the greatest. What an engine rounds in its formulas is allowed for.
    pub(super) fn range(&self, image: [f64; 2], text: [f64; 2]) -> [f64; 2] {
        let (mut image, mut text) = (self.image.range(image), self.text.range(text));
        let [least, greatest] = match self.join {
            Join::Sum([a, b]) => [0, 1].map(|end| a * image[end] + b * text[end]),
            Join::Product { clamped } => {
                if clamped {
                    [&mut image, &mut text].into_iter().flatten().for_each(|x| *x = x.max(0.0));
                }
                let products = [0, 1, 2, 3].map(|i| image[i / 2] * text[i % 2]);
                [
                    products.into_iter().fold(f64::INFINITY, f64::min),
                    products.into_iter().fold(f64::NEG_INFINITY, f64::max),
                ]
            }
            Join::Least => [0, 1].map(|end| image[end].min(text[end])),
        };
        let rounding = ENGINE_ROUNDING * (least.abs() + greatest.abs() + self.slack);
        [least + self.slack - rounding, greatest + self.slack + rounding]
    }

    /// Tells whether the bound reads the similarity to the image, and whether it reads that to the text.
    pub fn reads(&self) -> [bool; 2] {
        [self.image != List::Unread, self.text != List::Unread]
    }

    /// Returns the center and the scale of each list's tail, or `None` for a list without a tail.
    pub(crate) fn tails(&self) -> [Option<(f64, f64)>; 2] {
        [self.image.tail(), self.text.tail()]
    }

    /// Writes the bound of the question `number` as an expression of SQL. It reads the similarities from the columns `si` and
    /// `st` with this number. For a list with a tail it reads the magnitude of the tail's argument, at most `far` of
    /// [`TAIL_RATIO`], from `ti` or `tt`, and 1 for an argument below 0, else 0, from `ui` or `ut`.
    pub(crate) fn write(&self, sql: &mut Sql, number: usize) {
        let image = |sql: &mut Sql| self.image.write(sql, 'i', number);
        let text = |sql: &mut Sql| self.text.write(sql, 't', number);
        sql.push("(");
        match self.join {
            Join::Sum([a, b]) => {
                sql.push_number(a).push(" * ");
                image(sql);
                sql.push(" + ").push_number(b).push(" * ");
                text(sql);
            }
            Join::Product { clamped } => {
                for (i, list) in [&image as &dyn Fn(&mut Sql), &text].into_iter().enumerate() {
                    sql.push(["", " * "][i]).push(if clamped { "greatest(" } else { "(" });
                    list(sql);
                    sql.push(if clamped { ", 0.0D)" } else { ")" });
                }
            }
            Join::Least => {
                sql.push("least(");
                image(sql);
                sql.push(", ");
                text(sql);
                sql.push(")");
            }
        }
        sql.push(" + ").push_number(self.slack).push(")");
    }

    /// Writes the number of the step in which a bound is, which it reads from the column `b` with the question's number. A
    /// higher bound is in the same step or a higher one.
    #[cfg(feature = "spark")]
    pub(crate) fn write_step(&self, sql: &mut Sql, number: usize) {
        sql.push("CAST(floor(");
        match self.steps {
            Steps::Even { width } => {
                sql.push(&format!("b{number} * ")).push_number(STEPS / width);
            }
            Steps::Ratios => {
                sql.push("ln(greatest(").push_number(self.slack).push(&format!(" - b{number}, "));
                sql.push_number(LEAST_LACK).push(")) * ").push_number(-STEPS);
            }
        }
        sql.push(") AS BIGINT)");
    }
}

impl List {
    fn of(self, similarity: f64) -> f64 {
        match self {
            Self::Unread => 0.0,
            Self::Linear { factor, offset } => factor * similarity + offset,
            Self::Tail { center, scale } => -tail((similarity - center) * scale) * TAIL_SLACK,
        }
    }

    /// Returns the least and the greatest value for the similarities between two ends.
    fn range(self, ends: [f64; 2]) -> [f64; 2] {
        let [a, b] = ends.map(|similarity| self.of(similarity));
        let magnitude = match self {
            Self::Unread => 0.0,
            Self::Linear { factor, offset } => {
                (factor * ends[0]).abs().max((factor * ends[1]).abs()) + offset.abs()
            }
            Self::Tail { .. } => a.abs().max(b.abs()),
        };
        let rounding = ENGINE_ROUNDING * magnitude;
        [a.min(b) - rounding, a.max(b) + rounding]
    }

    fn tail(self) -> Option<(f64, f64)> {
        match self {
            Self::Tail { center, scale } => Some((center, scale)),
            _ => None,
        }
    }

    fn write(self, sql: &mut Sql, list: char, number: usize) {
        match self {
            Self::Unread => {
                sql.push("0.0D");
            }
            Self::Linear { factor, offset } => {
                sql.push("(").push_number(factor).push(&format!(" * s{list}{number}"));
                sql.push(" + ").push_number(offset).push(")");
            }
            Self::Tail { .. } => {
                let t = format!("t{list}{number}");
                let ratio = format!(
                    "exp(-0.5D * {t} * {t}) * {} / {}",
                    horner(&TAIL_RATIO.numerator, &t),
                    horner(&TAIL_RATIO.denominator, &t)
                );
                // `1 - ratio` below the mean, else `ratio`, which is long and written once.
                sql.push(&format!("((u{list}{number} + (1.0D - 2.0D * u{list}{number}) * ({ratio})) * "));
                sql.push_number(-TAIL_SLACK).push(")");
            }
        }
    }
}

/// Writes a polynomial of `t` by Horner's scheme. The coefficients are in the order of falling powers.
fn horner(coefficients: &[f64], t: &str) -> String {
    let mut text = String::new();
    for (i, coefficient) in coefficients.iter().enumerate() {
        text =
            if i == 0 { format!("{coefficient:e}D") } else { format!("({text} * {t} + {coefficient:e}D)") };
    }
    text
}

/// Computes `Q(z)` by the formula that [`List::write`] writes.
fn tail(z: f64) -> f64 {
    let t = z.abs().min(TAIL_RATIO.far);
    let polynomial = |coefficients: &[f64]| coefficients.iter().fold(0.0, |sum, c| sum * t + c);
    let q = (-0.5 * t * t).exp() * polynomial(&TAIL_RATIO.numerator) / polynomial(&TAIL_RATIO.denominator);
    if z < 0.0 { 1.0 - q } else { q }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_kernels_within_what_is_allowed_for() {
        let z: Vec<f32> = (-1400..1400).map(|i| i as f32 / 100.0).collect();
        let mut exact = vec![0.0; z.len()];
        rscir_kernels::survival(&z, &mut exact);
        for (&z, &q) in z.iter().zip(&exact) {
            let q = f64::from(q);
            // Below the normal numbers of f32 the error of rounding is no longer relative.
            if q > f64::from(f32::MIN_POSITIVE) {
                assert!(tail(f64::from(z)) * TAIL_SLACK < q, "the bound of {z} is above its score");
                assert!((tail(f64::from(z)) - q).abs() <= q * 2e-7, "{z}");
            }
        }
    }

    #[test]
    fn a_bound_as_sql_has_a_name_for_each_list_of_each_question() {
        let tail = List::Tail { center: 0.1, scale: 20.0 };
        let bound = Bound {
            image: tail,
            text: List::Unread,
            join: Join::Sum([0.25, 0.75]),
            slack: 0.5,
            steps: Steps::Ratios,
        };
        let mut sql = Sql::default();
        bound.write(&mut sql, 3);
        assert!(sql.text().starts_with("((2.5e-1D) * ((ui3 + (1.0D - 2.0D * ui3) * (exp("), "{}", sql.text());
        assert!(sql.text().ends_with(" + (7.5e-1D) * 0.0D + (5e-1D))"), "{}", sql.text());
        assert_eq!(bound.reads(), [true, false]);
    }
}
