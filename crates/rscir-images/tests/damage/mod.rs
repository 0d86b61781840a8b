//! Makes images that are meant to do harm, and damages files at random.

mod change;

pub(crate) use change::damage;

use super::read;

/// Computes the CRC-32 of PNG chunks (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut body = kind.to_vec();
    body.extend(data);
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

fn png_header(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header)].concat()
}

/// Makes a deflate stream of zeros, 1 MiB for about 1 KiB, in zlib's frame without its checksum.
fn zeros_deflated(mebibytes: usize) -> Vec<u8> {
    // A block with fixed codes has the literal 0, then the length 258 at distance 1 again and again. Bits are packed
    // from the low end.
    let (mut out, mut bits, mut count) = (vec![0x78, 0x9C], 0_u64, 0);
    let mut put = |value: u64, length: u32, out: &mut Vec<u8>| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    put(0b011, 3, &mut out);
    put(0b0000_1100, 8, &mut out);
    for _ in 0..mebibytes * (1 << 20) / 258 {
        // Code 285 is 11000101 from its high bit, and the distance code is 00000.
        put(0b1010_0011, 8, &mut out);
        put(0, 5, &mut out);
    }
    put(0, 7 + 8, &mut out);
    out
}

/// Makes a classic little-endian TIFF of one directory. An entry is tag, type (3: 16 bits, 4: 32 bits), count and value.
fn tiff(entries: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut out = b"II\x2A\0\x08\0\0\0".to_vec();
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out
}

/// Returns the entries of a gray TIFF in one strip of 100 bytes.
fn gray_tiff(width: u32, height: u32, bits: u32, compression: u32) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 100),
    ]
}

fn with(entries: Vec<(u16, u16, u32, u32)>, changed: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    with_content(entries, changed, &[0x55; 400])
}

/// Makes a TIFF file of entries, some of which are changed, and of content, which lies at byte 200.
fn with_content(
    mut entries: Vec<(u16, u16, u32, u32)>,
    changed: &[(u16, u16, u32, u32)],
    content: &[u8],
) -> Vec<u8> {
    for change in changed {
        match entries.iter_mut().find(|entry| entry.0 == change.0) {
            Some(entry) => *entry = *change,
            None => entries.push(*change),
        }
    }
    entries.sort();
    let mut out = tiff(&entries);
    out.resize(200, 0x55);
    out.extend(content);
    out
}

fn bmp(width: i32, height: i32, bits: u16, compression: u32, colors: u32) -> Vec<u8> {
    let mut out = b"BM".to_vec();
    out.extend([100_u32, 0, 54].into_iter().flat_map(u32::to_le_bytes));
    out.extend(40_u32.to_le_bytes());
    out.extend([width, height].into_iter().flat_map(i32::to_le_bytes));
    out.extend([1, bits].into_iter().flat_map(u16::to_le_bytes));
    out.extend([compression, 0, 0, 0, colors, 0].into_iter().flat_map(u32::to_le_bytes));
    out.extend([0x55; 100]);
    out
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    [&b"RIFF"[..], &(chunks.len() as u32 + 4).to_le_bytes(), b"WEBP", chunks].concat()
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = read("kinds/420.jpg");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// Makes a lossless WebP of one color, whose pixels take no bits.
fn one_color(side: u64) -> Vec<u8> {
    // The header has each side less one in 14 bits, no alpha, version 0, and no transform, cache or second image. Five
    // codes of one symbol follow.
    let bits = (side - 1) | (side - 1) << 14;
    let codes = (0..5).fold(0_u64, |codes, code| codes | 0b0001 << (4 * code));
    let content = [&[0x2F][..], &(bits as u32).to_le_bytes(), &(codes << 3).to_le_bytes()].concat();
    riff(&[&b"VP8L"[..], &(content.len() as u32).to_le_bytes(), &content, &[0]].concat())
}

/// Makes a JPEG with a color profile of 255 segments of 64 KiB.
fn jpeg_with_profile() -> Vec<u8> {
    let whole = read("kinds/420.jpg");
    let segment = |n: u8| [&b"\xFF\xE2\xFF\xFFICC_PROFILE\0"[..], &[n, 255], &[0x55; 65_519]].concat();
    [whole[..2].to_vec(), (1..=255).flat_map(segment).collect(), whole[2..].to_vec()].concat()
}

/// Returns the crafted files: headers that announce too much, streams that expand, and tables with wrong numbers.
pub(crate) fn crafted() -> Vec<(&'static str, Vec<u8>)> {
    let huge = 100_000;
    let zeros = zeros_deflated(64);
    let swollen = |kind: &[u8; 4], prefix: &[u8]| {
        let mut bytes = png_header(8, 8, 8, 0);
        bytes.extend(chunk(kind, &[prefix, &zeros].concat()));
        bytes.extend(chunk(b"IDAT", &[]));
        bytes
    };
    let gray = |changed: &[_]| {
        let mut entries = gray_tiff(16, 16, 8, 1);
        entries[8].3 = 256;
        with(entries, changed)
    };
    vec![
        ("PNG of 100k x 100k", png_header(huge, huge, 8, 2)),
        ("PNG of 2^31 x 2^31", png_header(u32::MAX / 2, u32::MAX / 2, 16, 6)),
        ("PNG without pixels", png_header(0, 5, 8, 2)),
        ("PNG of 13k x 13k without content", png_header(13_000, 13_000, 16, 6)),
        ("PNG with a depth of 3", png_header(5, 5, 3, 2)),
        (
            "PNG with a palette of no entries",
            [png_header(5, 5, 8, 3), chunk(b"PLTE", &[]), chunk(b"IDAT", &[0; 9])].concat(),
        ),
        ("PNG without a palette", [png_header(5, 5, 8, 3), chunk(b"IDAT", &[0; 9])].concat()),
        ("PNG whose content swells", [png_header(8, 8, 8, 0), chunk(b"IDAT", &zeros)].concat()),
        ("PNG whose profile swells", swollen(b"iCCP", b"profile\0\0")),
        ("PNG whose text swells", swollen(b"zTXt", b"text\0\0")),
        ("PNG whose profile is 4 GiB by its length", {
            let mut bytes = png_header(8, 8, 8, 0);
            bytes.extend(u32::MAX.to_be_bytes());
            bytes.extend(b"iCCP");
            bytes
        }),
        ("PNG of 13k x 13k that swells", {
            let zeros = chunk(b"IDAT", &zeros_deflated(162));
            [png_header(13_000, 13_000, 8, 0), zeros, chunk(b"IEND", &[])].concat()
        }),
        ("TIFF of 13k x 13k that swells", {
            let content = zeros_deflated(162);
            let strip = [(279, 4, 1, content.len() as u32)];
            with_content(gray_tiff(13_000, 13_000, 8, 8), &strip, &content)
        }),
        ("TIFF with a tile of 32k x 32k that swells", {
            let content = zeros_deflated(1025);
            let tile = [
                (322, 4, 1, 1 << 15),
                (323, 4, 1, 1 << 15),
                (324, 4, 1, 200),
                (325, 4, 1, content.len() as u32),
            ];
            with_content(gray_tiff(16, 16, 8, 8), &tile, &content)
        }),
        ("TIFF whose strip is its header", gray(&[(273, 4, 1, 0), (279, 4, 1, 256)])),
        ("TIFF of 100k x 100k", with(gray_tiff(huge, huge, 8, 1), &[])),
        ("TIFF of 13k x 13k in 100 bytes", with(gray_tiff(13_000, 13_000, 16, 1), &[])),
        ("TIFF of 13k x 13k in 100 bytes of LZW", with(gray_tiff(13_000, 13_000, 16, 5), &[])),
        ("TIFF of 13k x 13k in 100 bytes of deflate", with(gray_tiff(13_000, 13_000, 8, 8), &[])),
        ("TIFF without pixels", gray(&[(256, 4, 1, 0)])),
        ("TIFF of 65,535 samples", gray(&[(277, 3, 1, 65_535)])),
        ("TIFF with 2^30 strips", gray(&[(273, 4, 1 << 30, 8), (279, 4, 1 << 30, 8)])),
        ("TIFF with a strip beyond its end", gray(&[(273, 4, 1, u32::MAX)])),
        ("TIFF with a strip of 4 GiB", gray(&[(279, 4, 1, u32::MAX)])),
        ("TIFF with no rows in a strip", gray(&[(278, 4, 1, 0)])),
        (
            "TIFF with tiles of no size",
            gray(&[(322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 200), (325, 4, 1, 100)]),
        ),
        (
            "TIFF with tiles of 2^31",
            gray(&[(322, 4, 1, 1 << 31), (323, 4, 1, 1 << 31), (324, 4, 1, 200), (325, 4, 1, 100)]),
        ),
        ("TIFF with a palette and no map", gray(&[(262, 3, 1, 3)])),
        ("TIFF with a map beyond its end", gray(&[(262, 3, 1, 3), (320, 3, 768, 390)])),
        ("TIFF with a profile of 4 GiB", gray(&[(34_675, 7, u32::MAX, 8)])),
        ("TIFF whose directory is the next one", {
            let mut bytes = gray(&[]);
            let next = 8 + 2 + 9 * 12;
            bytes[next..next + 4].copy_from_slice(&8_u32.to_le_bytes());
            bytes
        }),
        ("TIFF with its directory beyond its end", b"II\x2A\0\xFF\xFF\xFF\xFF".to_vec()),
        ("BigTIFF with its directory beyond its end", [&b"II\x2B\0\x08\0\0\0"[..], &[0xFF; 8]].concat()),
        ("BMP of 100k x 100k", bmp(huge as i32, huge as i32, 24, 0, 0)),
        ("BMP of 13k x 13k in 154 bytes", bmp(13_000, 13_000, 24, 0, 0)),
        ("BMP of -2^31 rows", bmp(5, i32::MIN, 24, 0, 0)),
        ("BMP with 2^32 - 1 colors", bmp(5, 5, 8, 0, u32::MAX)),
        ("BMP of run lengths that leave the image", bmp(5, 5, 8, 1, 1)),
        ("WebP of 16k x 16k", riff(b"VP8X\x0A\0\0\0\0\0\0\0\xFF\x3F\0\xFF\x3F\0")),
        ("WebP of 2^24 x 2^24", riff(b"VP8X\x0A\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF")),
        ("WebP without chunks", riff(b"")),
        ("WebP with a chunk of 4 GiB", riff(b"VP8L\xFF\xFF\xFF\xFF\x2F\0\0\0\0")),
        ("WebP of 13k x 13k of one color", one_color(13_000)),
        ("JPEG with a profile of 16 MiB", jpeg_with_profile()),
        ("JPEG of 65,500 x 65,500", jpeg(65_500, 65_500)),
        ("JPEG of 13k x 13k in 700 bytes", jpeg(13_000, 13_000)),
    ]
}
