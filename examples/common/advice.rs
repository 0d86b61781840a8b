//! What to type about an error: the libraries speak of files and values, a program knows its options.

use rscir::bench;
use rscir::encoders::Error as EncoderError;
use rscir::images::{Error as ImagesError, Remedy};
use rscir::index::{Error as IndexError, ShardProblem};

/// Returns advice on an error, or `None` if there is none.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<rscir::Error>() {
            return of_library(error);
        }
        #[cfg(feature = "geo")]
        if let Some(rscir::geo::Error::SceneFile { .. }) = cause.downcast_ref() {
            return Some("--scenes DIR says where the scenes are".into());
        }
        #[cfg(feature = "web")]
        if let Some(error) = cause.downcast_ref() {
            return of_web(error);
        }
        let encoder = cause.downcast_ref::<EncoderError>().and_then(of_encoder);
        let images = || cause.downcast_ref::<ImagesError>().and_then(of_images);
        let index = || cause.downcast_ref::<IndexError>().and_then(of_index);
        encoder
            .or_else(images)
            .or_else(|| cause.downcast_ref::<bench::Error>().and_then(of_bench))
            .or_else(index)
    })
}

/// Returns advice on an error of the facade.
fn of_library(error: &rscir::Error) -> Option<String> {
    match error {
        rscir::Error::Encoders(error) => of_encoder(error),
        rscir::Error::Images(error) => of_images(error),
        rscir::Error::Bench(error) => of_bench(error),
        rscir::Error::Index(error) => of_index(error),
        _ => None,
    }
}

/// Returns what to type so that an image is decoded, or `None` if nothing helps.
pub fn of_remedy(remedy: Remedy) -> Option<String> {
    match remedy {
        Remedy::Bands { bands, bits } => {
            let three = match bands {
                0..3 => "1, 2, 1",
                3 => "1, 2, 3",
                _ => "3, 2, 1",
            };
            let stretch = if bits > 8 { " stretch=percentile(2, 98)" } else { "" };
            Some(format!("choose bands, counted from 1, such as --decode \"bands=[{three}]{stretch}\""))
        }
        Remedy::OtherBands { bands } => Some(format!(
            "choose bands that are there: --decode counts them from 1, the image has 1 to {bands}"
        )),
        _ => None,
    }
}

fn of_encoder(error: &EncoderError) -> Option<String> {
    Some(match error {
        EncoderError::Images(error) => return of_images(error),
        EncoderError::NotDownloaded { .. } | EncoderError::NotPublished { .. } => {
            "give the weights' file: --checkpoint FILE".into()
        }
        _ => return None,
    })
}

fn of_images(error: &ImagesError) -> Option<String> {
    match error {
        ImagesError::Image { source, .. } => of_images(source),
        ImagesError::Pixels(problem) => problem.remedy().and_then(of_remedy),
        _ => None,
    }
}

fn of_bench(error: &bench::Error) -> Option<String> {
    Some(match error {
        bench::Error::NoAttributes { .. } => {
            "--dataset names the folder that holds PatternCom/, not PatternCom itself".into()
        }
        bench::Error::MissingText { .. } => {
            "write features of all texts: extract_features --texts FILE --export-texts FILE".into()
        }
        _ => return None,
    })
}

/// Returns advice on an error of the server.
#[cfg(feature = "web")]
fn of_web(error: &rscir::web::Error) -> Option<String> {
    match error {
        rscir::web::Error::NeedsToken { .. } => Some("--token TEXT sets one".into()),
        rscir::web::Error::Listen { .. } => Some("--addr 127.0.0.1:0 takes any port that is free".into()),
        _ => None,
    }
}

fn of_index(error: &IndexError) -> Option<String> {
    match error {
        // A repair cannot work without the manifest, and the error itself says what to do.
        IndexError::Damaged { path } if path.ends_with("manifest.json") => None,
        IndexError::Damaged { .. }
        | IndexError::MissingSegment { .. }
        | IndexError::SegmentRows { .. }
        | IndexError::SegmentTensor { .. }
        | IndexError::SegmentColumn { .. }
        | IndexError::SegmentKey { .. } => Some(
            "`verify --archive DIR.rscir` names all damage, `repair --archive DIR.rscir` says what it would drop, and \
             with --write drops it"
                .into(),
        ),
        IndexError::NotFound { .. } => {
            Some("`extract_features --images DIR --archive NAME.rscir` makes an archive of a folder of images".into())
        }
        IndexError::Shards(problem) => match **problem {
            ShardProblem::Missing { .. } | ShardProblem::Unfinished { .. } => {
                Some("`extract_features --shard I/N` encodes a shard, or goes on with it".into())
            }
            _ => None,
        },
        _ => None,
    }
}
