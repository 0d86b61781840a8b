"""Writes the feature files of this folder with numpy and safetensors: python make.py (numpy 2.4, safetensors 0.8, ml_dtypes 0.6)."""

import json
import pickle
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

here = Path(__file__).parent
# Unit rows whose numbers every format holds exactly.
rows = np.array([[1, 0, 0, 0], [0.5, 0.5, -0.5, 0.5], [0, -1, 0, 0]], np.float32)
paths = ["images/lake/lake001.jpg", "images/ford/f\u00e9 2.jpg", "images/lake/lake002.jpg"]
labels = ["lake", "ford", "lake"]

for version in [(1, 0), (2, 0), (3, 0)]:
    with open(here / f"v{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, rows, version=version)
np.save(here / "f2.npy", rows.astype(np.float16))
np.save(here / "f8_fortran.npy", np.asfortranarray(rows.astype(np.float64)))
np.save(here / "big_endian.npy", rows.astype(">f4"))
np.save(here / "int.npy", rows.astype(np.int32))
np.save(here / "cube.npy", rows.reshape(3, 2, 2))
(here / "v2.keys.txt").write_text("\n".join(paths) + "\n", encoding="utf-8")
(here / "v3.texts.json").write_text(json.dumps(paths), encoding="utf-8")

with open(here / "reference.pkl", "wb") as f:
    pickle.dump({"feats": rows, "labels": labels, "paths": paths}, f)
with open(here / "no_paths.pkl", "wb") as f:
    pickle.dump({"feats": rows, "labels": labels}, f)

other = {"scale": np.ones(1, np.float32), "zeros": np.zeros((2, 2), np.float32)}
for name, kind in [("f16", np.float16), ("bf16", ml_dtypes.bfloat16), ("f64", np.float64)]:
    save_file({"embeddings": rows.astype(kind), **other}, here / f"{name}.safetensors", {"texts": json.dumps(paths)})
save_file({"embeddings": rows}, here / "no_keys.safetensors", {"model": "clip"})
save_file({"rows": rows}, here / "no_embeddings.safetensors", {"keys": json.dumps(paths)})
