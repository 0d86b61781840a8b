#!/usr/bin/env python3
"""Holds tiles of made scenes against rasterio: windows, shares of valid pixels, bytes and footprints.

    cargo build --release -p rscir-geo --example scene_tiles
    python3 scripts/scenes_against_rasterio.py target/release/examples/scene_tiles

It needs rasterio and numpy, makes some sixty small scenes in a temporary folder (types, compressions, interleaves, rotation, PixelIsPoint,
kinds of no-data, masks, alpha, overviews, twenty kinds of coordinate systems), and lists what does not agree. The expected values
are computed here from what rasterio reads, by the rules of docs/scenes.md.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.warp import transform as warp

WIDTH, HEIGHT, TILE = 150, 110, 64

# Code, corner and pixel size of places that each system is made for.
SYSTEMS = {
    32633: (500000, 5300000, 10), 32718: (400000, 6300000, 10), 3857: (-5.2e6, 1.5e6, 30), 4326: (12.0, 48.0, 0.001),
    4258: (5.0, 52.0, 0.001), 26914: (485900, 5209245, 5), 25832: (400000, 5700000, 1), 7855: (422792, 7043544, 10),
    3031: (-1388415, 1303809, 100), 3413: (-43039, -1369553, 100), 3035: (3430517, 4141435, 100), 6931: (-3018248, -2834324, 100),
    2154: (652000, 6862000, 2), 3347: (5676918, 3352799, 100), 5070: (-633035, 1787445, 30), 3577: (-406314, -2605142, 30),
    27700: (218552, 713681, 1), 28992: (127375, 428250, 0.25), 2056: (2615025, 1202588, 0.5), 31370: (119901, 150662, 1),
    2180: (422459, 573290, 1), 2193: (1420374, 5608260, 1), 3424: (362851, 539703, 3), 31467: (3473427, 5741344, 1),
}
# Systems whose datum is shifted by parameters.
SHIFTED = {27700, 28992, 2056, 31370, 31467}
# Transverse Mercator and other systems without a code are written as GeoKeys with parameters.
CUSTOM = {
    "tmerc": "+proj=tmerc +lat_0=10 +lon_0=15 +k=0.9999 +x_0=500000 +y_0=100000 +datum=WGS84 +units=m",
    "lcc": "+proj=lcc +lat_1=45 +lat_2=49 +lat_0=47 +lon_0=13 +x_0=400000 +y_0=400000 +ellps=GRS80 +units=m",
    "aea": "+proj=aea +lat_1=43 +lat_2=62 +lat_0=30 +lon_0=10 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "laea": "+proj=laea +lat_0=50 +lon_0=15 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "stere": "+proj=stere +lat_0=90 +lat_ts=75 +lon_0=-40 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "merc": "+proj=merc +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "sinu": "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m",
}


def values(dtype, bands, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    base = 0.5 + 0.3 * np.sin(x / 17) * np.cos(y / 13)
    data = np.stack([base * (0.6 + 0.1 * band) + random.normal(0, 0.02, base.shape) for band in range(bands)]).clip(0, 1)
    if np.issubdtype(dtype, np.floating):
        return (data * 3 - 1).astype(dtype)
    top = {1: 250, 2: 9000, 4: 900000}[np.dtype(dtype).itemsize]
    low = -top // 3 if np.issubdtype(dtype, np.signedinteger) else 0
    if dtype == "int8":
        top, low = 120, -100
    return (low + data * (top - low)).astype(dtype)


def scenes(folder):
    """Makes the scenes, and gives the name of each with what is asked of it."""
    count = 0

    def make(name, data, *, nodata=None, mask=None, crs=32633, transform=None, colors=None, overviews=False, **profile):
        nonlocal count
        count += 1
        place = SYSTEMS.get(crs, (450000, 450000, 10))
        transform = transform or Affine(place[2], 0, place[0], 0, -place[2], place[1])
        system = f"EPSG:{crs}" if isinstance(crs, int) else crs
        path = folder / f"{name}.tif"
        tags = profile.pop("tags", {})
        with rasterio.open(path, "w", driver="GTiff", width=WIDTH, height=HEIGHT, count=len(data), dtype=data.dtype,
                           crs=system, transform=transform, nodata=nodata, **profile) as scene:
            scene.write(data)
            if tags:
                scene.update_tags(**tags)
            if colors:
                scene.colorinterp = colors
            if mask is not None:
                scene.write_mask(mask)
        if overviews:
            with rasterio.open(path, "r+") as scene:
                scene.build_overviews([2, 4])

    seed = 0
    for dtype in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]:
        seed += 1
        make(f"type_{dtype}", values(dtype, 3, seed))
    for compression in ["lzw", "deflate", "zstd", "packbits", "lzma", "lerc"]:
        for interleave in ["pixel", "band"]:
            seed += 1
            make(f"{compression}_{interleave}", values("uint16", 4, seed), compress=compression, interleave=interleave,
                 tiled=seed % 2 == 0, blockxsize=64, blockysize=32 if seed % 2 == 0 else 7)
    for number, quality in enumerate([40, 75, 95]):
        blocks = {"tiled": True, "blockxsize": 64, "blockysize": 48} if number else {"blockysize": 16}
        make(f"jpeg_{quality}", values("uint8", 3, 80 + number), compress="jpeg", photometric="ycbcr", JPEG_QUALITY=quality,
             interleave="pixel", **blocks)
    make("webp", values("uint8", 3, 50), compress="webp", WEBP_LOSSLESS="YES")
    make("predictor2", values("uint16", 3, 51), compress="deflate", predictor=2)
    make("predictor3", values("float32", 3, 52), compress="deflate", predictor=3)
    make("bigtiff", values("uint8", 3, 53), BIGTIFF="YES")
    make("big_endian", values("uint16", 3, 54), ENDIANNESS="BIG")
    make("gray", values("uint8", 1, 55))
    make("rotated", values("uint8", 3, 56), transform=Affine(8, 3, 500000, 3, -8, 5300000))
    make("south_up", values("uint8", 3, 57), transform=Affine(10, 0, 500000, 0, 10, 5300000))
    make("point", values("uint16", 3, 58), tags={"AREA_OR_POINT": "Point"})
    for nodata, dtype in [(0, "uint8"), (255, "uint8"), (0, "uint16"), (-9999, "int16"), (-9999.0, "float32"),
                          (float("nan"), "float32"), (-3.4028234663852886e38, "float32")]:
        seed += 1
        data = values(dtype, 3, seed)
        data[:, :60, :70] = nodata
        data[1, 60:80, 80:100] = nodata
        make(f"nodata_{str(nodata).replace('-', 'm').replace('.', '_')}_{dtype}", data, nodata=nodata)
    data = values("float32", 3, 70)
    data[:, 20:70, 30:120] = np.nan
    data[0, :10, :10] = np.nan
    make("nan", data)
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:50, :90] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        make("mask", values("uint16", 3, 71), mask=mask)
        make("mask_nodata", values("uint8", 3, 72), mask=mask, compress="deflate", overviews=True)
    rgba = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    data = values("uint8", 4, 73)
    data[3] = mask
    make("alpha", data, colors=rgba, photometric="rgb")
    data = values("uint16", 4, 74)
    data[3] = mask
    make("alpha16", data, colors=rgba, photometric="rgb", nodata=0)
    bgr = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    make("bgr", values("uint8", 4, 75), colors=bgr)
    make("overviews", values("uint16", 3, 76), overviews=True, tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    for code in SYSTEMS:
        if code not in (32633,):
            make(f"epsg_{code}", values("uint8", 3, code), crs=code)
    for name, proj in CUSTOM.items():
        make(f"custom_{name}", values("uint8", 3, len(name)), crs=rasterio.crs.CRS.from_string(proj))
    return count


def windows(size):
    starts = list(range(0, max(size - TILE, 0) + 1, TILE))
    if starts[-1] + TILE < size:
        starts.append(size - TILE)
    return starts


def expected(path):
    """The tiles of a scene by what rasterio reads."""
    with rasterio.open(path) as scene:
        data = scene.read()
        colors = list(scene.colorinterp)
        wanted = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        if all(color in colors for color in wanted):
            bands = [colors.index(color) for color in wanted]
        else:
            alpha = ColorInterp.alpha in colors
            bands = [0, 1, 2] if scene.count - alpha >= 3 else [0]
        used = data[bands]
        with np.errstate(invalid="ignore"):
            measured = ~np.isnan(used) if np.issubdtype(used.dtype, np.floating) else np.ones(used.shape, bool)
            flags = scene.mask_flag_enums[0]
            if ColorInterp.alpha in colors:
                shown = data[colors.index(ColorInterp.alpha)] != 0
            elif rasterio.enums.MaskFlags.per_dataset in flags:
                shown = scene.read_masks(1) != 0
            else:
                shown = np.ones(used.shape[1:], bool)
                if scene.nodata is not None and not np.isnan(scene.nodata):
                    measured &= used != np.array(scene.nodata).astype(used.dtype)
        valid = shown & measured.any(0)
        if used.dtype == np.uint8:
            rgb = used.copy()
        else:
            rgb = np.zeros(used.shape, np.uint8)
            for band, values in enumerate(used):
                order = np.sort(values[valid & measured[band]])
                low, high = (float(order[int(np.floor(p / 100 * (len(order) - 1) + 0.5))]) for p in (2, 98))
                line = (values.astype(np.float64) - low) * 255.0 / (high - low) + 0.5
                rgb[band] = np.nan_to_num(np.clip(np.floor(line), 0, 255), nan=0).astype(np.uint8)
        rgb = np.where(valid, rgb, 0).astype(np.uint8)
        if len(rgb) == 1:
            rgb = np.repeat(rgb, 3, 0)
        for y in windows(scene.height):
            for x in windows(scene.width):
                width, height = min(TILE, scene.width), min(TILE, scene.height)
                part = np.ascontiguousarray(rgb[:, y:y + height, x:x + width].transpose(1, 2, 0))
                corners = [(x, y), (x, y + height), (x + width, y + height), (x + width, y)]
                places = [scene.transform * corner for corner in corners]
                lon, lat = warp(scene.crs, "EPSG:4326", [p[0] for p in places], [p[1] for p in places])
                yield (f"{path.name}#xywh={x},{y},{width},{height}", valid[y:y + height, x:x + width].mean(),
                       hashlib.sha256(part.tobytes()).hexdigest(), list(zip(lon, lat)), scene.crs)


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        count = scenes(folder)
        run = subprocess.run([program, "--tile", str(TILE), folder], capture_output=True, text=True, check=True)
        ours = {line["key"]: line for line in map(json.loads, run.stdout.splitlines())}
        tiles, worst, problems = 0, {}, []
        for path in sorted(folder.glob("*.tif")):
            if path.name in ours:
                problems.append((path.name, ours[path.name]["error"]))
                continue
            found = set()
            for key, valid, pixels, corners, crs in expected(path):
                tiles += 1
                line = ours.get(key)
                if line is None:
                    found.add("a window is missing")
                    continue
                if abs(line["valid"] - valid) > 1e-6:
                    found.add(f"valid {line['valid']}, not {valid}")
                if line.get("rgb_sha256") != pixels:
                    found.add("other pixels " + line.get("error", ""))
                numbers = line["footprint"]
                own = list(zip(numbers[::2], numbers[1::2]))
                apart = [min(max(abs(a - b) for a, b in zip(p, q)) for q in own) for p in corners]
                difference = max(apart)
                worst[path.name] = max(worst.get(path.name, 0), difference)
                shifted = crs.to_epsg() in SHIFTED
                if difference > (1e-5 if shifted else 1e-7):
                    found.add(f"corners {difference:.1e} degrees apart")
            problems += [(path.name, problem) for problem in sorted(found)]
    print(f"{count} scenes, {tiles} tiles; the largest difference of corners is {max(worst.values()):.1e} degrees")
    for name, problem in problems:
        print(f"{name}: {problem}")
    print("all agree" if not problems else f"{len({name for name, _ in problems})} scenes do not agree")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
