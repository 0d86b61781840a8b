//! Draws what a composed query finds, as one SVG file with the tiles in it.

#[path = "../examples/common/mod.rs"]
mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use common::bars::Bars;
use common::model::{ModelArgs, dataset_images};
use common::out::note;
use common::{Outcome, check, demo, text};
use rscir::core::files;
use rscir::prelude::*;

/// Draw the tiles of the demo that an image, a text and both together find, with relevant tiles framed.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images failed.")]
struct Cli {
    /// Query image, as the path of a tile within the demo's benchmark
    #[arg(long, default_value = "images/runway/runway04.jpg")]
    image: String,
    /// Query text, which is another value of the attribute
    #[arg(long, default_value = "sand")]
    text: String,
    /// Attribute whose labels say which tiles are relevant
    #[arg(long, default_value = "context")]
    attribute: String,
    /// Weight of the text, from 0 (image alone) to 1 (text alone)
    #[arg(long, default_value = "0.5", value_parser = common::lambda)]
    lambda: f64,
    /// Number of tiles in each row
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..))]
    top: u8,
    #[command(flatten)]
    model: ModelArgs,
    /// SVG file to write
    #[arg(long, default_value = "docs/query.svg")]
    output: PathBuf,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    let dataset = demo::path("benchmark")?;
    check::file(Some(&cli.output))?;
    check::input(Some(&dataset.join(&cli.image)))?;
    let images = dataset_images(&dataset)?;
    relevant(cli, &check::stand_in(&images)?, &dataset)?;
    let encoder = cli.model.load()?;
    let bars = Bars::default();
    let (archive, failed) = cli.model.encode(&encoder, &images, &bars)?;

    let relevant = relevant(cli, &archive, &dataset)?;
    let query = encoder.compose(dataset.join(&cli.image), &cli.text)?;
    let rows: [(String, Box<dyn Method>); 3] = [
        ("the image alone".into(), Box::new(ImageOnly)),
        (format!("“{}” alone", cli.text), Box::new(TextOnly)),
        (format!("WeiCom, \u{3bb} = {}", cli.lambda), Box::new(WeiCom::new(cli.lambda)?)),
    ];
    let top = usize::from(cli.top);
    let mut picture = Picture::new(top, rows.len());
    picture.query(&dataset.join(&cli.image), &cli.text)?;
    for (line, (title, method)) in rows.iter().enumerate() {
        picture.title(line, title);
        // The query tile itself is in the archive; showing it again would say nothing.
        let hits = rscir::search(&archive, &**method, &query, top + 1)?;
        let others = hits.iter().filter(|hit| hit.key != cli.image).take(top);
        for (column, hit) in others.enumerate() {
            picture.tile(line, column, &dataset.join(&hit.key), relevant.contains(&hit.row))?;
        }
    }
    files::replace(&cli.output, |out| out.write_all(picture.finish().as_bytes()))?;
    note!("written: {}", text::shown(cli.output.display()));
    Ok(Outcome::from_failures(failed))
}

/// The rows that the benchmark counts as relevant to the query.
fn relevant(cli: &Cli, archive: &dyn Archive, dataset: &Path) -> anyhow::Result<Vec<usize>> {
    let (queries, _) = PatternCom::read(dataset)?.queries(archive)?;
    let group = queries.groups.iter().find(|group| group.name == cli.attribute);
    let group = group.with_context(|| format!("there is no attribute {:?}", cli.attribute))?;
    let asked = group.queries.iter().find(|query| {
        queries.images[query.image].key() == cli.image && queries.texts[query.text] == cli.text
    });
    let asked =
        asked.with_context(|| format!("{} is not asked for {:?} in {}", cli.image, cli.text, group.name))?;
    Ok(queries.relevant[asked.relevant].clone())
}

/// Side of a tile in the picture.
const TILE: usize = 112;
/// Space between tiles.
const GAP: usize = 10;
/// Width of the query's column.
const LEFT: usize = 170;
/// Height of a line of tiles with its title.
const LINE: usize = TILE + 34;

/// Bytes of a tile at most: PatternNet's have 10 to 20 KB, and the picture holds dozens.
const LARGEST_TILE: u64 = 1 << 20;

struct Picture {
    svg: String,
}

impl Picture {
    fn new(columns: usize, lines: usize) -> Self {
        let (width, height) = (LEFT + columns * (TILE + GAP) + GAP, lines * LINE + GAP);
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"14\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        Self { svg }
    }

    fn query(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        self.text(GAP, 22, "query");
        self.image(GAP, 32, path, "#222")?;
        self.text(GAP, 32 + TILE + 24, &format!("+ “{text}”"));
        Ok(())
    }

    fn title(&mut self, line: usize, title: &str) {
        self.text(LEFT, line * LINE + 22, title);
    }

    fn tile(&mut self, line: usize, column: usize, path: &Path, hit: bool) -> anyhow::Result<()> {
        let color = if hit { "#1a9641" } else { "#ccc" };
        self.image(LEFT + column * (TILE + GAP), line * LINE + 32, path, color)
    }

    fn image(&mut self, x: usize, y: usize, path: &Path, color: &str) -> anyhow::Result<()> {
        let data = BASE64_STANDARD.encode(files::read_bounded(path, LARGEST_TILE)?);
        writeln!(
            self.svg,
            "<image x=\"{x}\" y=\"{y}\" width=\"{TILE}\" height=\"{TILE}\" href=\"data:image/jpeg;base64,{data}\"/>\n\
             <rect x=\"{x}\" y=\"{y}\" width=\"{TILE}\" height=\"{TILE}\" fill=\"none\" stroke=\"{color}\" \
             stroke-width=\"4\"/>"
        )?;
        Ok(())
    }

    fn text(&mut self, x: usize, y: usize, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.svg += &format!("<text x=\"{x}\" y=\"{y}\">{text}</text>\n");
    }

    fn finish(mut self) -> String {
        self.svg += "</svg>\n";
        self.svg
    }
}
