//! Serves a page to ask an archive with: images, texts, the weight between them, filters, a map.

mod common;
#[cfg_attr(feature = "geo", path = "serve/scenes.rs")]
#[cfg_attr(not(feature = "geo"), path = "serve/no_scenes.rs")]
mod scenes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use common::model::ModelArgs;
use common::out::{note, say};
use common::text::shown;
use common::{Outcome, demo};
use rscir::prelude::*;
use rscir::web::{App, Basemap, Options, Server};

/// Serve a page to ask an archive with, in a browser.
///
/// Without options it is the demo's. It listens at this machine alone; any other address needs a token. Ctrl-C ends it when
/// requests under way have been answered.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// The archive, or a feature file [default: the demo's, in target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    /// Where the images of the archive are, for pictures of its tiles [default: where it had them from]
    #[arg(long, value_name = "DIR", conflicts_with = "scenes", requires = "archive")]
    images: Option<PathBuf>,
    /// Where the scenes of the archive are, for pictures of its tiles and a map; built with --features geo [default: where it
    /// had them from]
    #[arg(long, value_name = "DIR", requires = "archive")]
    scenes: Option<PathBuf>,
    /// Where to listen; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The secret that whoever asks must know, of 16 to 256 characters; any other address than this machine's needs one
    #[arg(long)]
    token: Option<String>,
    /// A name under which browsers ask the server, beside localhost and its address
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Pictures to put below the map, which browsers then ask for there: https://HOST/{z}/{x}/{y}.png [default: none, and
    /// the page asks nobody]
    #[arg(long, value_name = "URL")]
    basemap: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
}

fn main() -> ExitCode {
    common::main(run)
}

fn run(cli: &Cli) -> anyhow::Result<Outcome> {
    cli.model.check()?;
    scenes::check(cli.scenes.is_some())?;
    let options = options(cli)?;
    let app = match &cli.archive {
        None => demo_app(cli)?,
        Some(path) => own_app(cli, path)?,
    };
    let server = Server::bind(app.options(options), cli.addr).map_err(|error| match error {
        error @ rscir::web::Error::NeedsToken { .. } => {
            anyhow::Error::from(error).context("--token TEXT sets one")
        }
        error => error.into(),
    })?;
    say!("{}", server.url());
    server.stopped_by_signals().run()?;
    note!("stopped");
    Ok(Outcome::Done)
}

fn options(cli: &Cli) -> anyhow::Result<Options> {
    let mut options = Options::default();
    if let Some(token) = &cli.token {
        options = options.token(token).context("--token")?;
    }
    if let Some(url) = &cli.basemap {
        options = options.basemap(Basemap::new(url).context("--basemap")?);
    }
    Ok(cli.host.iter().fold(options, Options::host))
}

fn demo_app(cli: &Cli) -> anyhow::Result<App> {
    anyhow::ensure!(cli.model.is_demo(), "--archive DIR.rscir is needed with a model that is not the demo's");
    let encoder = cli.model.load()?;
    let archive = demo::archive(&encoder)?;
    let folders = vec![demo::images()?.root().into()];
    Ok(scenes::shown(App::growing(archive), folders).encoder(Arc::new(encoder)))
}

fn own_app(cli: &Cli, path: &Path) -> anyhow::Result<App> {
    let given = cli.images.iter().chain(&cli.scenes).cloned().collect::<Vec<_>>();
    let (app, spec, roots) = if path.is_dir() {
        let archive = DiskArchive::open(path)?;
        let (spec, roots) = (archive.spec().clone(), archive.roots().iter().map(PathBuf::from).collect());
        (App::growing(archive), spec, roots)
    } else {
        let archive = rscir::open(path)?;
        let spec = archive.spec().clone();
        (App::new(Arc::from(archive)), spec, Vec::new())
    };
    let folders = if given.is_empty() { roots } else { given };
    if folders.is_empty() {
        note!(
            "the archive does not know its folder: --images DIR shows its tiles, and without they are names"
        );
    }
    let app = scenes::shown(app, folders);
    if !cli.model.is_demo() {
        return Ok(app.encoder(Arc::new(cli.model.load()?)));
    }
    // Without a model the demo's is taken if the archive is of it.
    let demo = demo::path("model").and_then(|_| cli.model.load());
    match demo {
        // Vectors of which nothing is known would agree with any model of their width.
        Ok(encoder) if !spec.is_unknown() && spec.check(ImageEncoder::spec(&encoder)).is_ok() => {
            Ok(app.encoder(Arc::new(encoder)))
        }
        _ => {
            let model =
                spec.model.as_deref().map_or(String::new(), |model| format!(", such as {}", shown(model)));
            note!(
                "without a model only tiles can be asked with: --model NAME takes the archive's{model}, for texts and images"
            );
            Ok(app)
        }
    }
}
