use std::path::PathBuf;

use rscir_core::ErrorKind;
use rscir_core::files::FileError;

use crate::{BandProblem, CrsProblem, TransformProblem};

/// Result of a fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of scenes, tiles, areas and files of places.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of `rscir-core`, such as a damaged archive or a stretch without extent.
    #[error(transparent)]
    Core(#[from] rscir_core::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A scene's file cannot be opened, read or decoded, or a folder cannot be listed.
    #[error(transparent)]
    Images(#[from] rscir_images::Error),
    /// A text is not the key of a tile.
    #[error(
        "{key:?} is no key of a tile: write the scene and the window in pixels, as scene.tif#xywh=column,row,width,height"
    )]
    Key {
        /// The text.
        key: String,
    },
    /// A scene cannot be cut into tiles with this side.
    #[error(
        "tile size {size:?}: {problem}; choose a side from 1 to 16384 pixels, or in meters, that suits the scene"
    )]
    TileSize {
        /// The side, as it was asked for. It is empty if none was given.
        size: String,
        /// What is wrong with the side.
        problem: String,
    },
    /// Tiles cannot overlap by this share.
    #[error("overlap {overlap}: an overlap must be a share of a tile's side, from 0 to less than 1")]
    Overlap {
        /// The overlap.
        overlap: f64,
    },
    /// A scene's coordinate system is not known or not computed, or does not reach a point.
    #[error("{}: {problem}", path.display())]
    Crs {
        /// The scene.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: CrsProblem,
    },
    /// The transform from pixels to coordinates is missing, not supported or damaged.
    #[error("{}: {problem}", path.display())]
    Transform {
        /// The scene, or its world file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: TransformProblem,
    },
    /// Bounds are not those of an area, or a file does not describe one.
    #[error("{place}: {problem}")]
    Area {
        /// The file, or the bounds as `west,south,east,north`.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// An option has a value that is not allowed.
    #[error("{name} is {value}, but must be {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The bands of a scene cannot be chosen.
    #[error("{}: {problem}", path.display())]
    Bands {
        /// The scene.
        path: PathBuf,
        /// What is wrong.
        #[source]
        problem: BandProblem,
    },
    /// A strip or tile of a scene's file takes too much memory to decode.
    #[error(
        "{}: one strip or tile of the file takes {bytes} bytes of memory, and at most {limit} are allowed: tile the scene first \
         (gdal_translate -co TILED=YES)",
        path.display()
    )]
    Block {
        /// The scene.
        path: PathBuf,
        /// Bytes of memory that one strip or tile takes.
        bytes: u64,
        /// The most bytes that are allowed.
        limit: u64,
    },
    /// A point lies outside a scene.
    #[error("{}: the place {longitude}, {latitude} is not in the scene: choose one within its bounds", path.display())]
    OutsideScene {
        /// The scene.
        path: PathBuf,
        /// Longitude of the point, in degrees of WGS84.
        longitude: f64,
        /// Latitude of the point, in degrees of WGS84.
        latitude: f64,
    },
    /// A point lies outside all scenes of an archive.
    #[error(
        "the place {longitude}, {latitude} is in no scene of the archive: give longitude, then latitude, in degrees, of a place that a \
         scene shows"
    )]
    NowhereShown {
        /// Longitude of the point, in degrees of WGS84.
        longitude: f64,
        /// Latitude of the point, in degrees of WGS84.
        latitude: f64,
    },
    /// The file of an archive's scene is not found.
    #[error("{}", missing_scene(scene, folders))]
    SceneFile {
        /// The scene's path in keys.
        scene: String,
        /// The folders in which it was looked for.
        folders: Vec<PathBuf>,
    },
    /// A path has no name that a key can have.
    #[error("{place}: the path has no file name in UTF-8: rename the file")]
    SceneName {
        /// The path.
        place: String,
    },
    /// Tiles of two scenes would have the same keys.
    #[error(
        "{} and {} are both {key:?} in keys: name the folder above both, or rename one",
        first.display(),
        second.display()
    )]
    SceneTwice {
        /// The path that both scenes have in keys.
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
        /// The greatest share of valid pixels that any tile has, from 0 to 1.
        most: f64,
        /// The share that was asked for at least.
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
    /// A scene is on a server, and the crate was built without the feature `remote`.
    #[error(
        "{address}: only builds with the feature `remote` read scenes on servers: download the file, or build with the feature"
    )]
    OnServer {
        /// The scene's address.
        address: String,
    },
    /// A file is not a STAC Item or ItemCollection, or an item of it names no scene that can be read.
    #[error("{}: {problem}", path.display())]
    Stac {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The caller stopped the work before all scenes were looked at.
    #[error("stopped before all scenes were looked at")]
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
    /// Returns the kind of the error, by which a program decides what to do.
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
    /// Unwraps [`Error::Core`] and wraps all other errors with their kind, so that the core's traits can return them.
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
