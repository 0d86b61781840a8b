"""Reads a GeoParquet file of vectors by geopandas, pyarrow and DuckDB, and compares it with what was written.

    pip install geopandas==1.1.1 pyarrow duckdb
    python scripts/geoparquet_readers.py tiles.parquet [expected.json]

expected.json is a list of rows with "key", "vector" and "geometry" (well-known text, or null). Geometries and vectors have to
be equal to the bit, the metadata `geo` are held against the rules of GeoParquet 1.1.0, and an area asked of DuckDB by the
column of boxes gives the rows that geopandas finds in it. The end is 1 where something differs.
"""

import json
import sys

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely


def check_geo(geo, table):
    """The rules of GeoParquet 1.1.0 (its schema, and the text where that says more)."""
    assert geo["version"] == "1.1.0", geo
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    kinds = {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"}
    assert set(column["geometry_types"]) <= kinds
    assert len(column["bbox"]) == 4 and column["bbox"][1] <= column["bbox"][3]
    covering = column["covering"]["bbox"]
    assert sorted(covering) == ["xmax", "xmin", "ymax", "ymin"]
    box = table.schema.field(covering["xmin"][0])
    assert pa.types.is_struct(box.type) and not box.metadata
    assert [box.type.field(i).name for i in range(4)] == ["xmin", "ymin", "xmax", "ymax"]
    assert all(covering[edge] == [box.name, edge] for edge in covering)
    assert table.schema.field(geo["primary_column"]).type == pa.binary()


def main():
    path = sys.argv[1]
    table = pq.read_table(path)
    notes = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items()}
    geo, emb = json.loads(notes["geo"]), json.loads(notes["emb"])
    check_geo(geo, table)
    vectors = table.column("embedding").combine_chunks()
    assert pa.types.is_fixed_size_list(vectors.type) and vectors.type.value_type == pa.float32(), vectors.type
    assert vectors.type.list_size == emb["embedding"]["dim"]
    arrow = vectors.flatten().to_numpy().reshape(len(table), -1)
    keys = table.column("key").to_pylist()

    frame = geopandas.read_parquet(path)
    assert frame.crs.to_string() == "OGC:CRS84" and list(frame["key"]) == keys
    assert np.array_equal(np.stack(frame["embedding"].to_list()), arrow)
    kinds = set(frame.geometry.geom_type.dropna())
    assert kinds == set(geo["columns"]["geometry"]["geometry_types"]), kinds

    rows = duckdb.execute("select key, embedding, geometry from read_parquet(?)", [path]).fetchall()
    assert [row[0] for row in rows] == keys
    assert np.array_equal(np.array([row[1] for row in rows], "float32"), arrow)
    shapes = shapely.from_wkb([row[2] for row in rows])
    assert all(ours == theirs for ours, theirs in zip(shapes, frame.geometry))

    west, south, east, north = -3, 51, 3, 53
    query = "select key from read_parquet(?) where bbox.xmax >= ? and bbox.xmin <= ? and bbox.ymax >= ? and bbox.ymin <= ?"
    found = {row[0] for row in duckdb.execute(query, [path, west, east, south, north]).fetchall()}
    inside = frame[frame.geometry.intersects(shapely.box(west, south, east, north))]
    assert set(inside["key"]) <= found and len(found) - len(inside) <= 1, (len(found), len(inside))
    by_box = geopandas.read_parquet(path, bbox=(west, south, east, north))
    assert set(by_box["key"]) == found

    if len(sys.argv) > 2:
        expected = {row["key"]: row for row in json.load(open(sys.argv[2]))}
        assert set(expected) == set(keys) and len(expected) == len(keys)
        for key, vector, shape in zip(keys, arrow, frame.geometry):
            assert np.array_equal(np.array(expected[key]["vector"], "float32"), vector), key
            text = expected[key]["geometry"]
            assert (shape is None) == (text is None), key
            assert text is None or shapely.from_wkt(text) == shape, key
    print(f"{len(keys)} rows, {len(inside)} of them in the area: geopandas, pyarrow and DuckDB agree")


if __name__ == "__main__":
    main()
