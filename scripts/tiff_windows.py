"""Times the windows of a large scene, read by `tiff_windows` and by rasterio with as many threads.

    pip install rasterio==1.4.4 numpy
    cargo build --release -p rscir-images --example tiff_windows
    cargo build --release -p rscir-geo --example tile_times
    python scripts/tiff_windows.py scene.tif [--side 256] [--overlap 0.1] [--threads 2] [--predictor 1]

scene.tif is made if it is not there: 20,000 x 20,000 pixels of four bands of 16 bits, 3.2 GB, of which deflate leaves
2.3. Printed are the seconds, those of processors and the most memory of both, and of `tile_times`, which makes tiles of the
windows and prepares them for an encoder, with a range that is given and with percentiles, for which all pixels are looked at
first; rasterio has a dataset for each thread, which is how it may be used,
and reads one window after the other. The end is 1 where their sums differ.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SIZE, PART = 20_000, 1024


def make(path, predictor):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:PART, 0:PART]
    hills = (2000 + 800 * np.sin(x / 90) + 600 * np.cos(y / 70)).astype("uint16")
    noise = rng.integers(0, 24, (4, PART, PART)).astype("uint16")
    levels = np.arange(4, dtype="uint16")[:, None, None] * 300
    shape = {"width": SIZE, "height": SIZE, "count": 4, "dtype": "uint16", "crs": "EPSG:32632"}
    blocks = {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel"}
    how = {"compress": "DEFLATE", "zlevel": 1, "predictor": predictor, "BIGTIFF": "YES", "NUM_THREADS": "ALL_CPUS"}
    transform = rasterio.transform.from_origin(500_000, 5_000_000, 10, 10)
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **shape, **blocks, **how) as out:
        for top in range(0, SIZE, PART):
            for left in range(0, SIZE, PART):
                width, height = min(PART, SIZE - left), min(PART, SIZE - top)
                part = hills + np.roll(noise, (left // 7 + top // 3) % 977, axis=2) + levels
                out.write(part[:, :height, :width], window=Window(left, top, width, height))


def origins(size, side, overlap):
    stride = max(1, round(side * (1 - overlap)))
    last = max(0, size - side)
    out = list(range(0, last + 1, stride))
    return out if out[-1] == last else out + [last]


def read_with_rasterio(path, side, overlap, threads):
    """Run in a process of its own, whose memory is told."""
    with rasterio.open(path) as source:
        width, height = source.width, source.height
    windows = [(x, y) for y in origins(height, side, overlap) for x in origins(width, side, overlap)]
    todo = iter(windows)
    lock, sums = threading.Lock(), []

    def work():
        total = 0
        with rasterio.open(path) as source:
            while True:
                with lock:
                    origin = next(todo, None)
                if origin is None:
                    break
                part = source.read(window=Window(*origin, min(side, width), min(side, height)))
                total += int(part.sum(dtype="uint64"))
        sums.append(total)

    start = time.perf_counter()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - start
    print(json.dumps({"windows": len(windows), "sum": sum(sums), "seconds": round(seconds, 2)}))


def measured(command):
    """What a program prints as JSON, and the most MiB of memory that it had."""
    before = os.times().children_user + os.times().children_system
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most = max([most, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        except OSError:
            pass
        time.sleep(0.05)
    cpu = os.times()
    told = json.loads(process.stdout.read())
    return told | {"cpu": round(cpu.children_user + cpu.children_system - before, 2), "MiB": most // 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--overlap", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--predictor", type=int, default=1)
    parser.add_argument("--cache", type=int, default=256, help="MiB of decoded tiles that tiff_windows keeps")
    parser.add_argument("--program", default="target/release/examples/tiff_windows")
    parser.add_argument("--tiles", default="target/release/examples/tile_times")
    parser.add_argument("--rasterio", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    scene, side, overlap, threads = arguments.scene, arguments.side, arguments.overlap, arguments.threads
    if arguments.rasterio:
        return read_with_rasterio(scene, side, overlap, threads)
    if not scene.exists():
        make(scene, arguments.predictor)
    ours = measured([arguments.program, str(scene), str(side), str(overlap), str(threads), str(arguments.cache)])
    print("tiff_windows", ours)
    options = ["--side", str(side), "--overlap", str(overlap), "--threads", str(threads)]
    theirs = measured([sys.executable, __file__, str(scene), *options, "--rasterio"])
    print("rasterio    ", theirs)
    for stretch in ["range(0, 4000)", "percentile(2, 98)"]:
        tiles = measured([arguments.tiles, str(scene), stretch, str(side), str(overlap), str(threads)])
        print("tile_times  ", stretch, tiles)
    sys.exit(ours["sum"] != theirs["sum"])


if __name__ == "__main__":
    main()
