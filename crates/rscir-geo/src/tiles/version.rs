//! Versions of files and fingerprints of scenes, by which changed scenes are recognized.

use std::fs::Metadata;
use std::path::Path;

use rscir_core::Fingerprint;
use rscir_core::files::{FileAction, FileError, nanos_since_1970};
use rscir_images::ChangeDetection;
use sha2::{Digest, Sha256};

use super::TileOptions;
use crate::scene::address;
use crate::{Error, Result, Scene, SceneOptions};

/// Size of a file in bytes, and its time of change in nanoseconds since 1970. For a file on a server the second number
/// is the beginning of a hash of its version.
pub(super) type Version = (u64, u128);

/// Reads the version of a file, local or on a server.
pub(super) fn version(path: &Path) -> Result<Version> {
    #[cfg(feature = "remote")]
    if let Some(address) = address(path) {
        let failed = |source| rscir_images::Error::Io { path: path.into(), source };
        let file = crate::HttpFile::open(address).map_err(failed)?;
        let digest = Sha256::digest(file.version().as_bytes());
        let name = digest.iter().take(16).fold(0, |name, byte| name << 8 | u128::from(*byte));
        return Ok((rscir_images::tiff::ReadAt::size(&file), name));
    }
    if let Some(address) = address(path) {
        return Err(Error::OnServer { address: address.into() });
    }
    let failed = |source| FileError::Io { path: path.into(), action: FileAction::Read, source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    Ok(stamp(&metadata))
}

fn stamp(metadata: &Metadata) -> Version {
    (metadata.len(), nanos_since_1970(metadata.modified().ok()))
}

/// Computes the fingerprint of what decides the pixels of a scene's tiles: its file, and the options by which it is read.
pub(super) fn fingerprint(scene: &Scene, options: &TileOptions, version: Version) -> Result<Fingerprint> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(b"tiles of a scene, 1");
    match options.changes {
        ChangeDetection::Content if address(scene.path()).is_none() => {
            let failed =
                |source| FileError::Io { path: scene.path().into(), action: FileAction::Read, source };
            let (mut file, _) = rscir_core::files::open_regular(scene.path())?;
            let mut content = Sha256::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = std::io::Read::read(&mut file, &mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                content.update(&buffer[..read]);
            }
            part(&content.finalize());
        }
        // A file on a server is compared by its version, since to compare its content would fetch all of it.
        ChangeDetection::Content | ChangeDetection::SizeAndTime => {
            part(&version.0.to_le_bytes());
            part(&version.1.to_le_bytes());
        }
    }
    let SceneOptions { stretch, no_data, measured, .. } = &options.scene;
    part(format!("{:?}", scene.bands_in_use()).as_bytes());
    part(stretch.map_or_else(|| "default".into(), |stretch| stretch.to_string()).as_bytes());
    part(format!("{no_data:?}").as_bytes());
    if *measured {
        part(b"measured");
    }
    Ok(Fingerprint::of_sha256(hash.finalize().into()))
}
