use std::collections::HashMap;

use rayon::prelude::*;
use rscir_core::Error as CoreError;

use super::bootstrap::{Bootstrap, Interval};
use super::sample::{QueryNames, Sample};
use crate::{QuerySet, Result};

/// The queries of a group that belong together because they share an image or a text. They are drawn
/// together, so that an interval says what other images or other texts would do.
///
/// Clusters by image: `|q| q.image.into()`. Clusters by text, separately for each class of images: `|q|
/// format!("{} {}", tile_class(q.image), q.text)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// For each group, the places of the queries of each cluster.
    groups: Vec<Vec<Vec<usize>>>,
}

impl Clusters {
    /// Puts the queries of a group with equal names into one cluster.
    ///
    /// # Errors
    /// [`Error::BadIndex`](crate::Error::BadIndex) if `queries` are inconsistent.
    pub fn of(queries: &QuerySet, mut name: impl FnMut(QueryNames<'_>) -> String) -> Result<Self> {
        let groups = queries.groups.iter().map(|group| {
            let mut clusters: Vec<Vec<usize>> = Vec::new();
            let mut places = HashMap::new();
            for (place, query) in group.queries.iter().enumerate() {
                let cluster = *places.entry(name(queries.names(group, *query)?)).or_insert_with(|| {
                    clusters.push(Vec::new());
                    clusters.len() - 1
                });
                clusters[cluster].push(place);
            }
            Ok(clusters)
        });
        Ok(Self { groups: groups.collect::<Result<_>>()? })
    }

    /// Returns the number of clusters in all groups.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// Tells whether there are no clusters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Bootstrap {
    /// Computes the difference of the averages of two samples of the same queries like
    /// [`Bootstrap::difference`], but draws whole clusters: from each group as many as it has, with
    /// replacement. The mean of a resample is over its queries.
    ///
    /// # Errors
    /// The errors of [`Bootstrap::difference`]; [`rscir_core::Error::Length`] if the clusters are of other
    /// queries.
    pub fn difference_by_clusters(
        &self,
        first: &Sample,
        second: &Sample,
        clusters: &Clusters,
    ) -> Result<Interval> {
        self.check()?;
        let paired = first.less(second)?;
        CoreError::check_length("groups of the clusters", paired.values.len(), clusters.groups.len())?;
        let mut averages = vec![0.0; self.resamples];
        let mut asked = 0;
        for (g, (values, clusters)) in (0u64..).zip(paired.values.iter().zip(&clusters.groups)) {
            let queries: usize = clusters.iter().map(Vec::len).sum();
            CoreError::check_length("queries of a group of the clusters", values.len(), queries)?;
            if values.is_empty() {
                continue;
            }
            asked += 1;
            // A draw needs only the sum and the number of the queries of each cluster.
            let sum = |cluster: &Vec<usize>| (cluster.iter().map(|&q| values[q]).sum::<f64>(), cluster.len());
            let sums: Vec<(f64, usize)> = clusters.iter().map(sum).collect();
            averages.par_iter_mut().enumerate().for_each(|(r, average)| {
                let mut random = self.random(g, r, false);
                let drawn = (0..sums.len()).map(|_| sums[random.below(sums.len())]);
                let (sum, count) = drawn.fold((0.0, 0), |(a, n), (sum, count)| (a + sum, n + count));
                *average += sum / count as f64;
            });
        }
        averages.iter_mut().for_each(|average| *average /= f64::from(asked.max(1)));
        Ok(self.interval(paired.mean(), &mut averages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Query, QueryGroup};

    /// Makes eight queries of four images with two texts, in one group.
    fn queries() -> QuerySet {
        let query = |i: usize| Query { image: i / 2, text: i % 2, relevant: 0 };
        let group = QueryGroup { name: "g".into(), queries: (0..8).map(query).collect(), gallery: None };
        QuerySet {
            images: (0..4).map(|i| format!("a{i}.jpg").into()).collect(),
            texts: vec!["x".into(), "y".into()],
            relevant: vec![vec![0]],
            groups: vec![group],
        }
    }

    fn sample(values: [f64; 8]) -> Sample {
        Sample { groups: vec!["g".into()], values: vec![values.to_vec()] }
    }

    #[test]
    fn queries_that_share_a_text_are_drawn_together() {
        let queries = queries();
        let by_image = Clusters::of(&queries, |q| q.image.into()).unwrap();
        let by_text = Clusters::of(&queries, |q| q.text.into()).unwrap();
        assert_eq!((by_image.len(), by_text.len()), (4, 2));
        // All of the difference is one text's: images say it is sure, texts that it is not.
        let (first, second) = (sample([10.0, 0.0].repeat(4).try_into().unwrap()), sample([0.0; 8]));
        let bootstrap = Bootstrap::default().resamples(2000);
        let images = bootstrap.difference_by_clusters(&first, &second, &by_image).unwrap();
        assert_eq!((images.estimate, images.low, images.high), (5.0, 5.0, 5.0));
        let texts = bootstrap.difference_by_clusters(&first, &second, &by_text).unwrap();
        assert_eq!((texts.estimate, texts.low, texts.high), (5.0, 0.0, 10.0));
    }

    #[test]
    fn clusters_of_one_query_each_are_the_plain_bootstrap() {
        let queries = queries();
        let alone = Clusters::of(&queries, |q| format!("{} {}", q.image, q.text)).unwrap();
        let (first, second) = (sample([9.0, 1.0, 4.0, 7.0, 2.0, 8.0, 3.0, 3.0]), sample([1.0; 8]));
        let bootstrap = Bootstrap::default().resamples(500);
        let plain = bootstrap.difference(&first, &second).unwrap().interval;
        let clustered = bootstrap.difference_by_clusters(&first, &second, &alone).unwrap();
        assert!((plain.low - clustered.low).abs() < 1e-12 && (plain.high - clustered.high).abs() < 1e-12);
        let shorter = Sample { values: vec![vec![1.0; 7]], ..first.clone() };
        assert!(bootstrap.difference_by_clusters(&shorter, &shorter, &alone).is_err());
    }
}
