use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rscir_core::{Archive, Html};

/// A source of a page's pictures.
///
/// Closures `Fn(&str) -> Option<TileData>` implement it.
pub trait TileSource {
    /// Returns the picture of an archive row by its key, or `None` if there is none to show. The page asks
    /// once for each of its tiles.
    fn tile(&self, key: &str) -> Option<TileData>;
}

impl<F: Fn(&str) -> Option<TileData>> TileSource for F {
    fn tile(&self, key: &str) -> Option<TileData> {
        self(key)
    }
}

/// A picture file in a format that browsers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileData {
    mime: &'static str,
    bytes: Vec<u8>,
}

impl TileData {
    /// Recognizes a JPEG, PNG, WebP, GIF or BMP by its first bytes; `None` for anything else.
    pub fn sniff(bytes: Vec<u8>) -> Option<Self> {
        let mime = match bytes.as_slice() {
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            [b'G', b'I', b'F', b'8', ..] => "image/gif",
            [b'B', b'M', ..] => "image/bmp",
            _ => return None,
        };
        Some(Self { mime, bytes })
    }
}

/// The tiles of a page. Each is embedded once, however often it is shown.
pub(super) struct Tiles<'a> {
    archive: &'a dyn Archive,
    source: Option<&'a dyn TileSource>,
    bytes_left: usize,
    /// Pictures by archive row. `None` if there is no picture, or no room for it.
    tiles: BTreeMap<usize, Option<TileData>>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(archive: &'a dyn Archive, source: Option<&'a dyn TileSource>, bytes: usize) -> Self {
        Self { archive, source, bytes_left: bytes, tiles: BTreeMap::new() }
    }

    /// Shows the tile of `row` as a picture or as its key. `name` describes it to readers who do not see the
    /// picture.
    pub(super) fn show(&mut self, row: usize, name: &str, html: &mut Html) {
        let key = self.archive.key(row);
        let (source, bytes_left) = (self.source, &mut self.bytes_left);
        let tile = self.tiles.entry(row).or_insert_with(|| {
            let tile = source.and_then(|source| source.tile(key))?;
            *bytes_left = bytes_left.checked_sub(tile.bytes.len())?;
            Some(tile)
        });
        if tile.is_some() {
            html.raw("<svg class=\"tile\" viewBox=\"0 0 96 96\" role=\"img\" aria-label=\"").text(name);
            html.raw("\"><title>").text(name).raw("</title><use href=\"#tile").raw(&row.to_string());
            html.raw("\"/></svg>");
        } else {
            // Two tiles rarely differ only in their folder.
            let short = key.rsplit('/').next().unwrap_or(key);
            html.raw("<span class=\"tile missing\" role=\"img\" aria-label=\"").text(name);
            html.raw("\">").text(short).raw("</span>");
        }
    }

    /// Writes the pictures that [`Tiles::show`] refers to.
    pub(super) fn write_definitions(&self, html: &mut Html) {
        html.raw("<svg class=\"definitions\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\n");
        for (row, tile) in &self.tiles {
            if let Some(tile) = tile {
                html.raw("<image id=\"tile").raw(&row.to_string());
                html.raw("\" width=\"96\" height=\"96\" preserveAspectRatio=\"xMidYMid slice\" href=\"data:");
                html.raw(tile.mime).raw(";base64,").raw(&BASE64_STANDARD.encode(&tile.bytes)).raw("\"/>\n");
            }
        }
        html.raw("</defs></svg>\n");
    }
}
