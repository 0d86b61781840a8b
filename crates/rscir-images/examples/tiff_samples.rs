//! Writes the samples of TIFF files as they are. `scripts/tiff_against_gdal.py` compares them with those of other
//! readers.
//!
//! `tiff_samples FOLDER FILE...` writes `FOLDER/NAME.raw` for each file, `[row][column][band]` in this machine's byte
//! order, and prints a line of JSON: the name of the file, its size and type, or the reason why it cannot be read.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;

use rscir_images::tiff::{Samples, Tiff, Window};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().ok_or("the first argument is a folder to write to")?;
    for path in arguments {
        let path = Path::new(&path);
        let name = path.file_name().ok_or("a path names no file")?.to_string_lossy();
        match samples(path) {
            Ok(([height, width, bands], kind, bytes)) => {
                std::fs::write(Path::new(&folder).join(format!("{name}.raw")), bytes)?;
                println!(
                    r#"{{"name": "{name}", "height": {height}, "width": {width}, "bands": {bands}, "type": "{kind}"}}"#
                );
            }
            Err(error) => println!(r#"{{"name": "{name}", "error": {:?}}}"#, chain(&error)),
        }
    }
    Ok(())
}

type Read = ([usize; 3], &'static str, Vec<u8>);

fn samples(path: &Path) -> rscir_images::Result<Read> {
    let tiff = Tiff::open(path)?;
    let image = tiff.image();
    let shape = [image.height(), image.width(), image.bands()];
    let bands: Vec<usize> = (0..image.bands()).collect();
    let samples = image.read_window(Window::new(0, 0, image.width(), image.height()), &bands)?;
    macro_rules! bytes {
        ($values:expr, $kind:literal) => {
            ($kind, $values.iter().flat_map(|value| value.to_ne_bytes()).collect())
        };
    }
    let (kind, bytes) = match samples {
        Samples::U8(values) => ("uint8", values),
        Samples::I8(values) => bytes!(values, "int8"),
        Samples::U16(values) => bytes!(values, "uint16"),
        Samples::I16(values) => bytes!(values, "int16"),
        Samples::U32(values) => bytes!(values, "uint32"),
        Samples::I32(values) => bytes!(values, "int32"),
        Samples::U64(values) => bytes!(values, "uint64"),
        Samples::I64(values) => bytes!(values, "int64"),
        Samples::F32(values) => bytes!(values, "float32"),
        Samples::F64(values) => bytes!(values, "float64"),
        _ => ("unknown", Vec::new()),
    };
    Ok((shape, kind, bytes))
}

fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}
