//! Serves a page to search an archive with: images, texts, the weight between them, filters and a map.

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
use common::{Outcome, demo, vocabulary_mean};
use rscir::prelude::*;
use rscir::web::{App, Basemap, Options, Pictures, Server};

/// Number of rows whose files are looked for, spread over the archive. They are enough to tell a wrong folder from
/// files that are gone.
const LOOKED_FOR: usize = 16;

/// Serve a page to search an archive with, in a browser.
///
/// The program prints the address to open. Without options the page is of the demo's archive. The server is reachable
/// from this machine alone; another address needs a token. Ctrl-C ends the server once it has answered the requests
/// under way.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    /// Archive or feature file to search [default: the demo's archive, target/demo.rscir]
    #[arg(long, value_name = "DIR.rscir")]
    archive: Option<PathBuf>,
    /// Folder with the archive's images, for pictures of its tiles [default: the folders that the archive records]
    #[arg(long, value_name = "DIR", conflicts_with = "scenes", requires = "archive")]
    images: Option<PathBuf>,
    /// Folder with the archive's scenes, for pictures of its tiles and a map [needs the feature `geo`] [default: the
    /// folders that the archive records]
    #[arg(long, value_name = "DIR", requires = "archive")]
    scenes: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// Secret of 16 to 256 characters that clients must send; an address other than this machine's needs one
    /// [default: none]
    #[arg(long)]
    token: Option<String>,
    /// Name by which browsers reach the server, beside localhost and its address
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Address of pictures below the map, such as https://HOST/{z}/{x}/{y}.png, from which browsers then fetch them
    /// [default: none, so that the page fetches nothing from elsewhere]
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
    let server = Server::bind(app.options(options), cli.addr)?;
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
    let app = scenes::with_places(App::growing(archive)).pictures(scenes::pictures(folders));
    let mean = vocabulary_mean::at_hand(None, true)?;
    let resources = mean.map_or(Resources::default(), |mean| Resources::default().vocabulary_mean(mean));
    Ok(app.resources(resources).encoder(Arc::new(encoder)))
}

/// Adds pictures to the server, if there are any.
fn with_pictures(app: App, pictures: Option<Arc<dyn Pictures>>) -> App {
    match pictures {
        Some(pictures) => app.pictures(pictures),
        None => app,
    }
}

/// Makes pictures of an archive's rows from the files in some folders, and says if the folders have none of them.
fn pictures(archive: &dyn Archive, folders: Vec<PathBuf>) -> Option<Arc<dyn Pictures>> {
    if folders.is_empty() {
        note!(
            "the archive records no folder of its images, so its tiles are shown as names: --images DIR shows pictures"
        );
        return None;
    }
    let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let pictures = scenes::pictures(folders);
    let step = archive.len().div_ceil(LOOKED_FOR).max(1);
    let mut rows = (0..archive.len()).step_by(step);
    if !archive.is_empty() && rows.all(|row| pictures.stamp(archive, row).is_none()) {
        note!(
            "tiles are shown by their names, because no file that was looked for, such as {}, is in {}: --images DIR or --scenes DIR \
             names the folder that has them",
            shown(archive.key(0)),
            shown(names.join(", "))
        );
    }
    Some(pictures)
}

fn own_app(cli: &Cli, path: &Path) -> anyhow::Result<App> {
    let given = cli.images.iter().chain(&cli.scenes).cloned().collect::<Vec<_>>();
    for folder in &given {
        anyhow::ensure!(
            folder.is_dir(),
            "{}: this is no folder; --images DIR and --scenes DIR name the folder that the archive was made from",
            folder.display()
        );
    }
    let (app, spec) = if path.is_dir() {
        let archive = DiskArchive::open(path)?;
        let roots = archive.roots().iter().map(PathBuf::from).collect();
        let pictures = pictures(&archive, if given.is_empty() { roots } else { given });
        let spec = archive.spec().clone();
        (with_pictures(App::growing(archive), pictures), spec)
    } else {
        let archive = rscir::open(path)?;
        let (pictures, spec) = (pictures(&*archive, given), archive.spec().clone());
        (with_pictures(App::new(Arc::from(archive)), pictures), spec)
    };
    let app = scenes::with_places(app);
    if !cli.model.is_demo() {
        return Ok(app.encoder(Arc::new(cli.model.or_recorded(&spec).load()?)));
    }
    // Without options for a model, the demo's is used if the archive is of it.
    let demo = demo::path("model").and_then(|_| cli.model.load_for(spec.decoding.clone()));
    match demo {
        // An unknown encoder would agree with any model of its width.
        Ok(encoder) if !spec.is_unknown() && spec.check(ImageEncoder::spec(&encoder)).is_ok() => {
            Ok(app.encoder(Arc::new(encoder)))
        }
        _ => {
            let model =
                spec.model.as_deref().map_or(String::new(), |model| format!(", such as {}", shown(model)));
            note!(
                "there is no model, so queries can have tiles of the archive alone: --model NAME loads the archive's model{model}, for \
                 texts and images"
            );
            Ok(app)
        }
    }
}
