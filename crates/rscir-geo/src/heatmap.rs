use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rscir_core::files;
use rscir_images::tiff::Window;

use crate::{Error, Result, Scene, Transform};

/// A map of how well each part of a scene answers a query: the value of a pixel is the mean score of the tiles that
/// cover it.
///
/// [`Heatmap::write`] writes a GeoTIFF, for QGIS and GDAL, of one band of 32-bit floats with the size and transform of
/// the scene. Pixels without a tile are NaN. Memory is that of the compressed map, which has few different rows.
#[derive(Debug, Clone)]
pub struct Heatmap {
    width: usize,
    height: usize,
    transform: Transform,
    keys: Keys,
    tiles: Vec<(Window, f32)>,
}

/// The values of the GeoTIFF tags that name a coordinate system.
#[derive(Debug, Clone)]
struct Keys {
    directory: Vec<u16>,
    doubles: Vec<f64>,
    text: String,
}

/// Rows of a strip of the written file. A strip of a scene 100,000 pixels wide takes 6.4 MB.
const STRIP: usize = 16;

/// Bytes of strips beyond which the file is a BigTIFF, whose offsets have 64 bits. 1 MiB is left for the tags.
const MAX_CLASSIC: u64 = (1 << 32) - (1 << 20);

impl Heatmap {
    /// Makes the map of a scene, as yet without tiles.
    ///
    /// # Errors
    /// [`Error::Option`] if the scene's coordinate system has neither GeoTIFF keys nor an EPSG code of 16 bits, and so
    /// cannot be written.
    pub fn new(scene: &Scene) -> Result<Self> {
        let [width, height] = scene.size();
        Ok(Self { width, height, transform: *scene.transform(), keys: Keys::of(scene)?, tiles: Vec::new() })
    }

    /// Adds a tile with its score. Pixels beyond the scene's edge are ignored, and so is a tile whose score is NaN.
    pub fn add(&mut self, window: Window, score: f32) {
        let (x, y) = (window.x.min(self.width), window.y.min(self.height));
        let (width, height) = (window.width.min(self.width - x), window.height.min(self.height - y));
        if width > 0 && height > 0 && !score.is_nan() {
            self.tiles.push((Window::new(x, y, width, height), score));
        }
    }

    /// Writes the map to a file. A file that exists is replaced once the new one is complete.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(files::replace(path, |out| self.write_to(out))?)
    }

    /// Computes the means of row `y`. Returns the first row below it whose means may differ.
    fn row(&self, y: usize, means: &mut [f32]) -> usize {
        let mut next = self.height;
        // How the sum of scores and their number change from a column to the next.
        let mut changes = vec![(0.0_f64, 0_i64); self.width + 1];
        for &(Window { x, y: top, width, height }, score) in &self.tiles {
            let end = top + height;
            if (top..end).contains(&y) {
                next = next.min(end);
                changes[x].0 += f64::from(score);
                changes[x].1 += 1;
                changes[x + width].0 -= f64::from(score);
                changes[x + width].1 -= 1;
            } else if top > y {
                next = next.min(top);
            }
        }
        let (mut sum, mut count) = (0.0, 0);
        for (mean, change) in means.iter_mut().zip(&changes) {
            sum += change.0;
            count += change.1;
            // Without a tile the sum is 0, but sums that were added and taken away again may leave a rounding error.
            if count == 0 {
                sum = 0.0;
            }
            *mean = if count == 0 { f32::NAN } else { (sum / count as f64) as f32 };
        }
        next
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let strips = self.strips()?;
        let lengths: Vec<u64> = strips.iter().map(|strip| strip.len() as u64).collect();
        let is_big = lengths.iter().sum::<u64>() > MAX_CLASSIC;
        let start = if is_big { 16 } else { 8 };
        // The directory's length does not depend on the places of the strips, which follow it.
        let length = self.directory(lengths.clone(), lengths.clone()).bytes(start, is_big).len() as u64;
        let place = |at: &mut u64, length: &u64| {
            *at += length;
            Some(*at - length)
        };
        let offsets = lengths.iter().scan(start + length, place).collect();
        if is_big {
            out.write_all(b"II+\0\x08\0\0\0")?;
            out.write_all(&start.to_le_bytes())?;
        } else {
            out.write_all(b"II*\0")?;
            out.write_all(&(start as u32).to_le_bytes())?;
        }
        out.write_all(&self.directory(offsets, lengths).bytes(start, is_big))?;
        strips.iter().try_for_each(|strip| out.write_all(strip))
    }

    /// Compresses the map, strip by strip.
    fn strips(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut means = vec![f32::NAN; self.width];
        let mut bytes = Vec::new();
        let mut valid_to = 0;
        let mut strips = Vec::new();
        for top in (0..self.height).step_by(STRIP) {
            let mut strip = ZlibEncoder::new(Vec::new(), Compression::fast());
            for y in top..(top + STRIP).min(self.height) {
                if y >= valid_to {
                    valid_to = self.row(y, &mut means);
                    bytes = means.iter().flat_map(|mean| mean.to_le_bytes()).collect();
                }
                strip.write_all(&bytes)?;
            }
            strips.push(strip.finish()?);
        }
        Ok(strips)
    }

    fn directory(&self, offsets: Vec<u64>, lengths: Vec<u64>) -> Directory {
        let Transform { a, b, c, d, e, f } = self.transform;
        let mut tags = vec![
            (256, Values::Long(vec![self.width as u64])),
            (257, Values::Long(vec![self.height as u64])),
            (258, Values::Short(vec![32])),
            // Compression: deflate.
            (259, Values::Short(vec![8])),
            // Photometric interpretation: 0 is black.
            (262, Values::Short(vec![1])),
            (273, Values::Long(offsets)),
            (277, Values::Short(vec![1])),
            (278, Values::Long(vec![STRIP as u64])),
            (279, Values::Long(lengths)),
            // Sample format: floats.
            (339, Values::Short(vec![3])),
        ];
        if b == 0.0 && d == 0.0 && a > 0.0 && e < 0.0 {
            tags.push((33_550, Values::Double(vec![a, -e, 0.0])));
            tags.push((33_922, Values::Double(vec![0.0, 0.0, 0.0, c, f, 0.0])));
        } else {
            let matrix = vec![a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
            tags.push((34_264, Values::Double(matrix)));
        }
        tags.push((34_735, Values::Short(self.keys.directory.clone())));
        if !self.keys.doubles.is_empty() {
            tags.push((34_736, Values::Double(self.keys.doubles.clone())));
        }
        if !self.keys.text.is_empty() {
            tags.push((34_737, Values::Text(self.keys.text.clone())));
        }
        // GDAL's tag for the value that stands for no measurement.
        tags.push((42_113, Values::Text("nan".into())));
        Directory { tags }
    }
}

impl Keys {
    /// Takes the keys of a scene, or makes keys from its EPSG code. They say that coordinates are those of pixels'
    /// corners (PixelIsArea), as [`Transform`] has them.
    ///
    /// # Errors
    /// [`Error::Option`] if there are neither keys nor a code of 16 bits.
    fn of(scene: &Scene) -> Result<Self> {
        const RASTER_TYPE: u16 = 1025;
        if let Some(tags) = scene.geo_tags().filter(|tags| tags.key_directory.len() > 4) {
            let mut directory = tags.key_directory.clone();
            for key in directory.chunks_exact_mut(4).skip(1).filter(|key| key[0] == RASTER_TYPE) {
                key[3] = 1;
            }
            return Ok(Self {
                directory,
                doubles: tags.double_params.clone(),
                text: tags.ascii_params.clone(),
            });
        }
        let Some(code) = scene.crs().epsg().and_then(|code| u16::try_from(code).ok()) else {
            return Err(Error::Option {
                name: "the coordinate system of a heat map",
                value: scene.crs().name().into(),
                expected: "one that has an EPSG code",
            });
        };
        let (model, key) = if scene.crs().is_geographic() { (2, 2048) } else { (1, 3072) };
        let directory = vec![1, 1, 0, 3, 1024, 0, 1, model, RASTER_TYPE, 0, 1, 1, key, 0, 1, code];
        Ok(Self { directory, doubles: Vec::new(), text: String::new() })
    }
}

/// A directory of TIFF or BigTIFF, with tags in ascending order.
struct Directory {
    tags: Vec<(u16, Values)>,
}

/// The values of a tag. A `Long` has 4 bytes in TIFF and 8 in BigTIFF, as an offset does.
enum Values {
    Short(Vec<u16>),
    Long(Vec<u64>),
    Double(Vec<f64>),
    Text(String),
}

impl Directory {
    /// Returns the bytes of the directory, which lies at byte `start` of the file, and of the values that follow it.
    fn bytes(&self, start: u64, is_big: bool) -> Vec<u8> {
        let word = |number: u64| {
            if is_big { number.to_le_bytes().to_vec() } else { (number as u32).to_le_bytes().to_vec() }
        };
        let (head, entry, inline) = if is_big { (8, 20, 8) } else { (2, 12, 4) };
        let length = head + entry * self.tags.len() + inline;
        let mut values_at = start + length as u64;
        let (mut out, mut values) = (Vec::new(), Vec::new());
        let count = self.tags.len();
        out.extend(if is_big {
            (count as u64).to_le_bytes().to_vec()
        } else {
            (count as u16).to_le_bytes().to_vec()
        });
        for (tag, list) in &self.tags {
            let (kind, count, mut bytes): (u16, usize, Vec<u8>) = match list {
                Values::Short(list) => {
                    (3, list.len(), list.iter().flat_map(|number| number.to_le_bytes()).collect())
                }
                Values::Long(list) => (
                    if is_big { 16 } else { 4 },
                    list.len(),
                    list.iter().flat_map(|number| word(*number)).collect(),
                ),
                Values::Double(list) => {
                    (12, list.len(), list.iter().flat_map(|number| number.to_le_bytes()).collect())
                }
                Values::Text(text) => (2, text.len() + 1, [text.as_bytes(), b"\0"].concat()),
            };
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(word(count as u64));
            if bytes.len() <= inline {
                bytes.resize(inline, 0);
                out.extend(bytes);
            } else {
                out.extend(word(values_at));
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                values_at += bytes.len() as u64;
                values.extend(bytes);
            }
        }
        // No directory follows.
        out.extend(word(0));
        out.extend(values);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SceneOptions;

    fn scene() -> Scene {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cog_rgb.tif");
        Scene::open(path, &SceneOptions::default()).unwrap()
    }

    #[test]
    fn a_pixel_is_the_mean_of_the_tiles_that_cover_it_and_lies_where_the_scenes_does() {
        let scene = scene();
        let [width, height] = scene.size();
        let mut map = Heatmap::new(&scene).unwrap();
        map.add(Window::new(0, 0, 100, 50), 0.25);
        map.add(Window::new(50, 20, 100, 50), 0.75);
        // Beyond the edge, and no score.
        map.add(Window::new(width - 1, height - 1, 100, 100), 1.0);
        map.add(Window::new(0, 0, width, height), f32::NAN);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heat.tif");
        map.write(&path).unwrap();

        let tiff = rscir_images::tiff::Tiff::open(&path).unwrap();
        let image = tiff.image();
        assert_eq!((image.width(), image.height(), image.bands()), (width, height, 1));
        assert!(image.no_data().unwrap().is_nan());
        let samples = image.read_window(Window::new(0, 0, width, height), &[0]).unwrap();
        let at = |x: usize, y: usize| samples.value(y * width + x).unwrap();
        for (x, y, mean) in [(0, 0, 0.25), (99, 49, 0.5), (50, 20, 0.5), (49, 20, 0.25), (149, 69, 0.75)] {
            assert_eq!(at(x, y), mean, "{x}, {y}");
        }
        assert_eq!(at(width - 1, height - 1), 1.0);
        for (x, y) in [(150, 69), (149, 70), (0, 50), (width - 2, height - 1)] {
            assert!(at(x, y).is_nan(), "{x}, {y}");
        }
        let written = Scene::open(&path, &SceneOptions::default()).unwrap();
        assert_eq!((written.crs(), written.transform()), (scene.crs(), scene.transform()));
    }

    #[test]
    fn offsets_of_64_bits_have_their_own_form() {
        let values = || Values::Long(vec![1, 2, 3]);
        let of = |is_big| Directory { tags: vec![(273, values())] }.bytes(16, is_big);
        // Count, one entry, the next directory's place, three values with their padding.
        assert_eq!((of(false).len(), of(true).len()), (2 + 12 + 4 + 16, 8 + 20 + 8 + 24));
        assert_eq!(of(true)[8 + 12..8 + 20], (16_u64 + 36).to_le_bytes());
    }
}
