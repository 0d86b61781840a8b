"""Makes the pickles of this folder. Run it once with numpy 1 and once with numpy 2: python make.py"""

import collections
import pathlib
import pickle

import numpy as np

here = pathlib.Path(__file__).parent
major = np.__version__.split(".")[0]
rows = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
paths = ["forêt/a.jpg", "lake/b.jpg"]

value = {
    "feats": rows,
    "labels": ["forest", "lake"],
    "paths": paths,
    "f2": rows.astype(np.float16),
    "f8": rows.astype(np.float64),
    "fortran": np.asfortranarray(rows),
    "cube": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(1.5, np.float32),
    "big": rows.astype(">f4"),
    "ints": np.arange(3),
    "unicode": np.array(paths),
    "objects": np.array(paths, dtype=object),
    "list_of_str_": list(np.array(paths)),
}
plain = {
    "none": None,
    "bools": (True, False),
    "ints": [0, 255, 65535, -1, 2**31, -(2**63), 2**63 - 1],
    "long": 2**70,
    "floats": (0.5, -1e-300, float("inf")),
    "text": "caf\u00e9 \\ \n \U0001f600",
    "nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    "set": {7},
    "shared": [paths, paths],
}
for protocol in range(6):
    if protocol < 2:  # Written as decimal text there, which the reader takes up to 64 bits.
        plain["long"] = 2**63 - 1
    else:
        plain["long"] = 2**70
    (here / f"numpy{major}-protocol{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
    (here / f"plain-protocol{protocol}.pkl").write_bytes(pickle.dumps(plain, protocol))
