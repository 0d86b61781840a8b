//! Mixing, comparing and binning lists of scores, on every instruction set.

mod common;

use common::{numbers, on_every_isa};
use proptest::prelude::*;
use rscir_kernels::{BinSet, Binning, count_above, weighted_sum};

/// Lengths around the widths of registers and of the unrolled loops.
const LENGTHS: [usize; 12] = [0, 1, 7, 15, 16, 17, 31, 32, 33, 63, 100, 2048];

#[test]
fn a_weighted_sum_rounds_its_products() {
    for n in LENGTHS {
        let (a, b) = (numbers(n, 1), numbers(n, 2));
        let want: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.3 * a + 0.7 * b).collect();
        on_every_isa(
            || {
                let mut out = vec![f32::NAN; n];
                weighted_sum(&a, &b, [0.3, 0.7], &mut out);
                out
            },
            |isa, out, _| assert_eq!(out, &want, "{isa:?}, {n}"),
        );
    }
}

#[test]
fn counts_what_is_above_thresholds() {
    for n in LENGTHS {
        let mut scores: Vec<f32> = numbers(n, 3).iter().map(|x| (x * 8.0).round() / 8.0).collect();
        scores.iter_mut().step_by(9).for_each(|score| *score = f32::NAN);
        scores.iter_mut().skip(3).step_by(11).for_each(|score| *score = f32::NEG_INFINITY);
        let thresholds = [0.0, -0.0, 0.25, -0.5, 9.0, f32::NEG_INFINITY, f32::INFINITY];
        for together in 0..=thresholds.len() {
            for or_equal in [false, true] {
                let thresholds = &thresholds[..together];
                let above = |s: f32, t: f32| if or_equal { s >= t } else { s > t };
                let want: Vec<u32> = thresholds
                    .iter()
                    .map(|&t| 5 + scores.iter().filter(|&&s| above(s, t)).count() as u32)
                    .collect();
                on_every_isa(
                    || {
                        let mut counts = vec![5; together];
                        count_above(&scores, thresholds, or_equal, &mut counts);
                        counts
                    },
                    |isa, counts, _| assert_eq!(counts, &want, "{isa:?}, {n}, or equal: {or_equal}"),
                );
            }
        }
    }
}

fn bins_of(binning: Binning, scores: &[f32]) -> Vec<u16> {
    let mut bins = vec![u16::MAX; scores.len()];
    binning.bins(scores, &mut bins);
    bins
}

proptest! {
    #[test]
    fn bins_keep_the_order_of_scores(
        n in 0usize..200,
        seed in 0u64..1000,
        (low, width) in (-2.0f32..1.0, 1e-3f32..2.0),
        exponent in -30i32..30,
    ) {
        let unit = 10f32.powi(exponent);
        let (low, high) = (low * unit, (low + width) * unit);
        let binning = Binning::over(low, high).unwrap();
        let mut scores: Vec<f32> = numbers(n, seed).iter().map(|score| 2.0 * score * unit).collect();
        scores.extend([low, high, low.next_down(), high.next_up(), f32::INFINITY, f32::NEG_INFINITY]);
        scores.sort_by(f32::total_cmp);
        scores.push(f32::NAN);
        on_every_isa(|| bins_of(binning, &scores), |isa, bins, portable| {
            assert_eq!(bins, portable, "{isa:?}");
            for (i, (&score, &bin)) in scores.iter().zip(bins).enumerate() {
                let bin = usize::from(bin);
                let within = Binning::OUTSIDE..Binning::BINS - Binning::OUTSIDE;
                if (low..=high).contains(&score) {
                    assert_eq!(bin, binning.bin(score));
                }
                if within.contains(&bin) {
                    assert!(scores[..i].iter().zip(bins).all(|(_, &b)| usize::from(b) <= bin), "{isa:?}: {score}");
                } else {
                    assert_eq!(bin % Binning::OUTSIDE, i % Binning::OUTSIDE, "those outside take turns");
                    assert!(if bin < within.start { score.is_nan() || score < low } else { score > high });
                }
            }
        });
    }

    #[test]
    fn the_bins_of_a_set_are_found(
        bins in prop::collection::vec(0..Binning::BINS as u16, 0..300),
        set in prop::collection::btree_set(0..Binning::BINS, 0..1200),
        whole in any::<bool>(),
    ) {
        let mut bin_set = BinSet::default();
        for &bin in &set {
            prop_assert!(bin_set.insert(bin) && !bin_set.insert(bin));
        }
        if whole {
            (0..Binning::BINS).for_each(|bin| { bin_set.insert(bin); });
        }
        let chosen = |bin: u16| whole || set.contains(&usize::from(bin));
        let want: Vec<bool> = bins.iter().map(|&bin| chosen(bin)).collect();
        on_every_isa(
            || {
                let mut hits = vec![u64::MAX; bins.len().div_ceil(64)];
                bin_set.find(&bins, &mut hits);
                hits
            },
            |isa, hits, portable| {
                assert_eq!(hits, portable, "{isa:?}");
                let bits: Vec<bool> = (0..64 * hits.len()).map(|i| hits[i / 64] >> (i % 64) & 1 == 1).collect();
                assert_eq!(bits[..want.len()], want, "{isa:?}");
                assert!(bits[want.len()..].iter().all(|bit| !bit), "{isa:?}: no bin, no hit");
            },
        );
        bin_set.clear();
        let mut hits = vec![u64::MAX; bins.len().div_ceil(64)];
        bin_set.find(&bins, &mut hits);
        prop_assert!(hits.iter().all(|hits| *hits == 0));
    }
}

#[test]
fn a_span_without_steps_has_no_bins() {
    for (low, high) in [(0.5, 0.5), (1.0, 0.0), (f32::NEG_INFINITY, 0.0), (0.0, f32::NAN), (0.0, 1e-45)] {
        assert_eq!(Binning::over(low, high), None, "{low} to {high}");
    }
}
