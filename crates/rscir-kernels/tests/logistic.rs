//! The logarithm of the logistic function: right, monotone and the same on every machine.

mod common;

use common::on_every_isa;
use rscir_kernels::{Affine, log_sigmoid_of_scores, sigmoid_moments};

const NOTHING: Affine = Affine { at_zero: 0.0, slope: 0.0 };
const AS_IT_IS: Affine = Affine { at_zero: 0.0, slope: 1.0 };

fn log_sigmoids(x: &[f32], order: Affine) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len()];
    log_sigmoid_of_scores(x, AS_IT_IS, order, &mut out);
    out
}

#[test]
fn is_right_to_a_unit_in_the_last_place() {
    let x: Vec<f32> = (-90_000..=85_000).map(|i| i as f32 * 1e-3).collect();
    on_every_isa(
        || log_sigmoids(&x, NOTHING),
        |isa, out, _| {
            for (&x, &got) in x.iter().zip(out) {
                let x = f64::from(x);
                let want = x.min(0.0) - (-x.abs()).exp().ln_1p();
                let spacing = f64::from(f32::from_bits((want as f32).to_bits() + 1)) - f64::from(want as f32);
                let off = (f64::from(got) - want).abs() / spacing.abs();
                assert!(off <= 0.51, "{isa:?} at {x}: {got:e} for {want:e}");
            }
        },
    );
}

#[test]
fn never_falls_from_one_f32_to_the_next() {
    let order = Affine { at_zero: -0.1, slope: 0.03 };
    let starts = (-20..7).flat_map(|e| [1.0, 1.3, 1.7].map(|m: f32| m * (e as f32).exp2()));
    for start in starts {
        let upwards: Vec<f32> = (0..50_000).map(|i| f32::from_bits(start.to_bits() + i)).collect();
        let downwards: Vec<f32> = upwards.iter().map(|x| -x).collect();
        for order in [NOTHING, order] {
            let (up, down) = (log_sigmoids(&upwards, order), log_sigmoids(&downwards, order));
            assert!(up.is_sorted(), "up from {start:e}");
            assert!(down.is_sorted_by(|a, b| a >= b), "down from {:e}", -start);
        }
    }
}

#[test]
fn is_finite_wherever_its_lines_are() {
    let far = log_sigmoids(&[-1e30, -800.0, 800.0, 1e30], NOTHING);
    assert_eq!(far, [-1e30, -800.0, 0.0, 0.0]);
    let flat = Affine { at_zero: -3.0, slope: 0.0 };
    let mut out = [0.0; 2];
    log_sigmoid_of_scores(&[0.1, 0.9], flat, NOTHING, &mut out);
    assert_eq!(out[0], out[1]);
}

#[test]
fn moments_are_the_sums_over_all_points() {
    let counts: Vec<f64> = (0..256 + 5).map(|i| f64::from(i * 7 % 31)).collect();
    for (slope, threshold) in [(4.0, 1.5), (0.3, -2.0), (400.0, 0.7)] {
        let odds = Affine { at_zero: -slope * threshold, slope };
        on_every_isa(
            || sigmoid_moments(-3.0, 0.04, &counts, odds),
            |isa, sums, _| {
                let mut want = [0.0; 3];
                for (i, count) in counts.iter().enumerate() {
                    let x = -3.0 + 0.04 * i as f64;
                    let r = count / (1.0 + (-slope * (x - threshold)).exp());
                    [r, r * x, r * x * x].iter().zip(&mut want).for_each(|(term, sum)| *sum += term);
                }
                for (got, want) in sums.iter().zip(want) {
                    assert!((got - want).abs() <= 1e-8 * want.abs().max(1.0), "{isa:?}: {got} for {want}");
                }
            },
        );
    }
}
