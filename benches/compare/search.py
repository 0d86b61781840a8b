"""Measures exact composed search against faiss, usearch and numpy, interleaved in one run, on two threads.

    pip install numpy==2.4.6 faiss-cpu==1.15.1 usearch==2.26.6
    cargo build --release --manifest-path benches/compare/Cargo.toml -p compare-drivers
    python benches/compare/search.py --rows 30400
    python benches/compare/search.py --rows 1000000

A composed query costs a peer only its two searches, image and text: no statistics and no fusion. Ours is the whole answer of
WeiCom. Every round runs each engine once, in a new order. The script prints medians, and the time of one plain read of the
same rows. For a million rows it needs about 15 GB of memory, and 6 GB of disk in the folder for temporary files while it runs.
docs/search.md shows the output.
"""

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

THREADS = 2
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(THREADS)

import faiss
import numpy as np
from usearch.index import MetricKind, search

ROOT = Path(__file__).resolve().parents[2]
DIM, BATCH, K = 768, 64, 10


def unit(generator, rows):
    """Makes rows that lie in a cone, like the vectors of one encoder."""
    x = generator.standard_normal((rows, DIM), dtype=np.float32)
    x += 0.7 * np.linspace(-1, 1, DIM, dtype=np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


class Ours:
    """The driver, which holds the archive and times itself."""

    def __init__(self, binary, folder):
        files = [folder / "rows.npy", folder / "queries.npy", folder / "rows.rscir"]
        self.process = subprocess.Popen([binary, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        milliseconds, *rows = self.process.stdout.readline().split()
        return float(milliseconds), [int(row) for row in rows]


def timed(run):
    def once():
        start = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - start)

    return once


def peers(rows, images, texts):
    """Returns functions by name that answer the first composed query, or the batch of all, and return milliseconds."""
    faiss.omp_set_num_threads(THREADS)
    one = {}
    one["numpy, two products"] = timed(lambda: (rows @ images[0], rows @ texts[0]))
    kinds = {"IndexFlatIP": None, "SQfp16": faiss.ScalarQuantizer.QT_fp16, "SQ8bit": faiss.ScalarQuantizer.QT_8bit}
    flat = None
    for name, kind in kinds.items():
        ip = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexFlatIP(DIM) if kind is None else faiss.IndexScalarQuantizer(DIM, kind, ip)
        index.train(rows[:100_000])
        index.add(rows)
        flat = flat or index
        one[f"faiss {name}"] = timed(lambda index=index: (index.search(images[:1], K), index.search(texts[:1], K)))
    for name, form in {"f32": rows, "f16": rows.astype(np.float16), "i8": np.round(rows * 127).astype(np.int8)}.items():
        cast = lambda q, form=form: np.round(q * 127).astype(np.int8) if form.dtype == np.int8 else q.astype(form.dtype)
        both = [cast(images[0]), cast(texts[0])]
        exact = lambda q, form=form: search(form, q, K, MetricKind.IP, exact=True, threads=THREADS)
        one[f"usearch {name}"] = timed(lambda both=both, exact=exact: [exact(q) for q in both])

    def flat_batch():
        # With the default of 128,000 distances, faiss would use no matrix product for small batches.
        faiss.cvar.distance_compute_blas_threshold = 20
        flat.search(images, K)
        flat.search(texts, K)

    many = {
        "numpy, two products": timed(lambda: (images @ rows.T, texts @ rows.T)),
        "faiss IndexFlatIP, BLAS threshold 20": timed(flat_batch),
    }
    return one, many


def table(title, engines, rounds):
    times = {name: [] for name in engines}
    for name in engines:
        engines[name]()
    for _ in range(rounds):
        order = list(engines)
        random.shuffle(order)
        for name in order:
            time.sleep(0.1)  # The threads of the engine before stop spinning in this time.
            times[name].append(engines[name]())
    print(f"\n{title}\n\n| engine | median ms | quartiles |\n|---|---|---|")
    for name, t in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        low, median, high = statistics.quantiles(t, n=4)
        print(f"| {name} | {median:.2f} | {low:.2f} to {high:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30_400)
    parser.add_argument("--rounds", type=int, default=15)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "benches/compare/target"))
    parser.add_argument("--driver", default=target / "release/compare-search")
    options = parser.parse_args()
    random.seed(1)
    generator = np.random.default_rng(1)
    rows, queries = unit(generator, options.rows), unit(generator, 2 * BATCH)
    images, texts = queries[:BATCH], queries[BATCH:]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "rows.npy", rows)
        np.save(folder / "queries.npy", queries)
        ours = Ours(options.driver, folder)
        ours("read")
        same = sum(ours(f"int8 {i}")[1] == ours(f"one {i}")[1] for i in range(BATCH))
        print(f"{options.rows} x {DIM}, top {K}, {THREADS} threads")
        print(f"opening the archive: {ours('open')[0]:.1f} ms")
        print(f"the 8-bit search gives the scan's rows in the scan's order for {same} of {BATCH} queries")
        one, many = peers(rows, images, texts)
        one |= {
            "one plain read": lambda: ours("read")[0],
            "rscir f32": lambda: ours("one 0")[0],
            "rscir int8, bounded": lambda: ours("int8 0")[0],
        }
        many |= {
            "rscir f32": lambda: ours("batch")[0],
            "rscir int8, bounded": lambda: ours("int8-batch")[0],
        }
        table("One composed query", one, options.rounds)
        table(f"A batch of {BATCH} composed queries", many, options.rounds)


if __name__ == "__main__":
    main()
