//! Gains of methods without a lambda on other methods, with intervals by query, by image and by text.

use std::fmt::Write;

use rscir::bench::{Bootstrap, Clusters, Convention, Evaluation, Interval, QuerySet, Sample, tile_class};

/// Families whose differences are shown, beside WeiCom with the lambda that it finds by itself.
const SHOWN: [&str; 2] = ["conjunction", "posterior"];

/// Makes a Markdown table of the differences between methods and references. The methods are among the first
/// `in_table`; the references are WeiCom with the lambda that turns out best, and the product if it was evaluated.
pub(crate) fn markdown(
    evaluation: &Evaluation,
    queries: &QuerySet,
    in_table: usize,
) -> anyhow::Result<String> {
    let samples: Vec<Sample> = (0..evaluation.methods.len())
        .map(|method| Sample::of(evaluation, method, Convention::Standard))
        .collect::<Result<_, _>>()?;
    let is_auto = |method: usize| evaluation.methods[method].choice("lambda") == Some("auto");
    let of_family = |family: &str| {
        let family = family.to_owned();
        (0..evaluation.methods.len()).filter(move |&method| evaluation.methods[method].family == family)
    };
    let fixed = of_family("weicom").filter(|&method| !is_auto(method));
    let best = fixed.max_by(|&a, &b| samples[a].mean().total_cmp(&samples[b].mean()));
    let references: Vec<usize> = best.into_iter().chain(of_family("product").take(1)).collect();
    let shown: Vec<usize> = (0..in_table)
        .filter(|&method| is_auto(method) || SHOWN.contains(&evaluation.methods[method].family.as_ref()))
        .collect();
    let clusters = [
        ("query", Clusters::of(queries, |q| format!("{} {}", q.image, q.text))?),
        ("image", Clusters::of(queries, |q| q.image.into())?),
        ("text of a class", Clusters::of(queries, |q| format!("{} {}", tile_class(q.image), q.text))?),
    ];
    let mut out = String::from("| difference of mAP, 95 % intervals |");
    for (name, clusters) in &clusters {
        write!(out, " by {name} ({}) |", clusters.len())?;
    }
    out += "\n|---|---:|---:|---:|\n";
    for &reference in &references {
        for &method in shown.iter().filter(|&&method| method != reference) {
            let labels = [method, reference].map(|method| &evaluation.methods[method].label);
            write!(out, "| {} on {} |", labels[0], labels[1])?;
            for (_, clusters) in &clusters {
                let difference = Bootstrap::default().difference_by_clusters(
                    &samples[method],
                    &samples[reference],
                    clusters,
                )?;
                let Interval { estimate, low, high } = difference;
                write!(out, " {estimate:+.2} [{low:+.2}, {high:+.2}] |")?;
            }
            out.push('\n');
        }
    }
    Ok(out)
}
