//! Makes small georeferenced TIFF files for tests.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::path::{Path, PathBuf};

/// A classic TIFF file with the tags of GeoTIFF. Each row is an uncompressed strip.
pub struct Made {
    width: u32,
    bands: u16,
    /// Number of bits of a sample, and its format: 1 unsigned, 2 signed, 3 float.
    kind: (u16, u16),
    data: Vec<u8>,
    tags: Vec<(u16, Tag)>,
}

enum Tag {
    Short(Vec<u16>),
    Long(Vec<u32>),
    Double(Vec<f64>),
    Text(String),
}

/// Gives the bytes of samples of a type.
pub trait Sample: Copy {
    const KIND: (u16, u16);

    fn bytes(self) -> Vec<u8>;
}

macro_rules! sample {
    ($($kind:ty: $format:expr),*) => {$(
        impl Sample for $kind {
            const KIND: (u16, u16) = (8 * size_of::<$kind>() as u16, $format);

            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        }
    )*};
}
sample!(u8: 1, u16: 1, i16: 2, f32: 3);

impl Made {
    /// Makes an image of samples `[row][column][band]`. Its pixels of 10 m begin at 500000, 5300000 in UTM zone 33N.
    pub fn new<S: Sample>(width: usize, bands: usize, samples: &[S]) -> Self {
        let data = samples.iter().flat_map(|sample| sample.bytes()).collect();
        let made = Self { width: width as u32, bands: bands as u16, kind: S::KIND, data, tags: Vec::new() };
        made.placed([10.0, 10.0], [500_000.0, 5_300_000.0]).epsg(32633)
    }

    fn set(mut self, tag: u16, value: Tag) -> Self {
        self.tags.retain(|(known, _)| *known != tag);
        self.tags.push((tag, value));
        self
    }

    /// Sets the size of a pixel and the upper left corner.
    pub fn placed(self, [width, height]: [f64; 2], [x, y]: [f64; 2]) -> Self {
        self.set(33_550, Tag::Double(vec![width, height, 0.0]))
            .set(33_922, Tag::Double(vec![0.0, 0.0, 0.0, x, y, 0.0]))
    }

    /// Removes the size of the pixels, so that the tie points are ground control points.
    pub fn with_control_points(mut self) -> Self {
        self.tags.retain(|(tag, _)| *tag != 33_550);
        self.set(33_922, Tag::Double(vec![0.0; 24]))
    }

    /// Sets the coordinate system by its EPSG code.
    pub fn epsg(self, code: u16) -> Self {
        let (model, key) = if (4000..5000).contains(&code) { (2, 2048) } else { (1, 3072) };
        self.set(34_735, Tag::Short(vec![1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, code]))
    }

    /// Removes the tags that tell where the image lies.
    pub fn without_place(mut self) -> Self {
        self.tags.retain(|(tag, _)| ![33_550, 33_922, 34_735].contains(tag));
        self
    }

    /// Removes the coordinate system.
    pub fn without_crs(mut self) -> Self {
        self.tags.retain(|(tag, _)| *tag != 34_735);
        self
    }

    /// Sets the value that stands for no measurement.
    pub fn no_data(self, value: &str) -> Self {
        self.set(42_113, Tag::Text(value.into()))
    }

    /// Declares the last band as an alpha.
    pub fn with_alpha(self) -> Self {
        self.set(338, Tag::Short(vec![2]))
    }

    /// Sets the tag DateTime.
    pub fn date(self, date: &str) -> Self {
        self.set(306, Tag::Text(date.into()))
    }

    /// Returns the file's bytes: the header, the directory, values that do not fit into it, and the rows.
    pub fn bytes(mut self) -> Vec<u8> {
        let stride = self.width * u32::from(self.bands) * u32::from(self.kind.0) / 8;
        let height = self.data.len() as u32 / stride;
        let bands = usize::from(self.bands);
        let photometric = if self.bands == 3 { 2 } else { 1 };
        let own = [
            (256, Tag::Long(vec![self.width])),
            (257, Tag::Long(vec![height])),
            (258, Tag::Short(vec![self.kind.0; bands])),
            (259, Tag::Short(vec![1])),
            (262, Tag::Short(vec![photometric])),
            (273, Tag::Long(vec![0; height as usize])),
            (277, Tag::Short(vec![self.bands])),
            (278, Tag::Long(vec![1])),
            (279, Tag::Long(vec![stride; height as usize])),
            (339, Tag::Short(vec![self.kind.1; bands])),
        ];
        self.tags.extend(own);
        self.tags.sort_by_key(|(tag, _)| *tag);
        // The length of the part before the rows does not depend on their positions.
        let rows_at = self.head().len() as u32;
        let places = (0..height).map(|row| rows_at + row * stride).collect();
        if let Some((_, rows)) = self.tags.iter_mut().find(|(tag, _)| *tag == 273) {
            *rows = Tag::Long(places);
        }
        [self.head(), self.data].concat()
    }

    /// Returns the part of the file before the rows.
    fn head(&self) -> Vec<u8> {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend((self.tags.len() as u16).to_le_bytes());
        let mut at = 8 + 2 + 12 * self.tags.len() + 4;
        let mut values = Vec::new();
        for (tag, value) in &self.tags {
            let (kind, count, mut bytes): (u16, usize, Vec<u8>) = match value {
                Tag::Short(list) => (3, list.len(), list.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Tag::Long(list) => (4, list.len(), list.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Tag::Double(list) => (12, list.len(), list.iter().flat_map(|v| v.to_le_bytes()).collect()),
                Tag::Text(text) => (2, text.len() + 1, [text.as_bytes(), b"\0"].concat()),
            };
            file.extend(tag.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend((count as u32).to_le_bytes());
            if bytes.len() <= 4 {
                bytes.resize(4, 0);
                file.extend(bytes);
            } else {
                bytes.resize(bytes.len().next_multiple_of(2), 0);
                file.extend((at as u32).to_le_bytes());
                at += bytes.len();
                values.extend(bytes);
            }
        }
        file.extend([0; 4]);
        file.extend(values);
        file
    }

    /// Writes the file to a path.
    pub fn write(self, path: impl AsRef<Path>) -> PathBuf {
        std::fs::write(&path, self.bytes()).unwrap();
        path.as_ref().into()
    }
}
