"""Makes TIFF files of every kind that GDAL writes, and compares what is read of them with what GDAL reads.

    pip install rasterio==1.4.4 pillow==13.0.0 numpy tifffile imagecodecs
    cargo build --release -p rscir-images --example tiff_samples
    python scripts/tiff_against_gdal.py FOLDER

JPEG in CMYK is compared with what Pillow reads, since GDAL makes RGB of it. GDAL writes YCbCr with a quarter of the chroma
alone; tifffile writes the other kinds.

FOLDER gets the files (some 10 MB) and `read/`, the samples that the example `tiff_samples` reads. Printed are a table of
compressions and sample types, and each file that is refused or differs. A file is equal if every sample is, near if none is
more than one level off once both are stretched to bytes by the extremes of GDAL's. The end is 1 where fewer than 99 in 100 of
the files that are to be read are equal or near, or a file that is to be refused is read.
"""

import argparse
import collections
import json
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import tifffile
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

warnings.simplefilter("ignore", NotGeoreferencedWarning)

# No multiples of strips or tiles, so that both are cut at the edges.
WIDTH, HEIGHT = 150, 107
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"]
ANY_TYPE = ["NONE", "LZW", "DEFLATE", "ZSTD", "PACKBITS", "LZMA", "LERC", "LERC_DEFLATE", "LERC_ZSTD"]
PREDICTED = {"LZW", "DEFLATE", "ZSTD"}
FAX = ["CCITTRLE", "CCITTFAX3", "CCITTFAX4"]


def field(seed, bands, dtype, bits=None):
    """Hills and some noise, over most of the type's range: `[band, row, column]`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = []
    for band in range(bands):
        a, b, c = rng.uniform(0.02, 0.12, 3)
        hills = np.sin(a * x + band) * np.cos(b * y) + 0.5 * np.sin(c * (x + y))
        planes.append((hills + 1.5) / 3 + rng.normal(0, 0.01, hills.shape))
    unit = np.clip(np.stack(planes), 0, 1)
    if dtype.startswith("float"):
        return ((unit - 0.3) * 4000).astype("float16" if dtype == "float16" else dtype)
    if bits:
        return np.round(unit * (2**bits - 1)).astype(dtype)
    info = np.iinfo(dtype)
    most = min(info.max, 2**50)
    least = max(info.min, -(2**50))
    return np.round(least + unit * (most - least)).astype(dtype)


def cases(seed):
    """Type, bands, what `write` is told, and whether the file is to be refused."""
    draw = random.Random(seed)

    def layout():
        tiled = draw.random() < 0.5
        out = {"interleave": draw.choice(["PIXEL", "BAND"])}
        if tiled:
            out |= {"tiled": True, "blockxsize": draw.choice([32, 64]), "blockysize": draw.choice([16, 48])}
        elif draw.random() < 0.7:
            out |= {"blockysize": draw.choice([1, 7, 32])}
        out |= {"ENDIANNESS": draw.choice(["LITTLE", "BIG"]), "BIGTIFF": draw.choice(["YES", "NO"])}
        return out

    def no_data(dtype):
        if dtype.startswith("float"):
            return draw.choice([None, float("nan"), -9999.0])
        return draw.choice([None, 0, 1])

    for compress in ANY_TYPE:
        for dtype in TYPES:
            for _ in range(3):
                how = {"compress": compress, "nodata": no_data(dtype)} | layout()
                if compress in PREDICTED:
                    how["predictor"] = draw.choice([1, 2, 3] if dtype.startswith("float") else [1, 2])
                if compress.startswith("LERC"):
                    if dtype in ("uint64", "int64", "float16"):
                        continue
                    how["MAX_Z_ERROR"] = draw.choice([0, 0, 0.01 if dtype.startswith("float") else 1])
                if dtype == "float16" and how.get("predictor") == 2:
                    how["predictor"] = 1
                yield dtype, draw.choice([1, 1, 2, 3, 4, 7]), how, None
    for nbits, dtype in [(1, "uint8"), (2, "uint8"), (4, "uint8"), (7, "uint8"), (12, "uint16"), (10, "uint16"), (20, "uint32")]:
        for compress in ["NONE", "LZW", "DEFLATE", "ZSTD", "PACKBITS", "LZMA"]:
            how = {"compress": compress, "NBITS": nbits} | layout()
            yield dtype, draw.choice([1, 3]), how, None
    for compress in FAX:
        for white_is_zero in [False, True]:
            for tiled in [{}, {"tiled": True, "blockxsize": 64, "blockysize": 32}, {"blockysize": 16}]:
                how = {"compress": compress, "NBITS": 1, "PHOTOMETRIC": "MINISWHITE" if white_is_zero else "MINISBLACK"}
                yield "uint8", 1, how | tiled, None
    for subsampling in [(1, 1), (2, 1), (2, 2), (4, 1)]:
        for quality in [30, 60, 75, 95]:
            for layout in [{"tile": (32, 64)}, {"tile": (64, 32)}, {"rowsperstrip": 16}, {"rowsperstrip": 104}]:
                yield "uint8", 3, {"compress": "JPEG", "subsampling": subsampling, "quality": quality} | layout, None
    blocks = [{"tiled": True, "blockxsize": 64, "blockysize": 48}, {"blockysize": 16}]
    for blocking in blocks:
        for quality in [40, 90]:
            for bands, interleave, photometric in [
                (1, "PIXEL", "MINISBLACK"),
                (3, "PIXEL", "YCBCR"),
                (3, "PIXEL", "RGB"),
                (3, "BAND", "RGB"),
                (4, "PIXEL", "RGB"),
                (4, "BAND", "RGB"),
                (4, "PIXEL", "MINISBLACK"),
                (2, "PIXEL", "MINISBLACK"),
                (4, "PIXEL", "CMYK"),
                (5, "BAND", "MINISBLACK"),
            ]:
                how = {"compress": "JPEG", "JPEG_QUALITY": quality, "interleave": interleave, "PHOTOMETRIC": photometric}
                yield "uint8", bands, how | blocking, None
        for bands in [3, 4]:
            for lossless in ["YES", "NO"]:
                how = {"compress": "WEBP", "WEBP_LOSSLESS": lossless, "WEBP_LEVEL": 80, "interleave": "PIXEL"}
                yield "uint8", bands, how | blocking, None
        for dtype in ["uint8", "int16", "float32"]:
            for compress in ["NONE", "DEFLATE"]:
                how = {"compress": compress, "SPARSE_OK": "TRUE", "nodata": draw.choice([None, 7])}
                yield dtype, 3, how | blocking | {"sparse": True}, None
        for compress in ["DEFLATE", "JPEG", "WEBP", "ZSTD", "LERC"]:
            yield "uint8", 3, {"compress": compress, "mask": True, "interleave": "PIXEL"} | blocking, None
            yield "uint8", 4, {"compress": compress, "ALPHA": "YES", "PHOTOMETRIC": "RGB", "interleave": "PIXEL"} | blocking, None
        for compress in ["NONE", "LZW"]:
            yield "uint8", 1, {"compress": compress, "palette": True} | blocking, None
            yield "uint8", 3, {"compress": compress, "overviews": True} | blocking, None
        for dtype in ["complex64", "complex128", "complex_int16"]:
            yield dtype, 1, {"compress": "DEFLATE"} | blocking, "complex"


def write(path, dtype, bands, how, seed):
    if "subsampling" in how:
        data = np.moveaxis(field(seed, bands, dtype), 0, 2)
        options = {key: how[key] for key in ("subsampling", "tile", "rowsperstrip") if key in how}
        level = {"level": how["quality"]}
        tifffile.imwrite(path, data, photometric="ycbcr", compression="jpeg", compressionargs=level, planarconfig="contig", **options)
        return
    how = {key: value for key, value in how.items() if value is not None}
    extras = {key: how.pop(key, False) for key in ["sparse", "mask", "palette", "overviews"]}
    stored = "float32" if dtype == "float16" else dtype
    if dtype == "float16":
        how["NBITS"] = 16
    if dtype.startswith("complex"):
        data = np.ones((bands, HEIGHT, WIDTH), "complex64" if dtype == "complex_int16" else dtype)
    else:
        data = field(seed, bands, dtype, how.get("NBITS") if dtype != "float16" else None).astype(stored)
        if "nodata" in how:
            data[:, :11, :13] = how["nodata"]
    environment = {"GDAL_TIFF_INTERNAL_MASK": True, "GDAL_TIFF_ENDIANNESS": how.get("ENDIANNESS", "NATIVE")}
    with rasterio.Env(**environment):
        shape = {"width": WIDTH, "height": HEIGHT, "count": bands, "dtype": stored}
        with rasterio.open(path, "w", driver="GTiff", **shape, **how) as out:
            if extras["sparse"]:
                part = rasterio.windows.Window(64, 48, 64, 48)
                out.write(data[:, 48:96, 64:128], window=part)
            else:
                out.write(data)
            if extras["mask"]:
                out.write_mask(np.where(np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 3 > 0, 255, 0).astype("uint8"))
            if extras["palette"]:
                out.write_colormap(1, {i: (i, 255 - i, i // 2, 255) for i in range(256)})
        if extras["overviews"]:
            with rasterio.open(path, "r+") as out:
                out.build_overviews([2, 4], rasterio.enums.Resampling.nearest)


def make(folder, seed):
    files = []
    for number, (dtype, bands, how, refused) in enumerate(cases(seed)):
        name = f"{number:03d}_{how['compress'].lower()}_{dtype}_{bands}.tif"
        try:
            write(folder / name, dtype, bands, how, number)
        except Exception as error:  # GDAL's, of whatever kind: it does not write such files
            print(f"not written by GDAL: {name} {how}: {error}")
            continue
        files.append({"name": name, "type": dtype, "how": how, "refused": refused})
    return files


def ours(folder, report):
    """What the program read: an array `[row, column, band]`, or the text of its error."""
    if "error" in report:
        return report["error"]
    shape = (report["height"], report["width"], report["bands"])
    return np.fromfile(folder / "read" / f"{report['name']}.raw", dtype=report["type"]).reshape(shape)


def expected(path, how):
    if how.get("PHOTOMETRIC") == "CMYK":
        return np.asarray(Image.open(path))
    with rasterio.open(path) as source:
        return np.moveaxis(source.read(), 0, 2)


def compare(expected, got):
    if got.shape != expected.shape:
        return f"shape {got.shape} where GDAL has {expected.shape}"
    if np.array_equal(expected, got.astype(expected.dtype), equal_nan=expected.dtype.kind == "f"):
        return "equal"
    low, high = float(np.nanmin(expected)), float(np.nanmax(expected))
    scale = 255 / (high - low) if high > low else 0

    def byte(values):
        return np.clip(np.floor((values.astype("float64") - low) * scale + 0.5), 0, 255)

    off = np.abs(byte(expected) - byte(got))
    if np.array_equal(np.isnan(off), np.isnan(byte(expected))) and np.nanmax(off) <= 1:
        return "near"
    return f"differs: {np.nanmax(off):.0f} levels at most, {np.mean(off > 1):.4f} of the samples by more than one"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--program", default="target/release/examples/tiff_samples")
    parser.add_argument("--seed", type=int, default=20, help="draws other combinations; default: 20")
    arguments = parser.parse_args()
    folder = arguments.folder
    (folder / "read").mkdir(parents=True, exist_ok=True)
    files = make(folder, arguments.seed)
    (folder / "files.json").write_text(json.dumps(files, indent=1))
    command = [arguments.program, str(folder / "read"), *(str(folder / file["name"]) for file in files)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    reports = {report["name"]: report for report in map(json.loads, lines)}

    table = collections.defaultdict(collections.Counter)
    counts = collections.Counter()
    for file in files:
        got = ours(folder, reports[file["name"]])
        if file["refused"]:
            outcome = "refused as it should" if isinstance(got, str) and file["refused"] in got else "wrongly read"
            verdict = outcome
        elif isinstance(got, str):
            outcome, verdict = "refused", f"refused: {got}"
        else:
            verdict = compare(expected(folder / file["name"], file["how"]), got)
            outcome = verdict if verdict in ("equal", "near") else "differs"
        counts[outcome] += 1
        table[file["how"]["compress"]][outcome] += 1
        if outcome not in ("equal", "near", "refused as it should"):
            print(f"{file['name']} {file['how']}: {verdict}")
    print("\n| compression | " + " | ".join(sorted(counts)) + " |\n|---" * 1 + "|---" * len(counts) + "|")
    for compress, row in table.items():
        print(f"| {compress} | " + " | ".join(str(row[outcome]) for outcome in sorted(counts)) + " |")
    wanted = sum(counts.values()) - counts["refused as it should"] - counts["wrongly read"]
    right = counts["equal"] + counts["near"]
    print(f"\n{len(files)} files: {dict(counts)}; {right} of {wanted} right")
    sys.exit(right < 0.99 * wanted or counts["wrongly read"] > 0)


if __name__ == "__main__":
    main()
