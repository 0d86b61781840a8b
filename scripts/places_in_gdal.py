"""Holds what `search` writes of places against GDAL: the GeoJSON and the CSV as geopandas reads them, and the heat map as rasterio does.

    cargo build --release --features geo --examples
    pip install geopandas==1.2.0 rasterio==1.4.4
    python scripts/places_in_gdal.py

Works on the scene in data/scenes, in a folder that is removed afterwards. Prints what it looked at, and fails at the first difference.
"""

import csv
import json
import pathlib
import subprocess
import tempfile

import geopandas
import numpy
import rasterio
import rasterio.warp
import shapely

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target/release/examples"
SCENE = "m_4709963_se_14_1_20200831.tif"
# Degrees: a hundredth of a millimeter, the golden footprints' own.
CLOSE = 1e-7


def window(key):
    """Columns and rows of a tile, from its key."""
    return [int(number) for number in key.rsplit("=", 1)[1].split(",")]


def corners(scene, key):
    """The corners of a tile in WGS84, as PROJ has them, in the order of the ring."""
    x, y, w, h = window(key)
    places = [scene.transform * corner for corner in [(x, y), (x, y + h), (x + w, y + h), (x + w, y), (x, y)]]
    return numpy.transpose(rasterio.warp.transform(scene.crs, "EPSG:4326", *zip(*places)))


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        archive = folder / "scenes.rscir"
        extract = [PROGRAMS / "extract_features", "--scenes", ROOT / "data/scenes", "--tile", "128,256"]
        subprocess.run([*extract, "--archive", archive], check=True, cwd=ROOT)
        outputs = {name: folder / f"places.{name}" for name in ["geojson", "csv", "tif"]}
        ask = [PROGRAMS / "search", "--archive", archive, "--text", "a lake", "--top", "1000", "--json"]
        files = ["--geojson", outputs["geojson"], "--csv", outputs["csv"], "--heatmap", outputs["tif"]]
        printed = subprocess.run([*ask, *files], check=True, cwd=ROOT, capture_output=True).stdout
        hits = json.loads(printed)

        scene = rasterio.open(ROOT / "data/scenes" / SCENE)
        places = geopandas.read_file(outputs["geojson"])
        assert places.crs.to_epsg() == 4326 and list(places["key"]) == [hit["key"] for hit in hits]
        with open(outputs["csv"], newline="") as table:
            rows = list(csv.DictReader(table))
        for place, row, hit in zip(places.itertuples(), rows, hits, strict=True):
            ring = numpy.array(place.geometry.exterior.coords)
            expected = corners(scene, hit["key"])
            assert numpy.abs(ring - expected).max() < CLOSE, (hit["key"], ring, expected)
            assert place.geometry.exterior.is_ccw and place.geometry.is_valid
            assert shapely.from_wkt(row["wkt"]).equals_exact(place.geometry, 1e-12)
            assert numpy.float32(row["score"]) == numpy.float32(hit["score"]) == numpy.float32(place.score)
        print(f"{len(places)} places: polygons, scores and order as geopandas reads them")

        sums, counts = numpy.zeros(scene.shape), numpy.zeros(scene.shape)
        for hit in hits:
            x, y, w, h = window(hit["key"])
            sums[y : y + h, x : x + w] += hit["score"]
            counts[y : y + h, x : x + w] += 1
        heat = rasterio.open(outputs["tif"])
        assert (heat.shape, heat.transform, heat.crs, heat.dtypes) == (scene.shape, scene.transform, scene.crs, ("float32",))
        values, expected = heat.read(1), numpy.where(counts > 0, sums / numpy.maximum(counts, 1), numpy.nan)
        assert numpy.allclose(values, expected, rtol=0, atol=1e-6, equal_nan=True)
        print(f"heat map of {heat.width} x {heat.height}: system, transform and means as rasterio reads them")


if __name__ == "__main__":
    main()
