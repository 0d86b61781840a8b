//! Our half of `benches/compare/encode.py`: loads a model, then encodes when told to and says how long it took.
//!
//! `compare_encode MODEL PRECISION DATA` reads a folder with a model, and one with `images.u8` (prepared images, RGB),
//! `texts.txt` and `captions.txt`. It obeys lines of standard input and answers each with milliseconds:
//!
//! - `images N`: encodes the first N images.
//! - `texts N`, `captions N`: encodes the first N texts of the file.
//! - `save PATH`: writes the vectors of all images, then of all texts, as little-endian f32.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use rscir_core::{ImageEncoder, PixelBatch, TextEncoder};
use rscir_encoders::{ClipEncoder, Device};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: compare_encode MODEL PRECISION DATA");
    let model = ClipEncoder::from_folder(argument()?).device(Device::Cpu).precision(argument()?.parse()?);
    let data = PathBuf::from(argument()?);
    let images = fs::read(data.join("images.u8"))?;
    let [texts, captions] = ["texts.txt", "captions.txt"].map(|name| fs::read_to_string(data.join(name)));
    let (texts, captions) = (texts?, captions?);
    let [texts, captions] = [&texts, &captions].map(|text| text.lines().collect::<Vec<_>>());
    let encoder = model.build()?;
    let size = encoder.input_size();
    let encode_images =
        |count| encoder.encode_pixels(PixelBatch::new(size, &images[..count * size * size * 3])?);
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').ok_or("a command and its argument")?;
        let start = Instant::now();
        match command {
            "images" => drop(encode_images(argument.parse()?)?),
            "texts" => drop(encoder.encode_texts(&texts[..argument.parse()?])?),
            "captions" => drop(encoder.encode_texts(&captions[..argument.parse()?])?),
            "save" => {
                let both = [encode_images(images.len() / (size * size * 3))?, encoder.encode_texts(&texts)?];
                let values = both.iter().flat_map(|vectors| vectors.as_slice());
                fs::write(argument, values.flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
            }
            _ => return Err(format!("{line:?} is no command").into()),
        }
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let mut out = io::stdout().lock();
        writeln!(out, "{milliseconds}")?;
        out.flush()?;
    }
    Ok(())
}
