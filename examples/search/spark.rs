//! Searches a table on an engine in place of an archive.

use clap::Args;

/// The options for a table on an engine, which need a program that is built with the feature `spark`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Table on an engine [needs the feature `spark`]")]
pub(crate) struct SparkArgs {
    /// Address of an engine that speaks Spark Connect, such as sc://127.0.0.1:50051, which is searched in place of
    /// an archive. A query of several parts is then ranked by weicom, with equal weights or those of --lambda
    #[arg(long, value_name = "ADDRESS", requires = "table", conflicts_with = "archive")]
    pub(crate) spark: Option<String>,
    /// Table to search: the folder or the URL that `export_parquet` published into, which this program and the engine
    /// both can read, or a name in the engine's catalog
    #[arg(long, value_name = "DIR|URL|NAME", requires = "spark")]
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

    /// Searches a table, and prints the answer.
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
                note!("no tile found: none of the {} rows is as the options say", archive.len());
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

    /// Makes the table of `--table`. A folder that exists, and a text with a slash, is a path or a URL; anything
    /// else is a name in the engine's catalog.
    fn named(table: &str) -> Table {
        if Path::new(table).is_dir() || table.contains(['/', '\\']) {
            return Table::published(table);
        }
        Table::Plain(TableName::Catalog(table.split('.').map(String::from).collect()))
    }

    /// Reads the rows that the options name by their keys.
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

    /// Returns the method that ranks rows. It is that of an archive, except that the default for several parts is
    /// weicom, because weicom:auto reads all rows.
    fn method_spec(cli: &Cli) -> anyhow::Result<MethodSpec> {
        match cli.method_spec() {
            MethodSpec::WeiComByParts(_) if cli.method.is_none() => {
                let weicom = cli.lambda.map_or(Ok(WeiCom::default()), WeiCom::new)?;
                let spec = MethodSpec::WeiCom(weicom);
                let label = spec.build(&Resources::default())?.label();
                note!("ranked by {label}, because weicom:auto, the default for archives, reads all rows");
                Ok(spec)
            }
            chosen => Ok(chosen),
        }
    }

    /// Prints the hits like those of an archive, except that their rows are null, because tables do not number
    /// rows.
    fn print_json(answer: &Answer, asked: &Asked, rows: &FoundRows, method: &dyn Method) {
        let mut hits = shown::hits(answer, asked, rows, method);
        for hit in &mut hits {
            hit["row"] = serde_json::Value::Null;
        }
        out::json(&hits.into());
    }

    /// Ends the program with a usage error if an option needs all rows or the files of an archive.
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
                "{option} needs the archive itself, so it cannot be used with --spark"
            ));
        }
    }
}
