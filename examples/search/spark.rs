//! A table on an engine, asked in place of an archive.

use clap::Args;

/// The options that are about an engine.
#[derive(Args, Debug)]
#[command(next_help_heading = "A table on an engine (built with --features spark)")]
pub(crate) struct SparkArgs {
    /// Ask a table on an engine that speaks Spark Connect, such as sc://127.0.0.1:50051, in place of an archive; several parts are
    /// ranked by weicom then, of equal weights unless --lambda says otherwise
    #[arg(long, value_name = "ADDRESS", requires = "table", conflicts_with = "archive")]
    pub(crate) spark: Option<String>,
    /// The folder that `export_parquet` published into, which this program and the engine both see, or a name of the engine's catalog
    #[arg(long, value_name = "DIR|NAME", requires = "spark")]
    pub(crate) table: Option<String>,
}

#[cfg(feature = "spark")]
pub(crate) use asking::run;

#[cfg(not(feature = "spark"))]
pub(crate) fn run(
    _: &crate::args::Cli,
    _: &crate::places::Places,
    _: &str,
    _: &str,
) -> anyhow::Result<crate::common::Outcome> {
    anyhow::bail!(
        "--spark needs the feature `spark`, and protoc to build it: cargo run --release --features spark --example search -- ..."
    )
}

#[cfg(feature = "spark")]
mod asking {
    use std::path::{Path, PathBuf};

    use rscir::index::{Answer, Filter};
    use rscir::prelude::*;
    use rscir::spark::{FoundRows, SparkArchive, Table, TableName, TableSearch};

    use crate::args::Cli;
    use crate::asked::Asked;
    use crate::common::out::{self, note};
    use crate::common::{Outcome, text, usage};
    use crate::places::Places;
    use crate::query_image::QueryImage;
    use crate::shown;

    /// Asks a table and prints the answer.
    pub(crate) fn run(cli: &Cli, places: &Places, address: &str, table: &str) -> anyhow::Result<Outcome> {
        refuse_what_needs_an_archive(cli);
        let archive = SparkArchive::connect(address, named(table))?;
        let facts = archive.facts();
        cli.vectors.get().map_or(Ok(()), |vectors| vectors.check(facts.spec.dim))?;
        let model = cli.model.or_recorded(&facts.spec);
        model.check()?;
        let rows = judged_rows(cli, &archive)?;
        let decoding = model.decoding();
        let read = |path: &PathBuf| QueryImage::read(path, cli.window, &decoding, None);
        let images: Vec<QueryImage> = cli.image.iter().map(read).collect::<anyhow::Result<_>>()?;
        let needs_encoder = !images.is_empty() || cli.encodes_texts();
        let encoder = needs_encoder.then(|| model.load()).transpose()?;
        let spec = method_spec(cli)?;
        let asked = Asked::new(cli, &rows, &images, encoder.as_ref(), false)?;
        let is_asked_for = |rows: &dyn Archive, row: usize| {
            !cli.judged().any(|key| key == rows.key(row)) && places.hold(rows, row)
        };
        let near = places.near(|column| facts.columns.get(column).copied());
        let filters: Vec<Filter> =
            cli.filter.iter().map(|chosen| chosen.filter.clone()).chain(near).collect();
        let filter = filters.into_iter().reduce(Filter::and);
        let mut search = TableSearch::top(cli.top).exclude_query(true).keep(&is_asked_for);
        search.matching = filter.as_ref();
        let found = archive.search(&spec, std::slice::from_ref(&asked.query), &search)?;
        for found in found {
            let mut answer = Answer::default();
            answer.hits = found.hits;
            if answer.hits.is_empty() {
                note!("no tile found: none of the {} rows is as is asked for", archive.len());
            }
            places.write(&found.rows, &answer.hits)?;
            if cli.json {
                print_json(&answer, &asked, &found.rows, &*spec.build(&Resources::default())?);
            } else {
                shown::lines(&answer, &asked);
            }
        }
        Ok(Outcome::Done)
    }

    /// Tells a path and a URL from a name of the catalog: a folder that is there, or anything with a slash.
    fn named(table: &str) -> Table {
        if Path::new(table).is_dir() || table.contains(['/', '\\']) {
            return Table::published(table);
        }
        Table::Plain(TableName::Catalog(table.split('.').map(String::from).collect()))
    }

    /// The rows that options name by their keys.
    fn judged_rows(cli: &Cli, archive: &SparkArchive) -> anyhow::Result<FoundRows> {
        let options = [("--like", &cli.like), ("--unlike", &cli.unlike)];
        let judged = options.iter().flat_map(|(option, keys)| keys.iter().map(move |key| (*option, key)));
        let named: Vec<(&str, &String)> = cli.key.iter().map(|key| ("--key", key)).chain(judged).collect();
        let keys: Vec<&str> = named.iter().map(|(_, key)| key.as_str()).collect();
        let rows = archive.rows(&keys)?;
        for (option, key) in named {
            anyhow::ensure!(
                rows.find(key).is_some(),
                "{option} {}: the table has no such key",
                text::shown(key)
            );
        }
        Ok(rows)
    }

    /// How rows are ranked: as for an archive, but for the default of several parts, which looks at all rows.
    fn method_spec(cli: &Cli) -> anyhow::Result<MethodSpec> {
        match cli.method_spec() {
            MethodSpec::WeiComByParts(_) if cli.method.is_none() => {
                let weicom = cli.lambda.map_or(Ok(WeiCom::default()), WeiCom::new)?;
                let spec = MethodSpec::WeiCom(weicom);
                let label = spec.build(&Resources::default())?.label();
                note!("ranked by {label}: weicom:auto, the default of archives, looks at all rows");
                Ok(spec)
            }
            chosen => Ok(chosen),
        }
    }

    /// Prints the hits as those of an archive, but for their rows: tables do not number theirs.
    fn print_json(answer: &Answer, asked: &Asked, rows: &FoundRows, method: &dyn Method) {
        let mut hits = shown::hits(answer, asked, rows, method);
        for hit in &mut hits {
            hit["row"] = serde_json::Value::Null;
        }
        out::json(&hits.into());
    }

    /// Ends the program with a usage error where an option looks at all rows, or at files of an archive.
    fn refuse_what_needs_an_archive(cli: &Cli) {
        let places = &cli.places;
        let given = [
            ("--html", cli.html.is_some()),
            ("--distinct", places.distinct.is_some()),
            ("--heatmap", places.heatmap.is_some()),
            ("--at", places.at.is_some()),
            ("--vocabulary", cli.vocabulary.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, is_given)| *is_given) {
            usage::refuse::<Cli>(&format!(
                "{option} is not offered with --spark: it needs the archive itself"
            ));
        }
    }
}
