"""Writes data/images/kinds/ and data/images/pillow.csv: one small image of each kind, and Pillow's RGB of it.

Made with Pillow 13.0.0 (libtiff, libwebp and libjpeg-turbo of its wheel) and tifffile 2026.3.3 (with imagecodecs 2026.3.6 for JPEG):
    python tests/python/image_data.py tests/data/images
"""

import hashlib
import pathlib
import struct
import sys
import zlib

import numpy as np
import tifffile
from PIL import Image

HERE = pathlib.Path(sys.argv[1])
KINDS = HERE / "kinds"
RNG = np.random.default_rng(3)
H, W = 19, 23


def smooth(*shape):
    """Noise with neighbors alike, so that lossy codecs keep some of it."""
    noise = RNG.integers(0, 256, shape).astype(float)
    for axis in (0, 1):
        noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)) / 3
    return np.clip((noise - 128) * 2 + 128, 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, samples, depth, color, extra=b"", interlaced=False):
    """A PNG of `samples` [height, width, channels], filter 0 (Pillow writes neither all depths nor Adam7)."""
    h, w, channels = samples.shape

    def scanlines(part):
        out = b""
        for row in part:
            bits = "".join(f"{v:0{depth}b}" for v in row.ravel())
            bits += "0" * (-len(bits) % 8)
            out += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
        return out

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes] if interlaced else [samples]
    data = b"".join(scanlines(part) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlaced))
    (KINDS / name).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    )


def pngs():
    for interlaced in (False, True):
        tag = "_adam7" if interlaced else ""
        for depth in (1, 2, 4, 8, 16):
            png(f"gray{depth}{tag}.png", RNG.integers(0, 1 << depth, (H, W, 1)), depth, 0, interlaced=interlaced)
        for color, name, channels in ((2, "rgb", 3), (4, "gray_alpha", 2), (6, "rgba", 4)):
            for depth in (8, 16):
                png(f"{name}{depth}{tag}.png", RNG.integers(0, 1 << depth, (H, W, channels)), depth, color, interlaced=interlaced)
    for depth in (1, 2, 4, 8):
        # Two entries fewer than indices.
        entries = RNG.integers(0, 256, (max(1, (1 << depth) - 2), 3)).astype(np.uint8).tobytes()
        png(f"palette{depth}.png", RNG.integers(0, 1 << depth, (H, W, 1)), depth, 3, chunk(b"PLTE", entries))
    transparent = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    png("rgb8_transparent.png", RNG.integers(0, 8, (H, W, 3)), 8, 2, transparent)
    frames = [Image.fromarray(smooth(H, W, 3)) for _ in range(3)]
    frames[0].save(KINDS / "animated.png", save_all=True, append_images=frames[1:])


def tiff(name, data, **options):
    options.setdefault("metadata", None)
    tifffile.imwrite(KINDS / name, data, software=None, **options)


def tiffs():
    gray, rgb, rgba = smooth(H, W), smooth(H, W, 3), smooth(H, W, 4)
    deep = RNG.integers(0, 700, (H, W)).astype(np.uint16)
    deep_rgb = RNG.integers(0, 1 << 16, (H, W, 3)).astype(np.uint16)
    tiff("gray8.tif", gray, photometric="minisblack")
    tiff("gray8_white.tif", gray, photometric="miniswhite")
    tiff("bilevel.tif", gray > 128, photometric="minisblack")
    tiff("gray16.tif", deep, photometric="minisblack")
    tiff("gray16_big_endian.tif", deep, photometric="minisblack", byteorder=">")
    tiff("gray_int16.tif", deep.astype(np.int16) - 200, photometric="minisblack")
    tiff("gray_f32.tif", (deep - 100).astype(np.float32) / 1.7, photometric="minisblack")
    tiff("gray_alpha.tif", smooth(H, W, 2), photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    tiff("rgb8.tif", rgb, photometric="rgb")
    tiff("rgb8_planar.tif", np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate")
    tiff("rgb8_bigtiff.tif", rgb, photometric="rgb", bigtiff=True)
    tiff("rgb8_strips.tif", rgb, photometric="rgb", rowsperstrip=4)
    tiff("rgb8_tiles.tif", rgb, photometric="rgb", tile=(16, 16))
    tiff("rgb8_planar_tiles.tif", np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate", tile=(16, 16))
    for compression in ("lzw", "deflate", "packbits"):
        tiff(f"rgb8_{compression}.tif", rgb, photometric="rgb", compression=compression)
    for compression in ("lzw", "deflate"):
        tiff(f"rgb8_{compression}_predicted.tif", rgb, photometric="rgb", compression=compression, predictor=True)
        tiff(f"rgb16_{compression}_predicted_tiles.tif", deep_rgb, photometric="rgb", compression=compression, predictor=True, tile=(16, 16))
    tiff("rgb16.tif", deep_rgb, photometric="rgb")
    tiff("rgb16_big_endian.tif", deep_rgb, photometric="rgb", byteorder=">")
    tiff("rgba8.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    tiff("rgba8_premultiplied.tif", rgba, photometric="rgb", extrasamples=["assocalpha"])
    tiff("rgbx8.tif", rgba, photometric="rgb", extrasamples=["unspecified"])
    tiff("rgb8_six_bands.tif", smooth(H, W, 6), photometric="rgb", planarconfig="contig")
    tiff("cmyk.tif", rgba, photometric="separated")
    palette = RNG.integers(0, 1 << 16, (3, 256)).astype(np.uint16)
    tiff("palette.tif", gray, photometric="palette", colormap=palette)
    tiff("palette_big_endian.tif", gray, photometric="palette", colormap=palette, byteorder=">", compression="lzw")
    tiff("palette_bigtiff.tif", gray, photometric="palette", colormap=palette, bigtiff=True)
    with tifffile.TiffWriter(KINDS / "two_pages.tif") as pages:
        for page in (rgb, smooth(H, W, 3)):
            pages.write(page, photometric="rgb", software=None, metadata=None)


def others():
    rgb, rgba = Image.fromarray(smooth(H, W, 3)), Image.fromarray(smooth(H, W, 4), "RGBA")
    rgb.save(KINDS / "rgb24.bmp")
    rgba.save(KINDS / "rgba32.bmp")
    rgb.convert("L").save(KINDS / "gray8.bmp")
    rgb.quantize(200).save(KINDS / "palette8.bmp")
    rgb.convert("1").save(KINDS / "bilevel.bmp")
    rgb.save(KINDS / "lossless.webp", lossless=True)
    rgba.save(KINDS / "lossless_alpha.webp", lossless=True, exact=True)
    rgb.save(KINDS / "lossy.webp", quality=80)
    rgba.save(KINDS / "lossy_alpha.webp", quality=80)
    rgb.save(KINDS / "animated.webp", save_all=True, append_images=[rgb.rotate(180)], lossless=True)
    rgb.save(KINDS / "420.jpg", quality=80)
    rgb.save(KINDS / "progressive.jpg", quality=90, progressive=True, subsampling=0)
    rgb.convert("L").save(KINDS / "gray.jpg")
    rgb.convert("CMYK").save(KINDS / "cmyk.jpg")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        rgb.save(KINDS / f"turned{orientation}.jpg", exif=exif)
    exif[0x0112] = 6
    rgb.save(KINDS / "turned6.png", exif=exif)
    rgb.save(KINDS / "turned6.webp", lossless=True, exif=exif)
    rgb.save(KINDS / "turned6.tif", exif=exif)
    # Last, so that the noise of the others does not change.
    rgb.save(KINDS / "rgb8_jpeg.tif", compression="jpeg", quality=80)
    rgb.convert("L").save(KINDS / "gray8_jpeg.tif", compression="jpeg", quality=80)
    # By libtiff, whose strips share their tables, and by imagecodecs.
    rgb.convert("YCbCr").save(KINDS / "ycbcr_jpeg.tif", compression="jpeg", quality=80)
    for name, subsampling, layout in (("strips", (2, 2), {"rowsperstrip": 16}), ("tiles", (2, 1), {"tile": (16, 16)})):
        options = {"photometric": "ycbcr", "compression": "jpeg", "compressionargs": {"level": 80}, "subsampling": subsampling}
        tiff(f"ycbcr_jpeg_{name}.tif", np.asarray(rgb), **options, **layout)


def main():
    KINDS.mkdir(exist_ok=True)
    pngs()
    tiffs()
    others()
    lines = ["file,width,height,sha256"]
    for path in sorted(p for p in HERE.rglob("*") if p.suffix in {".png", ".tif", ".bmp", ".webp", ".jpg"}):
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        lines.append(f"{path.relative_to(HERE)},{rgb.width},{rgb.height},{hashlib.sha256(rgb.tobytes()).hexdigest()}")
    (HERE / "pillow.csv").write_text("\n".join(lines) + "\n")


main()
