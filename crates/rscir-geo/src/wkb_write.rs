//! Writes geometries as well-known binary, and reads them from well-known text.

use crate::{Footprint, Ring, WkbGeometry};

/// Code of a point (OGC 06-103r4, section 8.2.3, for all codes).
const POINT: u32 = 1;
/// Code of a polygon.
const POLYGON: u32 = 3;
/// Code of a multipolygon.
const MULTIPOLYGON: u32 = 6;

impl WkbGeometry {
    /// Makes the polygons of a footprint: one, or two if the antimeridian cuts it.
    #[must_use]
    pub fn of_footprint(footprint: &Footprint) -> Self {
        Self::Polygons(footprint.rings().into_iter().map(|ring| vec![ring]).collect())
    }

    /// Returns the geometry in well-known binary, with numbers in little-endian order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Point(place) => {
                head(&mut bytes, POINT);
                put_place(&mut bytes, place);
            }
            Self::Polygons(polygons) => match polygons.as_slice() {
                [rings] => put_polygon(&mut bytes, rings),
                polygons => {
                    head(&mut bytes, MULTIPOLYGON);
                    put_count(&mut bytes, polygons.len());
                    polygons.iter().for_each(|rings| put_polygon(&mut bytes, rings));
                }
            },
        }
        bytes
    }

    /// Reads the well-known text of a point, a polygon or a multipolygon, as [`Display`](std::fmt::Display) writes it.
    /// Returns `None` for any other text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(text.find('(')?)?;
        let mut reader = Text { rest };
        let geometry = match kind.trim().to_ascii_uppercase().as_str() {
            "POINT" => Self::Point(reader.one(Text::place)?),
            "POLYGON" => Self::Polygons(vec![reader.polygon()?]),
            "MULTIPOLYGON" => Self::Polygons(reader.list(Text::polygon)?),
            _ => return None,
        };
        let is_finite = |geometry: &Self| {
            let finite = |[x, y]: [f64; 2]| if x.is_finite() && y.is_finite() { Ok([x, y]) } else { Err(()) };
            geometry.map(finite).is_ok()
        };
        (reader.rest.trim().is_empty() && is_finite(&geometry)).then_some(geometry)
    }
}

fn head(bytes: &mut Vec<u8>, code: u32) {
    bytes.push(1);
    bytes.extend(code.to_le_bytes());
}

/// Writes a count as 32 bits. The conversion never saturates: four billion points would take 64 GB of memory.
fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_place(bytes: &mut Vec<u8>, place: &[f64; 2]) {
    place.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}

fn put_polygon(bytes: &mut Vec<u8>, rings: &[Ring]) {
    head(bytes, POLYGON);
    put_count(bytes, rings.len());
    for ring in rings {
        put_count(bytes, ring.len());
        ring.iter().for_each(|place| put_place(bytes, place));
    }
}

/// A reader of text, with the text that is left to read.
struct Text<'a> {
    rest: &'a str,
}

impl Text<'_> {
    /// Skips white space and takes a character. Returns `None` if another one follows.
    fn sign(&mut self, sign: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(sign)?;
        Some(())
    }

    fn one<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        self.sign('(')?;
        let one = item(self)?;
        self.sign(')').map(|()| one)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.sign('(')?;
        let mut items = vec![item(self)?];
        while self.sign(',').is_some() {
            items.push(item(self)?);
        }
        self.sign(')').map(|()| items)
    }

    fn polygon(&mut self) -> Option<Vec<Ring>> {
        self.list(|text| text.list(Self::place))
    }

    fn place(&mut self) -> Option<[f64; 2]> {
        Some([self.number()?, self.number()?])
    }

    fn number(&mut self) -> Option<f64> {
        let text = self.rest.trim_start();
        let end = text.find(|sign: char| sign.is_whitespace() || matches!(sign, ',' | '(' | ')'))?;
        let (number, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometries() -> Vec<WkbGeometry> {
        let square = |x: f64| vec![[x, 1.0], [x + 1.0, 1.0], [x + 1.0, 2.0], [x, 2.5e-3], [x, 1.0]];
        vec![
            WkbGeometry::Point([4.5, -52.000_000_000_1]),
            WkbGeometry::Polygons(vec![vec![square(0.1)]]),
            WkbGeometry::Polygons(vec![vec![square(0.0), square(-0.25)], vec![square(100.0)]]),
            WkbGeometry::of_footprint(&Footprint::new([
                [179.0, 1.0],
                [179.0, 0.0],
                [-179.0, 0.0],
                [-179.0, 1.0],
            ])),
        ]
    }

    #[test]
    fn geometries_come_back_from_binary_and_from_text_to_the_bit() {
        for geometry in geometries() {
            assert_eq!(WkbGeometry::read(&geometry.to_bytes()).as_ref(), Ok(&geometry));
            assert_eq!(WkbGeometry::from_text(&geometry.to_string()), Some(geometry));
        }
        let loose = WkbGeometry::from_text(" polygon( ( 0 0 , 1 0,1 1,0 0 ) ) ").unwrap();
        assert_eq!(loose.to_string(), "POLYGON ((0 0, 1 0, 1 1, 0 0))");
    }

    #[test]
    fn a_footprint_across_the_antimeridian_is_two_polygons() {
        let [.., across] = &geometries()[..] else { panic!() };
        assert!(across.to_string().starts_with("MULTIPOLYGON"), "{across}");
        assert_eq!(across.footprint().bounds().west, 179.0);
    }

    #[test]
    fn other_texts_are_no_geometry() {
        for text in [
            "",
            "POINT",
            "POINT EMPTY",
            "POINT (1)",
            "POINT (1 2 3)",
            "POINT (1 2",
            "POINT (1 2) 3",
            "POINT (NaN 2)",
            "POINT (1 inf)",
            "POINT Z (1 2)",
            "LINESTRING (0 0, 1 1)",
            "POLYGON (0 0, 1 1)",
            "POLYGON ((0 0, 1 1)",
            "MULTIPOLYGON ((0 0))",
            "POLYGON ((\u{e9} 0))",
        ] {
            assert_eq!(WkbGeometry::from_text(text), None, "{text}");
        }
    }
}
