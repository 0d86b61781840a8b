//! Encodes as `benches/compare/encode.py` and `gpu.py` tell it, and prints how long it took: rscir's half of these
//! scripts.
//!
//! `compare-encode MODEL PRECISION DEVICE [DATA]` reads the folder of a model. All commands except `noise` need the
//! folder DATA with `images.u8` (prepared images, RGB), `texts.txt` and `captions.txt`. The program runs each line of
//! standard input as a command, and prints its milliseconds:
//!
//! - `noise N TIMES` encodes a batch of N made-up images TIMES times.
//! - `images N` encodes the first N images.
//! - `texts N` and `captions N` encode the first N texts of the file.
//! - `save PATH` writes the vectors of all images, then of all texts, as little-endian f32.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rscir::core::PixelBatch;
use rscir::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: compare-encode MODEL PRECISION DEVICE [DATA]");
    let model = ClipEncoder::from_folder(argument()?).precision(argument()?.parse()?);
    let encoder = model.device(argument()?.parse()?).build()?;
    let data = argument().ok().map(PathBuf::from).map(|folder| Data::read(&folder)).transpose()?;
    let mut noise = Noise { size: encoder.input_size(), pixels: Vec::new() };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').ok_or("a command and its argument")?;
        if command == "noise" {
            noise.grow(argument);
        }
        let start = Instant::now();
        match (command, &data) {
            ("noise", _) => noise.encode(&encoder, argument)?,
            (_, Some(data)) => data.obey(&encoder, command, argument)?,
            (_, None) => return Err(format!("{line:?} needs DATA").into()),
        }
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let mut out = io::stdout().lock();
        writeln!(out, "{milliseconds}")?;
        out.flush()?;
    }
    Ok(())
}

/// The inputs in a folder.
struct Data {
    images: Vec<u8>,
    texts: Vec<String>,
    captions: Vec<String>,
}

impl Data {
    fn read(folder: &Path) -> Result<Self> {
        let lines = |name| -> Result<Vec<String>> {
            Ok(fs::read_to_string(folder.join(name))?.lines().map(String::from).collect())
        };
        let images = fs::read(folder.join("images.u8"))?;
        Ok(Self { images, texts: lines("texts.txt")?, captions: lines("captions.txt")? })
    }

    fn obey(&self, encoder: &ClipEncoder, command: &str, argument: &str) -> Result<()> {
        let size = encoder.input_size();
        let images = |count: usize| -> Result<Embeddings> {
            Ok(encoder.encode_pixels(PixelBatch::new(size, &self.images[..count * size * size * 3])?)?)
        };
        let texts = |texts: &[String]| -> Result<Embeddings> {
            Ok(encoder.encode_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())?)
        };
        match command {
            "images" => drop(images(argument.parse()?)?),
            "texts" => drop(texts(&self.texts[..argument.parse()?])?),
            "captions" => drop(texts(&self.captions[..argument.parse()?])?),
            "save" => {
                let both = [images(self.images.len() / (size * size * 3))?, texts(&self.texts)?];
                let values = both.iter().flat_map(|vectors| vectors.as_slice());
                fs::write(argument, values.flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
            }
            _ => return Err(format!("{command:?} is no command").into()),
        }
        Ok(())
    }
}

/// Made-up images, with bytes of every value and without equal neighbors.
struct Noise {
    size: usize,
    pixels: Vec<u8>,
}

impl Noise {
    /// Makes as many images as a command asks for. This runs before the time of the command is taken.
    fn grow(&mut self, command: &str) {
        let count = command.split(' ').next().and_then(|count| count.parse::<usize>().ok()).unwrap_or_default();
        let bytes = count * self.size * self.size * 3;
        // The bytes are multiples of a prime, divided by 16.
        self.pixels.extend((self.pixels.len()..bytes).map(|i| (i.wrapping_mul(7919) >> 4) as u8));
    }

    fn encode(&self, encoder: &ClipEncoder, command: &str) -> Result<()> {
        let (count, times) = command.split_once(' ').ok_or("noise needs a number of images and of times")?;
        let bytes = count.parse::<usize>()? * self.size * self.size * 3;
        let batch = PixelBatch::new(self.size, &self.pixels[..bytes])?;
        for _ in 0..times.parse::<u32>()? {
            encoder.encode_pixels(batch)?;
        }
        Ok(())
    }
}
