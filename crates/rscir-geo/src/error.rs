use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_core::files::FileError;

use crate::{BandProblem, CrsProblem, TransformProblem};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with scenes, areas and places.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core or an archive refused something.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A scene's file cannot be opened, read or decoded.
    #[error(transparent)]
    Images(#[from] rscir_images::Error),
    /// The key of a tile is none.
    #[error(
        "{key:?} is no key of a tile: write the scene and the window in pixels, as scene.tif#xywh=column,row,width,height"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// A side that no tile can have.
    #[error(
        "tiles of {size:?}: {problem}; choose a side from 1 to 16384 pixels, or in meters, that suits the scene"
    )]
    TileSize {
        /// The side, as it was asked for.
        size: String,
        /// What it comes to.
        problem: String,
    },
    /// An overlap that no tiles can have.
    #[error("an overlap of {overlap}: it must be a share of a tile's side, from 0 to less than 1")]
    Overlap {
        /// The overlap.
        overlap: f64,
    },
    /// A coordinate system cannot be had, or has no place for something.
    #[error("{}: {problem}", path.display())]
    Crs {
        /// The scene, or the file that describes its coordinate system.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: CrsProblem,
    },
    /// It is not known where a scene lies.
    #[error("{}: {problem}", path.display())]
    Transform {
        /// The scene, or its world file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: TransformProblem,
    },
    /// An area that chooses nothing, or a file that is none.
    #[error("{place}: {problem}")]
    Area {
        /// The file, or the bounds.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A setting that no scene can be read by.
    #[error("{name} is {value}, but must be {expected}")]
    Option {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// It is not known which bands of a scene become colors.
    #[error("{}: {problem}", path.display())]
    Bands {
        /// The scene.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: BandProblem,
    },
    /// A scene's strips are too long to be read one by one.
    #[error(
        "{}: a strip or tile of it takes {bytes} bytes of memory, and at most {limit} are taken: tile the scene first (gdal_translate -co \
         TILED=YES)",
        path.display()
    )]
    Block {
        /// The scene.
        path: PathBuf,
        /// The bytes of one strip or tile.
        bytes: u64,
        /// The most that are taken.
        limit: u64,
    },
    /// A place that a scene does not show.
    #[error("{}: the place {longitude}, {latitude} is not in the scene: choose one within its bounds", path.display())]
    OutsideScene {
        /// The scene.
        path: PathBuf,
        /// The place's longitude.
        longitude: f64,
        /// The place's latitude.
        latitude: f64,
    },
    /// A place that no scene of an archive shows.
    #[error(
        "the place {longitude}, {latitude} is in no scene of the archive: places are longitude, latitude in degrees"
    )]
    NowhereShown {
        /// The place's longitude.
        longitude: f64,
        /// The place's latitude.
        latitude: f64,
    },
    /// The file of an archive's scene is not found.
    #[error("{}", missing_scene(scene, folders))]
    SceneFile {
        /// The scene, as keys name it.
        scene: String,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// A scene's name cannot be in a key.
    #[error("{place}: the path has no file name in UTF-8: rename the file")]
    SceneName {
        /// The path.
        place: String,
    },
    /// Two scenes would have tiles of the same keys.
    #[error(
        "{} and {} are both {key:?} in keys: name the folder above both, or rename one",
        first.display(),
        second.display()
    )]
    SceneTwice {
        /// The path in the keys.
        key: String,
        /// The first scene.
        first: PathBuf,
        /// The second scene.
        second: PathBuf,
    },
    /// No tile of a scene has enough valid pixels.
    #[error(
        "{}: no tile has enough valid pixels: at most {most:.3} of a tile are valid{}, and {least} are asked for; give another value for no \
         measurement, or ask for less",
        path.display(),
        no_data.map_or_else(String::new, |value| format!(" ({value} stands for no measurement)"))
    )]
    NoTile {
        /// The scene.
        path: PathBuf,
        /// The most that any tile has, from 0 to 1.
        most: f64,
        /// What was asked for.
        least: f64,
        /// The value that stands for no measurement, if one does.
        no_data: Option<f64>,
    },
    /// A scene's file changed while its tiles were read.
    #[error("{}: the file changed while its tiles were read: tile it again", path.display())]
    Changed {
        /// The scene.
        path: PathBuf,
    },
    /// A scene is on a server, and such scenes are not built in.
    #[error(
        "{address}: scenes on servers are read with the feature `remote` alone: fetch the file, or build with the feature"
    )]
    OnServer {
        /// The scene's address.
        address: String,
    },
    /// A file names no scenes as STAC does.
    #[error("{}: {problem}", path.display())]
    Stac {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A look at a scene was stopped.
    #[error("stopped before all of the scene was looked at")]
    Stopped,
}

fn missing_scene(scene: &str, folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let places = match folders.is_empty() {
        true => "the archive does not know its folder".into(),
        false => format!("it is not in {}", folders.join(", ")),
    };
    format!("the scene {scene:?} of the archive is not found: {places}; name the folder that it lies in")
}

impl Error {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Images(error) => error.kind(),
            Self::Key { .. } | Self::TileSize { .. } | Self::Overlap { .. } | Self::Option { .. } => {
                ErrorKind::InvalidInput
            }
            Self::SceneFile { .. } => ErrorKind::NotFound,
            Self::Area { .. }
            | Self::NowhereShown { .. }
            | Self::OutsideScene { .. }
            | Self::Bands { .. } => ErrorKind::InvalidInput,
            Self::Crs { problem, .. } => match problem {
                CrsProblem::UnknownCode { .. }
                | CrsProblem::Unsupported { .. }
                | CrsProblem::NoMap { .. } => ErrorKind::Unsupported,
                CrsProblem::Damaged { .. } => ErrorKind::Damaged,
                CrsProblem::Missing
                | CrsProblem::NoCode { .. }
                | CrsProblem::Outside { .. }
                | CrsProblem::TooWide => ErrorKind::InvalidInput,
            },
            Self::Transform { problem, .. } => match problem {
                TransformProblem::ControlPoints | TransformProblem::RationalPolynomials => {
                    ErrorKind::Unsupported
                }
                TransformProblem::Degenerate | TransformProblem::WorldFile => ErrorKind::Damaged,
                TransformProblem::Missing => ErrorKind::InvalidInput,
            },
            Self::SceneName { .. } | Self::NoTile { .. } | Self::Stac { .. } => ErrorKind::InvalidInput,
            Self::OnServer { .. } => ErrorKind::Unsupported,
            Self::SceneTwice { .. } => ErrorKind::AlreadyExists,
            Self::Changed { .. } => ErrorKind::Mismatch,
            Self::Block { .. } => ErrorKind::TooLarge,
            Self::Stopped => ErrorKind::Other,
        }
    }
}

impl From<Error> for rscir_core::Error {
    /// Takes an error of the core for what it is, and wraps all others, so that they go through a trait.
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => {
                let kind = error.kind();
                Self::from_source("a scene cannot be read", Box::new(error) as Box<_>).of_kind(kind)
            }
        }
    }
}
