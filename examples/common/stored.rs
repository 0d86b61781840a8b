use std::path::PathBuf;

/// The archive on disk that a program is about.
#[derive(clap::Args)]
pub struct Stored {
    /// The archive
    #[arg(long, value_name = "DIR.rscir")]
    pub archive: PathBuf,
}
