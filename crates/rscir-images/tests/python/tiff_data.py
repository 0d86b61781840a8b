"""Makes tests/data/tiff: a small TIFF file for each feature, and samples.csv, which says what GDAL reads of it.

    pip install rasterio==1.4.4 pillow==13.0.0 numpy
    python tests/python/tiff_data.py tests/data/tiff

The columns are file, width, height, bands, type, the SHA-256 of the samples (`[row][column][band]`, the least significant byte
first), and the SHA-256 of Pillow's RGB. The last is empty if Pillow does not read the file, or changes its values. The samples of
JPEG in CMYK are Pillow's, since GDAL converts them to RGB. For forms that no program writes any more, this script writes the file,
and the samples are those that it wrote.
"""

import hashlib
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

warnings.simplefilter("ignore", NotGeoreferencedWarning)

# No multiples of tiles, so that these are cut at the edges.
WIDTH, HEIGHT = 29, 21
TILES = {"tiled": True, "blockxsize": 16, "blockysize": 16}
STRIPS = {"blockysize": 8}
FOLDER = Path(sys.argv[1])
ROWS = []


def field(bands, dtype, bits=None):
    """Hills over most of the type's range: `[band, row, column]`."""
    band, y, x = np.mgrid[0:bands, 0:HEIGHT, 0:WIDTH]
    unit = (np.sin(0.21 * x + band) * np.cos(0.17 * y) + 1.02) / 2.04
    if dtype.startswith("float"):
        return ((unit - 0.3) * 100).astype("float16").astype("float32" if dtype == "float16" else dtype)
    info = np.iinfo(dtype)
    low, high = (0, 2**bits - 1) if bits else (max(info.min, -(2**40)), min(info.max, 2**40))
    return np.round(low + unit * (high - low)).astype(dtype)


def note(name, array):
    """`array` is `[row, column, band]`."""
    array = array.astype(array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    height, width, bands = array.shape
    ROWS.append(f"{name},{width},{height},{bands},{array.dtype.name},{digest},{pillows(name)}")


def pillows(name):
    # Where GDAL and Pillow differ, GDAL is right: Pillow swaps bytes of big-endian samples twice, takes the upper half of 32
    # bits for negative, and the first plane for the whole.
    if any(part in name for part in ["sparse", "uint32"]):
        return ""
    try:
        rgb = np.asarray(Image.open(FOLDER / name).convert("RGB"))
    except Exception:  # whatever Pillow has against the file
        return ""
    return hashlib.sha256(rgb.tobytes()).hexdigest()


def gdal(name, dtype="uint8", bands=1, part=None, mask=False, overviews=(), pillow=False, environment=None, **how):
    path = FOLDER / name
    bits = how.get("NBITS")
    data = field(bands, dtype, bits if dtype != "float16" else None)
    nodata = how.get("nodata")
    if nodata is not None:
        data[:, :5, :7] = nodata
    shape = {"width": WIDTH, "height": HEIGHT, "count": bands, "dtype": data.dtype.name}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, **(environment or {})):
        with rasterio.open(path, "w", driver="GTiff", **shape, **how) as out:
            if part:
                out.write(data[:, part.row_off:, part.col_off:], window=part)
            else:
                out.write(data)
            if mask:
                out.write_mask(np.where(np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 3 > 0, 255, 0).astype("uint8"))
        if overviews:
            with rasterio.open(path, "r+") as out:
                out.build_overviews(overviews, rasterio.enums.Resampling.nearest)
    if pillow:
        array = np.asarray(Image.open(path))
    else:
        with rasterio.open(path) as source:
            array = np.moveaxis(source.read(), 0, 2)
    note(name, array)


def pillow(name, image, **how):
    image.save(FOLDER / name, **how)
    with rasterio.open(FOLDER / name) as source:
        note(name, np.moveaxis(source.read(), 0, 2))


def plain(name, array, entries, blocks, photometric=1, counts=None):
    """A classic little-endian file of an array `[row, column, band]`: `blocks` are the bytes of its strips."""
    height, width, bands = array.shape
    bits = array.dtype.itemsize * 8
    offsets, content = [], b""
    for block in blocks:
        offsets.append(8 + len(content))
        content += block
    counts = [len(block) for block in blocks] if counts is None else counts
    tags = {
        256: ("H", [width]),
        257: ("H", [height]),
        258: ("H", [bits] * bands),
        262: ("H", [photometric]),
        273: ("I", offsets),
        277: ("H", [bands]),
        279: ("I", counts),
    } | entries
    if counts == "none":
        del tags[279]
    kinds = {"B": 1, "s": 2, "H": 3, "I": 4, "h": 8, "i": 9, "d": 12}
    directory, beyond = b"", b""
    at = 8 + len(content) + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{kind}", *values)
        count = len(values)
        if len(packed) > 4:
            packed, beyond = struct.pack("<I", at + len(beyond)), beyond + packed
        directory += struct.pack("<HHI", tag, kinds[kind], count) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", 8 + len(content))
    (FOLDER / name).write_bytes(head + content + struct.pack("<H", len(tags)) + directory + b"\0\0\0\0" + beyond)
    note(name, array)


def old_lzw(data):
    """LZW as before TIFF 6.0: codes from the low bit up, which grow one code later than now."""
    table, bits, count, out = {}, 0, 0, bytearray()
    size = 9

    def put(code):
        nonlocal bits, count
        bits |= code << count
        count += size
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8

    def clear():
        nonlocal table, size
        put(256)
        table, size = {bytes([i]): i for i in range(256)}, 9

    clear()
    following = 258
    string = b""
    for byte in data:
        longer = string + bytes([byte])
        if longer in table:
            string = longer
            continue
        put(table[string])
        table[longer] = following
        following += 1
        if following == (1 << size) + 1 and size < 12:
            size += 1
        elif following >= 4095:
            clear()
            following = 258
        string = bytes([byte])
    put(table[string])
    put(257)
    put(0)
    return bytes(out)


def main():
    big = {"environment": {"GDAL_TIFF_ENDIANNESS": "BIG"}}
    gdal("none_uint8.tif", bands=3, **STRIPS)
    gdal("none_int8.tif", "int8", **TILES)
    gdal("none_int8_planar.tif", "int8", 2, interleave="BAND", **STRIPS)
    gdal("none_uint16_big_endian.tif", "uint16", 2, **STRIPS, **big)
    gdal("none_int16_bigtiff.tif", "int16", BIGTIFF="YES", **TILES)
    gdal("none_uint32.tif", "uint32", **STRIPS)
    gdal("none_int32_bigtiff_big_endian.tif", "int32", BIGTIFF="YES", **STRIPS, **big)
    gdal("none_uint64.tif", "uint64", **STRIPS)
    gdal("none_int64_big_endian.tif", "int64", **STRIPS, **big)
    gdal("none_float16.tif", "float16", NBITS=16, **STRIPS)
    gdal("none_float32_nan.tif", "float32", nodata=float("nan"), **STRIPS)
    gdal("none_float64_big_endian.tif", "float64", **TILES, **big)
    for bits, dtype in [(1, "uint8"), (2, "uint8"), (4, "uint8"), (7, "uint8"), (12, "uint16"), (20, "uint32")]:
        gdal(f"packbits_{bits}_bits.tif", dtype, 3, compress="PACKBITS", NBITS=bits, **STRIPS)
    for predictor, dtype in [(1, "uint8"), (2, "uint8"), (2, "int16"), (2, "uint32"), (2, "int64")]:
        gdal(f"lzw_{dtype}_predictor{predictor}.tif", dtype, 3 if dtype == "uint8" else 1, compress="LZW", predictor=predictor, **TILES)
    for dtype in ["float16", "float32", "float64"]:
        bits = {"NBITS": 16} if dtype == "float16" else {}
        gdal(f"deflate_{dtype}_predictor3.tif", dtype, compress="DEFLATE", predictor=3, **bits, **TILES)
    gdal("deflate_float32_predictor3_big_endian.tif", "float32", 2, compress="DEFLATE", predictor=3, **STRIPS, **big)
    gdal("deflate_uint16_predictor2_big_endian.tif", "uint16", 3, compress="DEFLATE", predictor=2, **STRIPS, **big)
    gdal("deflate_float64_predictor2.tif", "float64", compress="DEFLATE", predictor=2, **STRIPS)
    gdal("zstd_uint8_predictor2.tif", bands=3, compress="ZSTD", predictor=2, **TILES)
    gdal("zstd_int16_planar.tif", "int16", 2, compress="ZSTD", interleave="BAND", **STRIPS)
    gdal("zstd_float32_predictor3.tif", "float32", compress="ZSTD", predictor=3, **STRIPS)
    gdal("lzma_uint8.tif", bands=3, compress="LZMA", **STRIPS)
    gdal("lzma_uint16_big_endian.tif", "uint16", compress="LZMA", **TILES, **big)
    gdal("lerc_uint8.tif", bands=3, compress="LERC", **TILES)
    gdal("lerc_int16_planar.tif", "int16", 2, compress="LERC_DEFLATE", interleave="BAND", **STRIPS)
    gdal("lerc_float32_nan.tif", "float32", 2, compress="LERC_ZSTD", nodata=float("nan"), MAX_Z_ERROR=0.01, **TILES)
    gdal("lerc_float64_big_endian.tif", "float64", compress="LERC", **STRIPS, **big)
    gdal("lerc_alpha.tif", bands=4, compress="LERC", PHOTOMETRIC="RGB", ALPHA="YES", **TILES)
    gdal("webp_lossless.tif", bands=3, compress="WEBP", WEBP_LOSSLESS="YES", interleave="PIXEL", **TILES)
    gdal("webp_alpha.tif", bands=4, compress="WEBP", WEBP_LEVEL=80, interleave="PIXEL", **STRIPS)
    gdal("fax_rle.tif", compress="CCITTRLE", NBITS=1, **STRIPS)
    gdal("fax_group3.tif", compress="CCITTFAX3", NBITS=1, PHOTOMETRIC="MINISWHITE", **STRIPS)
    gdal("fax_group4.tif", compress="CCITTFAX4", NBITS=1, **TILES)
    bilevel = Image.fromarray(field(1, "uint8")[0]).convert("1")
    pillow("fax_group3_by_above.tif", bilevel, compression="group3", tiffinfo={292: 1})
    pillow("fax_group4_reversed.tif", bilevel, compression="group4", tiffinfo={266: 2})
    gdal("jpeg_gray.tif", compress="JPEG", **TILES)
    gdal("jpeg_ycbcr.tif", bands=3, compress="JPEG", PHOTOMETRIC="YCBCR", interleave="PIXEL", **TILES)
    gdal("jpeg_rgb.tif", bands=3, compress="JPEG", PHOTOMETRIC="RGB", interleave="PIXEL", **STRIPS)
    gdal("jpeg_rgb_planar.tif", bands=3, compress="JPEG", PHOTOMETRIC="RGB", interleave="BAND", **STRIPS)
    gdal("jpeg_rgba.tif", bands=4, compress="JPEG", PHOTOMETRIC="RGB", interleave="PIXEL", ALPHA="YES", **STRIPS)
    gdal("jpeg_two_bands.tif", bands=2, compress="JPEG", interleave="PIXEL", **TILES)
    gdal("jpeg_four_bands_planar.tif", bands=4, compress="JPEG", interleave="BAND", **TILES)
    gdal("jpeg_cmyk.tif", bands=4, compress="JPEG", PHOTOMETRIC="CMYK", interleave="PIXEL", pillow=True, **STRIPS)
    corner = rasterio.windows.Window(16, 16, WIDTH - 16, HEIGHT - 16)
    gdal("sparse_tiles.tif", "int16", 2, part=corner, SPARSE_OK="TRUE", nodata=-7, **TILES)
    gdal("sparse_strips.tif", "float32", part=rasterio.windows.Window(0, 16, WIDTH, HEIGHT - 16), compress="DEFLATE", SPARSE_OK="TRUE", **STRIPS)
    gdal("mask_and_overviews.tif", bands=3, compress="DEFLATE", mask=True, overviews=[2, 4], **TILES)

    gray = np.moveaxis(field(1, "uint8"), 0, 2)
    rows = [gray[:11].tobytes(), gray[11:].tobytes()]
    strips = {278: ("H", [11])}
    plain("counts_missing.tif", gray, strips, rows, counts="none")
    plain("counts_zero.tif", gray, strips, rows, counts=[0, 0])
    plain("counts_too_long.tif", gray, {}, [gray.tobytes()], counts=[WIDTH * HEIGHT + 93])
    plain("deflate_counts_zero.tif", gray, strips | {259: ("H", [8])}, [zlib.compress(row) for row in rows], counts=[0, 0])
    plain("signed_tags.tif", gray, {256: ("i", [WIDTH]), 257: ("h", [HEIGHT]), 278: ("i", [11])}, rows)
    plain("lzw_old_style.tif", gray, strips | {259: ("H", [5])}, [old_lzw(row) for row in rows])
    reversed_bits = bytes(int(f"{byte:08b}"[::-1], 2) for byte in gray.tobytes())
    plain("fill_order_reversed.tif", gray, {266: ("H", [2])}, [reversed_bits])
    (FOLDER / "samples.csv").write_text("\n".join(["file,width,height,bands,type,sha256,pillow", *sorted(ROWS)]) + "\n")


if __name__ == "__main__":
    main()
