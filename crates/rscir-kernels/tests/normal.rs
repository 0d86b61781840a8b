//! The normal tail: right, monotone and the same on every machine.

mod common;

use common::{numbers, on_every_isa};
use rscir_kernels::{mean_and_std_dev, survival, survival_of_scores};

fn tails(z: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; z.len()];
    survival(z, &mut out);
    out
}

/// The distance in units in the last place of `want` rounded to f32.
fn ulps(got: f32, want: f64) -> f64 {
    let spacing = f64::from(f32::from_bits((want as f32).to_bits() + 1)) - f64::from(want as f32);
    (f64::from(got) - want).abs() / spacing
}

#[test]
fn is_right_to_half_a_unit_in_the_last_place_where_f32_has_normal_numbers() {
    let z: Vec<f32> = (-60_000..=129_000).map(|i| i as f32 * 1e-4).collect();
    on_every_isa(
        || tails(&z),
        |isa, out, _| {
            for (&z, &got) in z.iter().zip(out) {
                let want = common::survival(f64::from(z));
                assert!(ulps(got, want) <= 0.51, "{isa:?} at {z}: {got:e} for {want:e}");
            }
        },
    );
}

/// Digits of Q(z) computed with mpmath 1.4 at 40 digits.
#[test]
fn has_the_published_values() {
    for (z, want) in [
        (0.0, 0.5),
        (1.0, 0.158_655_253_931_457_05),
        (1.959_963_984_540_054, 0.025),
        (3.0, 1.349_898_031_630_094_5e-3),
        (6.0, 9.865_876_450_376_981e-10),
        (9.0, 1.128_588_405_953_840_6e-19),
        (12.0, 1.776_482_112_077_678_9e-33),
        (-1.0, 0.841_344_746_068_542_9),
        (-3.0, 0.998_650_101_968_369_9),
    ] {
        let mut out = [0.0];
        // The second is no f32: the score is standardized in f64.
        survival_of_scores(&[0.0], -z, 1.0, &mut out);
        assert!(ulps(out[0], want) <= 0.51, "at {z}: {:e} for {want:e}", out[0]);
        assert!((common::survival(z) / want - 1.0).abs() < 1e-13, "the reference at {z}");
    }
}

#[test]
fn never_increases_from_one_f32_to_the_next() {
    // 100,000 neighbors each from starts at every magnitude, on both sides of zero.
    let starts = (-30..4).flat_map(|e| [1.0, 1.3, 1.7].map(|m| m * (e as f32).exp2())).chain([0.0]);
    for start in starts {
        let upwards: Vec<f32> = (0..100_000).map(|i| f32::from_bits(start.to_bits() + i)).collect();
        let downwards: Vec<f32> = upwards.iter().map(|z| -z).collect();
        on_every_isa(
            || (tails(&upwards), tails(&downwards)),
            |isa, (up, down), _| {
                assert!(up.is_sorted_by(|a, b| a >= b), "{isa:?} up from {start:e}");
                assert!(down.is_sorted_by(|a, b| a <= b), "{isa:?} down from {:e}", -start);
            },
        );
    }
}

#[test]
fn decreases_between_scores_that_differ_in_the_upper_tail() {
    let z: Vec<f32> = (0..10_900).map(|i| 2.0 + i as f32 / 1000.0).collect();
    assert!(tails(&z).is_sorted_by(|a, b| a > b));
}

#[test]
fn is_the_same_on_every_isa() {
    for n in [0, 1, 7, 8, 15, 16, 17, 1000] {
        let scores = numbers(n, n as u64);
        on_every_isa(
            || {
                let mut out = vec![0.0; n];
                survival_of_scores(&scores, 0.1, 0.2, &mut out);
                (out, mean_and_std_dev(&scores))
            },
            |isa, (out, moments), (portable, portable_moments)| {
                for (out, portable) in out.iter().zip(portable) {
                    // Where the target has no fused multiply-add, the portable twin rounds its f64 twice.
                    assert!(
                        out.to_bits().abs_diff(portable.to_bits()) <= 1,
                        "{isa:?} {n}: {out:e} and {portable:e}"
                    );
                }
                assert_eq!(moments.0.to_bits(), portable_moments.0.to_bits(), "{isa:?} {n}");
                assert_eq!(moments.1.to_bits(), portable_moments.1.to_bits(), "{isa:?} {n}");
            },
        );
    }
}

#[test]
fn the_ends_of_f32_have_their_limits() {
    let out = tails(&[f32::INFINITY, f32::MAX, 38.0, -38.0, f32::MIN, f32::NEG_INFINITY]);
    assert_eq!(out, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert!(tails(&[f32::NAN])[0].is_nan());
    let mut out = [9.0; 3];
    survival_of_scores(&[2.0, 1.0, 0.0], 1.0, 0.0, &mut out);
    assert!(out[0] == 0.0 && out[1].is_nan() && out[2] == 1.0, "{out:?}");
}

#[test]
fn moments_are_those_of_the_definition() {
    assert!(mean_and_std_dev(&[]).0.is_nan() && mean_and_std_dev(&[]).1.is_nan());
    assert_eq!(mean_and_std_dev(&[3.0]).0, 3.0);
    assert!(mean_and_std_dev(&[3.0]).1.is_nan());
    assert_eq!(mean_and_std_dev(&[1.0, 2.0, 3.0, 4.0]), (2.5, (5.0_f64 / 3.0).sqrt()));
    // A large offset, which a sum of squares would drown in.
    let offset: Vec<f32> = numbers(10_007, 5).iter().map(|x| 1000.0 + x / 16.0).collect();
    let n = offset.len() as f64;
    let mean = offset.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let deviation = (offset.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let got = mean_and_std_dev(&offset);
    assert!((got.0 / mean - 1.0).abs() < 1e-14 && (got.1 / deviation - 1.0).abs() < 1e-12, "{got:?}");
}

#[test]
#[should_panic(expected = "one tail for each score")]
fn lengths_must_agree() {
    survival(&[0.0; 3], &mut [0.0; 2]);
}
