"""Measures the way from image files to a file of vectors: rscir beside open_clip with a DataLoader and clip-retrieval's inference.

    python benches/compare/pipeline.py prepare --work DIR
    python benches/compare/pipeline.py run --work DIR --rounds 3 [--engines rscir]
    python benches/compare/pipeline.py report --work DIR

`prepare` builds `extract_features` and makes an environment for each peer, a model in which every parameter is random with a
fixed seed, and three folders of files from the demo's tiles: JPEG of 256 x 256, JPEG of 1,024 x 1,024 (16 tiles each), and
GeoTIFF of 256 x 256 (deflate). It needs 12 GB of disk.

A round of `run` starts the engines in a new order. Each encodes every folder twice: with its files dropped from the page cache
("cold"), and again ("warm"). Measured is the time from when the model is loaded until the vectors are in their file; a peer encodes
all folders in one process, rscir each in its own. Results are added to DIR/pipeline.json.

CPU time is the kernel's count for the process and its children. "Cores" is how many of two cores an engine had use for: each
20 ms, its threads that compute or could are counted, at most two. What is missing to two is a core left idle. On a busy machine CPU
time and cores are nearly what they are on one at leisure; images a second are not.

open_clip is used as its documentation has it: Pillow and torchvision's transform in a DataLoader, batches of 32, vectors
normalized and written as .npy. clip-retrieval has the same batches and threads; it reads no TIFF. rscir writes an archive with
keys and fingerprints, and a .npy beside it.
"""

import argparse
import array
import ast
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = ["torch==2.15.0", "torchvision==0.29.2"]
PINS = {
    "open_clip": [*TORCH, "open_clip_torch==3.3.0", "timm==1.0.31", "safetensors==0.8.0", "tokenizers==0.23.3", "pillow==13.0.0"],
    # It needs pkg_resources, which newer setuptools leave out.
    "clip-retrieval": [*TORCH, "clip-retrieval==2.45.0", "setuptools==69.5.1"],
}
# What runs: a name, the environment, the precision, and the workers of its DataLoader.
ENGINES = {
    "open_clip f32, 0 workers": ("open_clip", "f32", 0),
    "open_clip f32, 1 worker": ("open_clip", "f32", 1),
    "open_clip f32, 2 workers": ("open_clip", "f32", 2),
    "open_clip bf16, 2 workers": ("open_clip", "bf16", 2),
    "clip-retrieval f32, 2 workers": ("clip-retrieval", "f32", 2),
    "rscir f32": (None, "f32", 0),
    "rscir bf16": (None, "bf16", 0),
    "rscir int8": (None, "i8", 0),
}
# Folders of files, and which part of `--count` each has.
FILES = {"jpeg-256": 1.0, "jpeg-1024": 0.5, "geotiff-256": 1.0}
# Threads that an engine computes with.
CORES = 2
# Quality of the large JPEG files, Pillow's own choice for photographs.
QUALITY = 90
# Tiles along a side of a large image.
SIDE = 4
# GeoTIFF's tags: pixel size, tie point, and keys that name EPSG:32632. From OGC 19-008r4, sections 7.4 and B.
PIXEL_SCALE, TIE_POINT, GEO_KEYS = 33550, 33922, 34735


def drop(folder):
    """Drops the files of a folder from the page cache."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- what runs in the peers' environments ---


def make_model(work, name):
    import open_clip
    from parity import randomize
    from safetensors.torch import save_file

    model = work / "model"
    model.mkdir(exist_ok=True)
    config = open_clip.get_model_config(name)
    (model / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    clip = randomize(open_clip.model.CLIP(**config))
    save_file({k: v.contiguous() for k, v in clip.state_dict().items()}, model / "open_clip_model.safetensors")
    (model / "name").write_text(name)


def make_files(work, count):
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tiles = sorted((ROOT / "data/demo/benchmark/images").glob("*/*.jpg"))
    chosen = random.Random(0)
    for name, part in FILES.items():
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for i in range(int(part * int(count))):
            tile = tiles[i % len(tiles)]
            if name == "jpeg-256":
                shutil.copy(tile, folder / f"{i:04}.jpg")
            elif name == "jpeg-1024":
                image = Image.new("RGB", (SIDE * 256, SIDE * 256))
                for part in range(SIDE * SIDE):
                    image.paste(Image.open(chosen.choice(tiles)), (part % SIDE * 256, part // SIDE * 256))
                image.save(folder / f"{i:04}.jpg", quality=QUALITY)
            else:
                tags = ImageFileDirectory_v2()
                tags[PIXEL_SCALE], tags[TIE_POINT] = (0.3, 0.3, 0.0), (0.0, 0.0, 0.0, 5e5 + 100 * i, 5e6, 0.0)
                tags.tagtype[PIXEL_SCALE] = tags.tagtype[TIE_POINT] = 12
                tags[GEO_KEYS], tags.tagtype[GEO_KEYS] = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632), 3
                Image.open(tile).convert("RGB").save(folder / f"{i:04}.tif", compression="tiff_adobe_deflate", tiffinfo=tags)


def encode_folders(work, output, encode):
    """Lets a peer encode each folder, cold and warm, and writes down when it began and ended, and its CPU seconds."""
    times = []
    for files in FILES:
        for what in ["cold", "warm"]:
            if what == "cold":
                drop(work / files)
            begin, cpu = time.monotonic(), sum(os.times()[:4])
            done = encode(work / files, output / f"{files}-{what}")
            end = {"begin": begin, "end": time.monotonic(), "cpu": sum(os.times()[:4]) - cpu}
            if done:
                times.append({"files": files, "what": what} | end)
    (output / "times.json").write_text(json.dumps(times))


def open_clip_pipeline(work, output, precision, workers):
    import numpy as np
    import open_clip
    import torch
    from PIL import Image

    torch.set_num_threads(CORES)
    name = (work / "model/name").read_text()
    weights = str(work / "model/open_clip_model.safetensors")
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=weights)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    model = model.eval().to(kind)

    class Files(torch.utils.data.Dataset):
        def __init__(self, folder):
            self.paths = sorted(folder.iterdir())

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, i):
            return preprocess(Image.open(self.paths[i]).convert("RGB"))

    def encode(folder, to):
        with torch.inference_mode():
            loader = torch.utils.data.DataLoader(Files(folder), batch_size=32, num_workers=int(workers))
            vectors = [model.encode_image(x.to(kind), normalize=True).float().numpy() for x in loader]
        np.save(f"{to}.npy", np.concatenate(vectors))
        return True

    encode_folders(work, Path(output), encode)


def clip_retrieval_pipeline(work, output, _, workers):
    import all_clip.main
    import torch
    from clip_retrieval.clip_inference.worker import worker

    # It warms up with a batch of images and of texts, which is no part of an image's time.
    all_clip.main.warmup = lambda *_: None
    torch.set_num_threads(CORES)
    # The name of a model and, in place of published weights, a file.
    model = f"open_clip:{(work / 'model/name').read_text()}/{work / 'model/open_clip_model.safetensors'}"
    # It keeps the model that was loaded with these arguments, in this order.
    all_clip.load_clip(clip_model=model, use_jit=False, warmup_batch_size=32, clip_cache_path=None)

    def encode(folder, to):
        if folder.name.startswith("geotiff"):
            return False
        worker(
            [0],
            str(folder),
            str(to),
            output_partition_count=1,
            batch_size=32,
            num_prepro_workers=int(workers),
            enable_text=False,
            use_jit=False,
            clip_model=model,
        )
        return True

    encode_folders(work, Path(output), encode)


# --- what runs outside of them ---


def target():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def python(work, environment):
    return work / "environments" / environment / "bin/python"


def prepare(work, options):
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cargo", "build", "--release", "--example", "extract_features"], cwd=ROOT, check=True)
    for environment, pins in PINS.items():
        if not python(work, environment).exists():
            subprocess.run([sys.executable, "-m", "venv", work / "environments" / environment], check=True)
        subprocess.run([python(work, environment), "-m", "pip", "install", "--quiet", *pins], check=True)
    for arguments in (["make_model", options.model], ["make_files", str(options.count)]):
        subprocess.run([python(work, "open_clip"), __file__, "inside", work, *arguments], check=True)


def runnable(process):
    """Counts the threads of a process and its children that compute or could."""
    count, processes = 0, [process]
    for process in processes:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                processes += (task / "children").read_text().split()
                count += (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
        except OSError:
            # It ended meanwhile.
            continue
    return count


def watch(command, log, begins=None):
    """Runs a process. Returns its threads that compute or could at each moment, its CPU seconds, and when it ended; of the time since
    the path `begins` was there, if that is given."""
    limits = dict.fromkeys(["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], str(CORES))
    samples, before = [], 0.0
    with open(log, "wb") as file:
        process = subprocess.Popen([str(part) for part in command], stdout=file, stderr=file, env=os.environ | limits)
        # The kernel adds what children took, once they are waited for.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if begins and begins.exists():
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                before, begins = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), None
            if not begins:
                samples.append((time.monotonic(), min(CORES, runnable(process.pid))))
            time.sleep(0.02)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed:\n" + Path(log).read_text()[-2000:])
    return samples, usage.ru_utime + usage.ru_stime - before, time.monotonic()


def measure(work, engine):
    """Runs an engine on all folders. Returns for each, cold and warm, the seconds, the CPU seconds and the cores of an image."""
    environment, precision, workers = ENGINES[engine]
    output = work / "output" / engine.replace(" ", "-").replace(",", "")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    if environment:
        step = environment.replace("-", "_") + "_pipeline"
        command = [python(work, environment), __file__, "inside", work, step, output, precision, workers]
        samples, _, _ = watch(command, output / "log")
        times = json.loads((output / "times.json").read_text())
    else:
        samples, times = [], []
        for files in FILES:
            for what in ["cold", "warm"]:
                if what == "cold":
                    drop(work / files)
                to = output / f"{files}-{what}"
                command = [target() / "release/examples/extract_features", "--images", work / files, "--device", "cpu"]
                command += ["--checkpoint", work / "model/open_clip_model.safetensors", "--precision", precision]
                command += ["--config", work / "model/open_clip_config.json", "--archive", f"{to}.rscir", "--export", f"{to}.npy"]
                # The archive is opened when the model is loaded.
                part, cpu, end = watch(command, output / "log", Path(f"{to}.rscir"))
                samples += part
                times.append({"files": files, "what": what, "begin": part[0][0], "end": end, "cpu": cpu})
    results = {}
    for one in times:
        images = len(list((work / one["files"]).iterdir()))
        cores = [n for t, n in samples if one["begin"] <= t <= one["end"]]
        wall = (one["end"] - one["begin"]) / images
        each = {"wall": wall, "cpu": one["cpu"] / images, "cores": statistics.mean(cores or [0])}
        results[f"{one['files']} {one['what']}"] = each
    return results


def run(work, options):
    path = work / "pipeline.json"
    engines = [e for e in ENGINES if not options.engines or any(wanted in e for wanted in options.engines)]
    for _ in range(options.rounds):
        done = {}
        for engine in random.sample(engines, len(engines)):
            done[engine] = measure(work, engine)
            for what, each in done[engine].items():
                print(engine, what, {k: round(v, 4) for k, v in each.items()}, flush=True)
        measured = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*measured, done], indent=1))


def cosine(work):
    """Returns the least cosine of rscir's vectors in f32 to open_clip's, over all folders, or None if one of them did not run."""
    def rows(path):
        content = path.read_bytes()
        length = int.from_bytes(content[8:10], "little")
        count, width = ast.literal_eval(content[10 : 10 + length].decode())["shape"]
        values = array.array("f", content[10 + length :])
        return [values[i * width : (i + 1) * width] for i in range(count)]

    engines = ["open_clip-f32-0-workers", "rscir-f32"]
    paths = [[work / "output" / engine / f"{files}-warm.npy" for files in FILES] for engine in engines]
    if not all(path.exists() for path in sum(paths, [])):
        return None
    both = [[row for path in of_engine for row in rows(path)] for of_engine in paths]
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    return min(dot(a, b) / (dot(a, a) * dot(b, b)) ** 0.5 for a, b in zip(*both))


def cpu():
    return next(line for line in open("/proc/cpuinfo") if line.startswith("model name")).split(":")[1].strip()


def report(work, _):
    rounds = json.loads((work / "pipeline.json").read_text())
    name = (work / "model/name").read_text()
    print(f"{date.today()}, {cpu()}, {os.cpu_count()} cores, {name}, {len(rounds)} rounds; " + ", ".join(sum(PINS.values(), [])))
    if (least := cosine(work)) is not None:
        print(f"Least cosine of rscir's vectors in f32 to open_clip's: {least:.6f}")
    head = ["engine", "images/s, cold", "warm", "cores, cold", "warm", "CPU ms an image", "rscir is faster by", "by CPU"]
    for files in FILES:
        print(f"\n{files}, {len(list((work / files).iterdir()))} files:\n\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
        for engine in ENGINES:
            here = [r for r in rounds if f"{files} warm" in r.get(engine, {})]
            if not here:
                continue

            def median(what, key):
                return statistics.median(r[engine][f"{files} {what}"][key] for r in here)

            row = [engine, *(f"{1 / median(what, 'wall'):.1f}" for what in ["cold", "warm"])]
            row += [*(f"{median(what, 'cores'):.2f}" for what in ["cold", "warm"]), f"{1e3 * median('warm', 'cpu'):.1f}"]
            # In the precision of the peer, round by round.
            ours = "rscir " + engine.split(",")[0].split()[-1]
            for key in ["wall", "cpu"]:
                both = [r for r in here if ours in r and ENGINES[engine][0]]
                ratios = [r[engine][f"{files} warm"][key] / r[ours][f"{files} warm"][key] for r in both]
                row.append(f"{statistics.median(ratios):.2f}" if ratios else "")
            print("| " + " | ".join(row) + " |")


def main():
    if sys.argv[1:2] == ["inside"]:
        work, what, *arguments = sys.argv[2:]
        return globals()[what](Path(work), *arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "run", "report"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="ViT-B-32", help="a name of open_clip's, for `prepare`")
    parser.add_argument("--count", type=int, default=320, help="files that `prepare` makes; half as many large ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="*", default=[], help="parts of names, such as int8 or clip-retrieval")
    options = parser.parse_args()
    {"prepare": prepare, "run": run, "report": report}[options.step](options.work.resolve(), options)


if __name__ == "__main__":
    main()
