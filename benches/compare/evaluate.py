"""Measures the reference's evaluate.py against rscir, interleaved in one run, on two threads: the same features and csv files.

    pip install numpy==2.4.6 torch open_clip_torch
    cargo build --release --example evaluate_patterncom
    cargo build --release --manifest-path benches/compare/evaluate/Cargo.toml
    python benches/compare/evaluate.py --reference <clone of github.com/billpsomas/rscir, revision 1560858>

Features are random, 30,400 x 768. The reference is copied to a temporary folder. There its CUDA calls become CPU calls and its
model a table of random texts; nothing else of it changes. It answers a sample of queries on the whole archive by WeiCom with
lambda 0.5. Its time per query, without loading and reading, is compared with ours: that of the whole evaluation of 20,984
queries by `benches/compare/evaluate` in the same round. The mAP of the sample is compared too, with rscir reading the same
files in its strict mode. docs/evaluation.md shows the output.
"""

import argparse
import csv
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

THREADS = "2"
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = THREADS

import numpy as np

ROWS, DIM, QUERIES = 30_400, 768, 20_984
VALUES = ["purple", "green", "blue"]


def letters(number):
    return "class" + chr(97 + number // 26) + chr(97 + number % 26)


def unit(generator, rows):
    x = generator.standard_normal((rows, DIM), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def dataset(folder, sample):
    """Writes features as the reference pickles them, and a csv of `sample` rows, each a query with the two other values."""
    generator = np.random.default_rng(7)
    names = [f"{letters(row // 800)}{row % 800 + 1:03}.jpg" for row in range(ROWS)]
    paths = [f"images/{letters(row // 800)}/{name}" for row, name in enumerate(names)]
    (folder / "features").mkdir()
    (folder / "PatternCom").mkdir()
    archive = {"feats": unit(generator, ROWS), "labels": [letters(row // 800) for row in range(ROWS)], "paths": paths}
    with open(folder / "features/patternnet_clip.pkl", "wb") as file:
        pickle.dump(archive, file)
    texts = unit(generator, len(VALUES))
    np.savez(folder / "texts.npz", **dict(zip(VALUES, texts)))
    with open(folder / "texts.pkl", "wb") as file:
        pickle.dump({"feats": texts, "labels": VALUES, "paths": VALUES}, file)
    with open(folder / "PatternCom/color.csv", "w", newline="") as file:
        rows = [(name, "color", VALUES[i % len(VALUES)]) for i, name in enumerate(names[:sample])]
        csv.writer(file).writerows(rows)


def patched(reference, folder, data):
    """Copies the reference, so that it runs on a CPU and takes the vectors of texts from a file."""
    for name in ["evaluate.py", "utils.py"]:
        text = (reference / name).read_text()
        text = text.replace(".to('cuda')", "").replace(".cuda()", "")
        # Progress bars take time, and unused imports need packages.
        text = re.sub(r"^(import open_clip|from PIL import Image|from tqdm import tqdm)$", "", text, flags=re.M)
        (folder / name).write_text(text)
    program = (folder / "evaluate.py").read_text()
    stub = textwrap.dedent(
        f"""
        def tqdm(items, **_): return items
        class _Texts:
            known = np.load({str(data / "texts.npz")!r})
            def encode_text(self, text): return torch.from_numpy(self.known[text])[None]
        def load_model(*_): return _Texts(), None, lambda text: text
        """
    )
    (folder / "evaluate.py").write_text(program.replace("from utils import *", "from utils import *\n" + stub))


def reference_run(folder, data):
    """Runs the reference, and returns the seconds that it reports for the queries, and its mAP."""
    command = [sys.executable, "evaluate.py", "--model_name", "clip", "--dataset_path", str(data), "--attributes", "color"]
    out = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    hours, minutes, seconds = re.search(r"Elapsed time: (\d+):(\d+):([\d.]+)", out).groups()
    figure = float(re.search(r"'AP': ([\d.]+)", out).group(1))
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds), figure


def our_figure(binary, data, folder):
    command = [
        binary, "--dataset", data, "--features", data / "features/patternnet_clip.pkl", "--text-features",
        data / "texts.pkl", "--methods", "weicom:0.5", "--mode", "strict", "--output", folder / "ours",
    ]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    table = (folder / "ours/summary.md").read_text()
    return float(re.search(r"weicom\(lambda=0.5\)\s*\|\s*([\d.]+)", table).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", type=Path, help="a clone of github.com/billpsomas/rscir; fetched if not given")
    parser.add_argument("--target", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", "target")))
    parser.add_argument("--compare", type=Path, help="the program of benches/compare/evaluate")
    parser.add_argument("--sample", type=int, default=60, help="query images; each asks two texts")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    compare = options.compare or next(
        path
        for path in [options.target / "release/compare-evaluate", Path(__file__).parent / "target/release/compare-evaluate"]
        if path.exists()
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = options.reference
        if reference is None:
            reference = folder / "clone"
            url = "https://github.com/billpsomas/rscir"
            subprocess.run(["git", "clone", "-q", url, reference], check=True)
            subprocess.run(["git", "-C", reference, "checkout", "-q", "1560858"], check=True)
        data, copy = folder / "PatternNet", folder / "reference"
        data.mkdir()
        copy.mkdir()
        dataset(data, options.sample)
        patched(reference, copy, data)
        theirs, ours, figures = [], [], []
        for _ in range(options.rounds):
            seconds, figure = reference_run(copy, data)
            theirs.append(seconds / (2 * options.sample))
            figures.append(figure)
            out = subprocess.run([compare, "--whole"], check=True, capture_output=True, text=True).stdout
            ours.append(float(out.split()[0]) / QUERIES)
        theirs, ours = statistics.median(theirs), statistics.median(ours)
        print(f"reference: {1e3 * theirs:.1f} ms a query; rscir: {1e6 * ours:.1f} us; ratio {theirs / ours:.0f}")
        print(f"mAP of the sample: reference {figures[0]}, rscir {our_figure(options.target / 'release/examples/evaluate_patterncom', data, folder)}")


if __name__ == "__main__":
    main()
