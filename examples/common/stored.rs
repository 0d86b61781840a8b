use std::path::PathBuf;

/// The option of a program that works on one archive on disk.
#[derive(clap::Args)]
pub struct Stored {
    /// Archive that the program works on
    #[arg(long, value_name = "DIR.rscir")]
    pub archive: PathBuf,
}
