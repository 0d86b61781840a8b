//! Resizing of position embeddings for images or texts of another size than the checkpoint has. The results are those
//! of open_clip 3.3.0 when it loads a checkpoint (`resize_pos_embed`, `resize_text_pos_embed` of model.py).

/// Largest ratio by which the number of positions of a table may grow. Real changes of size are of four and less, and
/// a configuration must not ask for more memory than its checkpoint justifies.
const MAX_GROWTH: usize = 64;

/// Resizes a table `[1 + side * side, width]` of a class token and a square grid to `[tokens, width]`.
///
/// The class token stays as it is. The grid is interpolated bicubically, with a wider kernel if it shrinks
/// (`antialias`). Returns `None` if one of the shapes is not of such a table, or if the table would grow too much.
pub(super) fn resize_grid(values: &[f32], from: &[usize], [tokens, width]: [usize; 2]) -> Option<Vec<f32>> {
    let &[old_tokens, old_width] = from else { return None };
    let (old, new) = (side(old_tokens)?, side(tokens)?);
    if old_width != width || tokens > old_tokens.checked_mul(MAX_GROWTH)? {
        return None;
    }
    let taps = taps(old, new);
    let (class, grid) = values.split_at_checked(width)?;
    // Along the rows of the grid first, then along its columns: the order of torch.
    let mut rows = vec![0.0; old * new * width];
    for y in 0..old {
        for (x, taps) in taps.iter().enumerate() {
            let out = &mut rows[(y * new + x) * width..][..width];
            add(out, taps, |from| &grid[(y * old + from) * width..][..width]);
        }
    }
    let mut resized = class.to_vec();
    for taps in &taps {
        for x in 0..new {
            let start = resized.len();
            resized.resize(start + width, 0.0);
            add(&mut resized[start..], taps, |from| &rows[(from * new + x) * width..][..width]);
        }
    }
    Some(resized)
}

/// Resizes a table `[positions, width]` to another number of positions by linear interpolation. Returns `None` if the
/// shape is not of such a table, or if the table would grow too much.
pub(super) fn resize_line(
    values: &[f32],
    from: &[usize],
    [positions, width]: [usize; 2],
) -> Option<Vec<f32>> {
    let &[old, old_width] = from else { return None };
    if old_width != width || old == 0 || positions > old.checked_mul(MAX_GROWTH)? {
        return None;
    }
    let scale = old as f64 / positions as f64;
    let mut resized = vec![0.0; positions * width];
    for (position, out) in resized.chunks_exact_mut(width.max(1)).enumerate() {
        let source = ((position as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (source as usize).min(old - 1);
        let part = source - first as f64;
        let taps = [(first, 1.0 - part), ((first + 1).min(old - 1), part)];
        add(out, &taps, |from| &values[from * width..][..width]);
    }
    Some(resized)
}

/// Returns the side of the square grid in a table of `tokens` rows, one of which is the class token. Returns `None`
/// if the other rows are not a square.
fn side(tokens: usize) -> Option<usize> {
    let positions = tokens.checked_sub(1)?;
    let side = positions.isqrt();
    (side > 0 && side * side == positions).then_some(side)
}

/// Returns, for each position of the new side, the old positions and weights whose sum it is.
///
/// The kernel is torch's bicubic one with `antialias`, which is also Pillow's: Keys' kernel with a = -0.5, as wide as
/// the scale, normalized at the edges.
fn taps(old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
    let scale = old as f64 / new as f64;
    let wide = scale.max(1.0);
    let window = |position: usize| {
        let center = (position as f64 + 0.5) * scale;
        let first = (center - 2.0 * wide + 0.5).max(0.0) as usize;
        let end = ((center + 2.0 * wide + 0.5) as usize).min(old);
        let weight = |from: usize| cubic((from as f64 - center + 0.5) / wide);
        let sum: f64 = (first..end).map(weight).sum();
        (first..end).map(|from| (from, weight(from) / sum)).collect()
    };
    (0..new).map(window).collect()
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// Adds weighted rows to `out`.
fn add<'v>(out: &mut [f32], taps: &[(usize, f64)], row: impl Fn(usize) -> &'v [f32]) {
    for &(from, weight) in taps {
        for (out, value) in out.iter_mut().zip(row(from)) {
            *out += (weight * f64::from(*value)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        let far = got.iter().zip(expected).find(|(a, b)| (**a - **b).abs() > 1e-6);
        assert_eq!(far, None, "{got:?}");
    }

    /// Makes a grid of width 1 with a class token of 9 before it.
    fn grid(side: usize) -> Vec<f32> {
        let value = |at: usize| ((at / side * 7 + at % side * 13) % 11) as f32 / 4.0 - 1.0;
        std::iter::once(9.0).chain((0..side * side).map(value)).collect()
    }

    /// Compares with Pillow 13, which resizes the grid as a picture of floats: `resize((n, n), BICUBIC)`.
    #[test]
    fn grids_are_resized_as_pillow_resizes_pictures_of_floats() {
        let five = [
            -1.1698112,
            -0.98838353,
            -0.6320755,
            -0.15030977,
            0.12887149,
            -0.37915373,
            -0.13973045,
            0.15858209,
            -0.20058756,
            -0.4734582,
            0.7122642,
            1.0261194,
            1.25,
            -0.18843284,
            -1.1698114,
            0.14136864,
            0.3807919,
            0.6791045,
            0.31993482,
            0.04706417,
            -0.36320755,
            -0.18177977,
            0.1745283,
            0.656294,
            0.9354752,
        ];
        let two = [0.044092774, -0.044844087, 0.2837622, 0.29644066];
        let three = [
            -0.04633133,
            -0.1785152,
            0.3468639,
            0.34094813,
            0.26966467,
            0.04508049,
            0.65260357,
            0.39629698,
            -0.03532544,
        ];
        for (old, new, expected) in [(3, 5, &five[..]), (4, 2, &two[..]), (5, 3, &three[..])] {
            let resized = resize_grid(&grid(old), &[old * old + 1, 1], [new * new + 1, 1]).unwrap();
            assert_eq!(resized[0], 9.0, "the class token stays");
            close(&resized[1..], expected);
        }
    }

    #[test]
    fn every_column_of_a_table_is_resized_alike() {
        let one = grid(3);
        let two: Vec<f32> = one.iter().flat_map(|value| [*value, -2.0 * value]).collect();
        let resized_one = resize_grid(&one, &[10, 1], [17, 1]).unwrap();
        let resized_two = resize_grid(&two, &[10, 2], [17, 2]).unwrap();
        for (pair, value) in resized_two.chunks_exact(2).zip(&resized_one) {
            close(pair, &[*value, -2.0 * value]);
        }
    }

    /// Compares with values by hand from the definition of `interpolate(mode="linear", align_corners=False)`:
    /// position i of n lies at (i + 0.5) * old / n - 0.5, not before the first and not after the last.
    #[test]
    fn lines_are_resized_linearly() {
        let line = |values: &[f32], new| resize_line(values, &[values.len(), 1], [new, 1]).unwrap();
        close(&line(&[0.0, 4.0], 4), &[0.0, 1.0, 3.0, 4.0]);
        close(&line(&[0.0, 1.0, 2.0, 3.0], 2), &[0.5, 2.5]);
        close(&line(&[1.0, 5.0, 3.0], 5), &[1.0, 2.6, 5.0, 3.8, 3.0]);
        close(
            &resize_line(&[0.0, 1.0, 4.0, 5.0], &[2, 2], [4, 2]).unwrap(),
            &[0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0],
        );
    }

    #[test]
    fn what_is_no_such_table_is_left_to_the_loader() {
        let values = vec![0.0; 100];
        for (from, to) in [
            (&[9, 1][..], [17, 1]),
            (&[10, 1], [12, 1]),
            (&[10, 2], [17, 1]),
            (&[10], [17, 1]),
            (&[1, 1], [5, 1]),
            (&[0, 1], [5, 1]),
            (&[5, 1], [401 * 401 + 1, 1]),
        ] {
            assert_eq!(resize_grid(&values, from, to), None, "{from:?} {to:?}");
        }
        for (from, to) in [(&[10, 2][..], [17, 1]), (&[10], [17, 1]), (&[0, 1], [5, 1]), (&[2, 1], [1000, 1])]
        {
            assert_eq!(resize_line(&values, from, to), None, "{from:?} {to:?}");
        }
    }
}
