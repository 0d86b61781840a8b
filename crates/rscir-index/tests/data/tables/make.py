"""Writes the Parquet files of this folder, with pandas 3.0 and pyarrow 22 or newer: python make.py"""

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = np.array([[1, 0, 0, 0], [0.5, 0.5, -0.5, 0.5], [0, -1, 0, 0]], np.float32)
KEYS = ["images/lake/lake001.jpg", "images/ford/f\u00e9 2.jpg", "images/lake/lake002.jpg"]
DAYS = [datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31)]
BOXES = [[4.0, 51.5, 4.25, 52.0], None, []]

frame = pd.DataFrame({
    "key": KEYS,
    "embedding": list(ROWS),
    "label": ["lake", None, "lake"],
    "count": pd.array([3, None, -5], "Int32"),
    "cloud": [0.25, np.nan, 1.0],
    "night": pd.array([True, None, False], "boolean"),
    "acquired": DAYS,
    "bbox": BOXES,
})
frame.to_parquet("pandas.parquet", compression="snappy")

fixed = pa.table({
    "text": KEYS,
    "embedding": pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel().astype("f8")), 4),
    "small": pa.array([1, 2, 255], pa.uint8()),
})
spec = dict(model="tiny", architecture="ViT", activation="gelu", preprocessing="bicubic", tokenizer="clip",
            weights_sha256="ab", dim=4, precision="f32")
pq.write_table(fixed.replace_schema_metadata({"rscir.encoder": json.dumps(spec)}), "pyarrow.parquet",
               compression="zstd")


def one(name, **columns):
    """A file with something wrong."""
    columns = {"key": KEYS, "embedding": list(ROWS), **columns}
    table = pa.table({column: values for column, values in columns.items() if values is not None})
    pq.write_table(table, f"{name}.parquet", compression="none")


one("no_key", key=None)
one("no_embedding", embedding=None)
one("key_missing", key=["a", None, "c"])
one("key_number", key=[1, 2, 3])
one("ragged", embedding=[[1.0], [1.0, 2.0], [3.0]])
one("gap", embedding=[[1.0, 2.0], None, [3.0, 4.0]])
one("hole", embedding=[[1.0, 2.0], [None, 2.0], [3.0, 4.0]])
one("scalar", embedding=[1.0, 2.0, 3.0])
one("zeros", embedding=[[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]])
one("time", when=pa.array([0, 1, 2], pa.timestamp("ns")))
one("huge", n=pa.array([0, 1, 2**63], pa.uint64()))
