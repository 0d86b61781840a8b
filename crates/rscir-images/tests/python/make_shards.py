"""Makes tests/data/shards/*.tar, as webdataset's TarWriter packs samples (CPython's tarfile), in pax and in GNU's format.

Run from the crate's folder: python tests/python/make_shards.py
"""

import io
import json
import tarfile

from PIL import Image

LONG = "tiles/" + "a folder with a name that alone has more than one hundred bytes, which no header has room for " * 2

def png(color):
    out = io.BytesIO()
    Image.new("RGB", (3, 2), color).save(out, "PNG")
    return out.getvalue()

def pack(path, format, samples):
    with tarfile.open(path, "w", format=format) as shard:
        for name, content in samples:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), 1_700_000_000, 0o644
            shard.addfile(member, io.BytesIO(content))

def sample(name, color, label, text, fields):
    return [
        (f"{name}.png", png(color)),
        (f"{name}.cls", str(label).encode()),
        (f"{name}.txt", text.encode()),
        (f"{name}.json", json.dumps(fields).encode()),
    ]

red = sample("tiles/0001", "red", 3, "a red tile\n", {"cloud": 1, "acquired": "2024-02-29", "corners": [4.1, 51.9]})
blue = sample("tiles/0002", "blue", 4, "na\u00efve", {"cloud": 0.5, "acquired": None, "sensor": {"name": "S2"}})
long = sample(LONG + "/0003", "green", 5, "", {"acquired": "2023-12-31", "id": 7})
pack("tests/data/shards/000.tar", tarfile.PAX_FORMAT, red + blue)
pack("tests/data/shards/001.tar", tarfile.GNU_FORMAT, long)
pack("tests/data/shards/002.tar", tarfile.PAX_FORMAT, long)
