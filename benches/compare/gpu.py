"""Compares the encoders on a GPU with the same encoders on the CPU, and with PyTorch on the same GPU.

    just cuda-build
    python benches/compare/gpu.py --programs target/cuda/release/examples --report docs/cuda-measured.md

The script needs PyTorch with CUDA, transformers, safetensors, numpy and pillow, but no network, and takes less than 10 minutes
on an H100. NVIDIA's libraries are taken from the environment or, if LD_LIBRARY_PATH does not name them, from PyTorch's packages.
`--device cpu --small` tries the script without a GPU; its figures then mean nothing.

The large model is a ViT-L/14 with random weights from a seed, written to a temporary folder for both sides. Speeds are
medians of rounds in which both sides take turns, from pixels in the host's memory to vectors there. Each side warms up for 1 s.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LARGE = dict(size=224, patch=14, width=1024, layers=24, heads=16, text_width=768, text_layers=12, dim=768)
SMALL = dict(size=56, patch=14, width=128, layers=2, heads=2, text_width=64, text_layers=2, dim=64)
VOCABULARY, CONTEXT = 49408, 77
TEXTS = ["a satellite image of a harbor", "dense residential area", "two tennis courts", "river", "a parking lot full of cars"]
MEAN, DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
MIN_COSINE = {"f32": 0.99999, "bf16": 0.999, "f16": 0.999}


def transformers_model(shape):
    """Makes a CLIP with exact GELU and seeded weights that keep values near one through all layers."""
    vision = dict(image_size=shape["size"], patch_size=shape["patch"], hidden_size=shape["width"], num_hidden_layers=shape["layers"],
                  num_attention_heads=shape["heads"], intermediate_size=4 * shape["width"], hidden_act="gelu")
    text = dict(vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=shape["text_width"],
                num_hidden_layers=shape["text_layers"], num_attention_heads=shape["text_width"] // 64 or 1,
                intermediate_size=4 * shape["text_width"], hidden_act="gelu", bos_token_id=49406, eos_token_id=49407)
    config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=shape["dim"])
    config._attn_implementation = "sdpa"
    model = transformers.CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            noise = torch.randn(value.shape, generator=generator)
            if value.ndim >= 2 and "embedding" not in name:
                value.copy_(noise / value[0].numel() ** 0.5)
            elif value.ndim >= 2 or "class_embedding" in name:
                value.copy_(0.3 * noise)
            elif value.ndim == 1 and name.endswith("weight"):
                value.copy_(1 + 0.1 * noise)
            elif value.ndim == 1:
                value.copy_(0.1 * noise)
    return model


def save(model, folder):
    """Writes a folder in the form of transformers, which both sides read."""
    state = {k: v.contiguous() for k, v in model.state_dict().items() if "position_ids" not in k}
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", **model.config.to_dict()}, default=str))
    size = model.config.vision_config.image_size
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "do_resize": True, "size": {"shortest_edge": size}, "resample": 3, "do_center_crop": True,
        "crop_size": {"height": size, "width": size}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": MEAN, "image_std": DEVIATION}))


def program(name, *arguments, check=True):
    command = [options.programs / name, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment())
    if check and done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment():
    """Returns the environment with the libraries of PyTorch, for a machine whose system has only the driver."""
    site = pathlib.Path(torch.__file__).parents[1] / "nvidia"
    folders = [str(path) for path in site.glob("*/lib")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join([os.environ.get("LD_LIBRARY_PATH", ""), *folders]).strip(":")}


def features(work, name, model, device, precision, images):
    """Returns the vectors of images and texts, computed on a device."""
    out = [work / f"{name}-{device}-{precision}-{kind}.safetensors" for kind in ("images", "texts")]
    texts = work / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n")
    archive = work / f"{name}-{device}-{precision}.rscir"
    program("extract_features", "--images", images, "--archive", archive, *model, "--device", device, "--precision", precision,
            "--export", out[0], "--texts", texts, "--export-texts", out[1])
    return [load_file(path)["embeddings"].astype(numpy.float64) for path in out]


def agreement(work, name, model, images):
    rows = []
    expected = features(work, name, model, "cpu", "f32", images)
    for precision in precisions():
        got = features(work, name, model, options.device, precision, images)
        worst = []
        for a, b in zip(got, expected):
            worst.append(((a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)).min())
        met = "yes" if min(worst) >= MIN_COSINE[precision] else "NO"
        rows.append([name, precision, f"{worst[0]:.7f}", f"{worst[1]:.7f}", f"{MIN_COSINE[precision]}", met])
    return rows


def precisions():
    return ["f32", "bf16"] if options.device == "cpu" else ["f32", "bf16", "f16"]


def demo_map(work):
    """Returns the largest difference of a method's mean average precision in the demo between the CPU and the device."""
    def averages(device, precision):
        folder = work / f"demo-{device}-{precision}"
        program("evaluate_patterncom", "--device", device, "--precision", precision, "--output", folder)
        with (folder / "metrics.csv").open() as file:
            rows = csv.DictReader(file)
            return {(row["method"], row["attribute"]): float(row["mAP"]) for row in rows}

    expected = averages("cpu", "f32")
    rows = []
    for precision in precisions():
        got = averages(options.device, precision)
        difference = max(abs(got[key] - value) for key, value in expected.items())
        rows.append([precision, str(len(expected)), f"{difference:.3f}", "yes" if difference <= 0.1 else "NO"])
    return rows


class Ours:
    """The program that encodes the same pixels again and again. A line to it starts a round, a line from it is its milliseconds."""

    def __init__(self, model, precision, batch):
        self.batch = batch
        command = [options.programs.parent / "compare-encode", model, precision, options.device]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())

    def seconds(self, repeats):
        self.process.stdin.write(f"noise {self.batch} {repeats}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("compare-encode ended early; its message is above")
        return float(line) / 1000

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    def __init__(self, model, batch, size):
        self.model, self.size = model, size
        generator = torch.Generator().manual_seed(1)
        self.pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator)
        if options.device != "cpu":
            self.pixels = self.pixels.pin_memory()
        statistic = lambda values: torch.tensor(values, device=DEVICE).view(1, 3, 1, 1)
        self.mean, self.deviation = statistic(MEAN), statistic(DEVIATION)
        self.dtype = next(model.parameters()).dtype

    def once(self):
        x = self.pixels.to(DEVICE, non_blocking=True).float().div_(255).sub_(self.mean).div_(self.deviation).to(self.dtype)
        features = self.model.get_image_features(pixel_values=x)
        features = getattr(features, "pooler_output", features)
        return torch.nn.functional.normalize(features.float(), dim=-1).cpu()

    def seconds(self, repeats):
        start = time.perf_counter()
        with torch.inference_mode():
            for _ in range(repeats):
                self.once()
        return time.perf_counter() - start


def interleaved(sides, images):
    """Lets the sides take turns, and returns the median images per second of each."""
    repeats = {}
    for name, side in sides.items():
        side.seconds(1)
        start = time.perf_counter()
        while time.perf_counter() - start < (0.2 if options.small else 1):
            once = side.seconds(1)
        repeats[name] = max(1, int(0.4 / once))
    rates = {name: [] for name in sides}
    for _ in range(3 if options.small else 5):
        for name, side in sides.items():
            rates[name].append(repeats[name] * images / side.seconds(repeats[name]))
    return {name: statistics.median(values) for name, values in rates.items()}


def flops(shape):
    """Counts the multiplications and additions in the matrix products of the image tower."""
    tokens, width = (shape["size"] // shape["patch"]) ** 2 + 1, shape["width"]
    block = 24 * tokens * width * width + 4 * tokens * tokens * width
    return shape["layers"] * block + 2 * tokens * width * 3 * shape["patch"] ** 2


def ceiling():
    """Measures the bf16 operations per second of PyTorch's best large product on this device."""
    side = 512 if options.small else 8192
    a, b = (torch.randn(side, side, device=DEVICE).bfloat16() for _ in range(2))
    best = 0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(10):
            a @ b
        synchronize()
        best = max(best, 10 * 2 * side**3 / (time.perf_counter() - start))
    return best


def synchronize():
    if options.device != "cpu":
        torch.cuda.synchronize()


def used():
    """Returns the bytes of device memory that all programs use."""
    if options.device == "cpu":
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free


def speed(model, folder, shape):
    peak = ceiling()
    rows = []
    for precision, dtype in [("bf16", torch.bfloat16), ("f32", torch.float32)]:
        model = model.to(DEVICE, dtype)
        for batch in [2, 4] if options.small else [32, 128, 512]:
            before = used()
            ours = Ours(folder, precision, batch)
            ours.seconds(1)
            memory = used() - before
            sides = {"ours": ours, "eager": Theirs(model, batch, shape["size"])}
            if not options.no_compile:
                compiled = transformers.CLIPModel(model.config).to(DEVICE, dtype).eval()
                compiled.load_state_dict(model.state_dict())
                compiled.get_image_features = torch.compile(compiled.get_image_features)
                sides["compiled"] = Theirs(compiled, batch, shape["size"])
            rates = interleaved(sides, batch)
            ours.close()
            ratio = lambda other: f"{rates['ours'] / rates[other]:.2f}" if other in rates else "-"
            share = f"{100 * rates['ours'] * flops(shape) / peak:.0f} %" if precision == "bf16" else "-"
            row = [precision, str(batch), *(f"{rates[s]:.0f}" if s in rates else "-" for s in ("ours", "eager", "compiled"))]
            rows.append([*row, ratio("eager"), ratio("compiled"), share, f"{memory / 2**30:.1f}"])
            print(*rows[-1], flush=True)
            del sides
            if options.device != "cpu":
                torch.cuda.empty_cache()
    return peak, rows


def ingest(work, model):
    """Measures images per second from JPEG files to an archive."""
    images = work / "jpeg"
    images.mkdir()
    tiles = sorted((ROOT / "data/demo/benchmark/images").rglob("*.jpg"))
    count = 60 if options.small else 12000
    for i in range(count):
        (images / f"{i:05}.jpg").symlink_to(tiles[i % len(tiles)])
    rows = []
    for precision in ["bf16", "f32"] if options.device != "cpu" else ["f32"]:
        start = time.perf_counter()
        program("extract_features", "--images", images, "--archive", work / f"ingest-{precision}.rscir", *model,
                "--device", options.device, "--precision", precision, "--batch", 256)
        seconds = time.perf_counter() - start
        rows.append([precision, str(count), f"{seconds:.1f}", f"{count / seconds:.0f}", str(os.cpu_count())])
    return rows


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def main():
    shape = SMALL if options.small else LARGE
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    device = "cpu" if options.device == "cpu" else f"{torch.cuda.get_device_name()}, {torch.cuda.mem_get_info()[1] / 2**30:.0f} GiB"
    sections = [f"{__doc__.splitlines()[0]}\n\n{device}; PyTorch {torch.__version__}, transformers {transformers.__version__}\n"]
    if options.small:
        sections.append("**A trial run of the script: the figures mean nothing.**\n")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        folder = work / "model"
        folder.mkdir()
        model = transformers_model(shape)
        save(model, folder)
        weights = ["--checkpoint", folder / "model.safetensors", "--config", folder / "config.json"]
        tiles = work / "tiles"
        tiles.mkdir()
        for tile in sorted((ROOT / "data/demo/benchmark/images").rglob("*.jpg"))[:: 200 if options.small else 40]:
            (tiles / tile.name).symlink_to(tile)

        rows = agreement(work, "demo", [], tiles) + agreement(work, "large", weights, tiles)
        sections.append("## Vectors against the CPU's in f32\n\n" + table(["model", "precision", "images: least cosine", "texts: least cosine", "at least", "met"], rows))
        sections.append("## The demo's mAP against the CPU's, percentage points\n\n" + table(["precision", "figures", "largest difference", "at most 0.1"], demo_map(work)))
        sections.append("## JPEG files to an archive\n\n" + table(["precision", "images", "seconds, start and weights included", "images/s", "cores"], ingest(work, weights)))
        peak, rows = speed(model, folder, shape)
        head = ["precision", "batch", "rscir, images/s", "PyTorch eager", "compiled", "to eager", "to compiled", "of the bf16 ceiling", "rscir's device memory, GiB"]
        sections.append(f"## Images a second\n\nbf16 ceiling, the best of PyTorch's large products: {peak / 1e12:.1f} TFLOP/s\n\n" + table(head, rows))
    report = "\n".join(sections)
    print(report)
    if options.report:
        options.report.write_text(report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "target/cuda/release/examples")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a small model and few rounds, to try the script")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    parser.add_argument("--report", type=pathlib.Path)
    options = parser.parse_args()
    DEVICE = torch.device(options.device)
    main()
