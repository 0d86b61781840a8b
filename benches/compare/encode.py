"""Measures a ViT-L/14 on a CPU: rscir beside PyTorch with open_clip, ONNX Runtime and OpenVINO, interleaved in one run.

    python benches/compare/encode.py prepare --work DIR
    python benches/compare/encode.py run --work DIR --rounds 5 [--threads 1] [--engines int8]
    python benches/compare/encode.py report --work DIR
    python benches/compare/encode.py isas --work DIR --rounds 3

`prepare` builds rscir's driver and makes an environment for each peer, a ViT-L/14 in which every parameter is random with a
fixed seed, inputs, and the peers' forms of the model. It needs 15 GB of disk and 12 GB of memory.

A round of `run` starts each engine once, in a new order. It measures the time from the start to the first vector, then each
cell, then the peak of the resident memory. Results are added to DIR/measured.json, so that rounds can be spread over an
evening. The vectors of an engine are kept from its first round. Weights are read from the page cache.

`report` prints medians as a table, with the smallest cosines to the vectors of PyTorch in f32. `isas` holds rscir to each
instruction set of the machine in turn, and prints images a second.

Texts fill all 77 positions. Captions are short. Peers compute 77 positions for them too, so only rscir's are timed.
"""

import argparse
import array
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    "pytorch": ["torch==2.15.0", "open_clip_torch==3.3.0", "transformers==5.23.0", "onnx==1.23.2", "onnxscript==0.7.2"],
    "onnxruntime": ["onnxruntime==1.32.0", "onnx==1.23.2", "numpy==2.4.6"],
    "openvino": ["openvino==2026.4.1", "nncf==3.4.0", "numpy==2.4.6"],
}
# Environment and precisions of each engine, in the best known form of each.
ENGINES = {
    "PyTorch": ("pytorch", ["f32", "bf16"]),
    "ONNX Runtime": ("onnxruntime", ["f32", "int8"]),
    "OpenVINO": ("openvino", ["f32", "bf16", "int8"]),
    "rscir": (None, ["f32", "bf16", "int8"]),
}
# Names that RSCIR_ISA takes.
ISAS = ["neon", "neon-dot", "neon-bf16", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "avx512-bf16"]
# Cells: a command, and the number of its timings, whose median counts.
CELLS = {"images 1": 3, "images 8": 1, "images 32": 1, "texts 64": 1, "captions 64": 1}
IMAGES, TEXTS, SIZE, CONTEXT = 32, 64, 224, 77
WORDS = "river harbour tanks runway forest bridge court field road roof pier crossing meadow".split()


# --- functions that run in the environments of the peers ---


def make_model(work):
    """Writes the model, the inputs, and the towers as ONNX."""
    import numpy as np
    import open_clip
    import torch
    from parity import randomize
    from safetensors.torch import save_file

    model = work / "model"
    model.mkdir(exist_ok=True)
    config = open_clip.get_model_config("ViT-L-14")
    (model / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    clip = randomize(open_clip.model.CLIP(**config))
    save_file({k: v.contiguous() for k, v in clip.state_dict().items()}, model / "open_clip_model.safetensors")

    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    (work / "images.u8").write_bytes(pixels.tobytes())
    mean, deviation = np.array(open_clip.OPENAI_DATASET_MEAN), np.array(open_clip.OPENAI_DATASET_STD)
    images = ((pixels / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    np.save(work / "images.npy", np.ascontiguousarray(images))
    tokenize = open_clip.SimpleTokenizer()
    for name, words in [("texts", lambda: 90), ("captions", lambda: int(generator.integers(1, 9)))]:
        texts = [" ".join(generator.choice(WORDS, words())) for _ in range(TEXTS)]
        (work / f"{name}.txt").write_text("\n".join(texts) + "\n")
        np.save(work / f"{name}.npy", tokenize(texts).numpy())

    class Tower(torch.nn.Module):
        def __init__(self, encode):
            super().__init__()
            self.clip, self.encode = clip, encode

        def forward(self, x):
            return self.encode(x, normalize=True)

    inputs = {"images": torch.from_numpy(images[:2]), "texts": torch.from_numpy(np.load(work / "texts.npy")[:2])}
    for name, x in inputs.items():
        encode = clip.encode_image if name == "images" else clip.encode_text
        shapes = {"x": {0: torch.export.Dim("batch")}}
        with torch.inference_mode():
            program = torch.onnx.export(Tower(encode), (x,), dynamo=True, dynamic_shapes=shapes, input_names=["x"])
        (work / "onnx").mkdir(exist_ok=True)
        program.save(work / f"onnx/{name}.onnx", external_data=True)


def quantize_onnx(work):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for name in ["images", "texts"]:
        quantize_dynamic(
            work / f"onnx/{name}.onnx",
            work / f"onnx/{name}-int8.onnx",
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm"],
            extra_options={"MatMulConstBOnly": True},
        )


def convert_openvino(work):
    import nncf
    import numpy as np
    import openvino

    (work / "openvino").mkdir(exist_ok=True)
    for name in ["images", "texts"]:
        model = openvino.convert_model(work / f"onnx/{name}.onnx")
        openvino.save_model(model, work / f"openvino/{name}.xml", compress_to_fp16=False)
        samples = nncf.Dataset([x[None] for x in np.load(work / f"{name}.npy")[:16]])
        int8 = nncf.quantize(model, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=16)
        openvino.save_model(int8, work / f"openvino/{name}-int8.xml")


def pytorch(work, precision, threads):
    import open_clip
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    with torch.device("meta"):
        clip = open_clip.model.CLIP(**open_clip.get_model_config("ViT-L-14"))
    clip.load_state_dict(load_file(work / "model/open_clip_model.safetensors"), strict=False, assign=True)
    # The mask is not part of the state, so it is made here.
    clip.attn_mask = torch.full((CONTEXT, CONTEXT), float("-inf")).triu(1)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    clip = clip.eval().to(kind)

    def run(encode, x):
        with torch.inference_mode():
            x = torch.from_numpy(x)
            return encode(x.to(kind) if x.is_floating_point() else x, normalize=True).float().numpy()

    return {"images": lambda x: run(clip.encode_image, x), "texts": lambda x: run(clip.encode_text, x)}


def onnxruntime(work, precision, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    suffix = {"f32": "", "int8": "-int8"}[precision]

    def tower(name):
        session = onnxruntime.InferenceSession(work / f"onnx/{name}{suffix}.onnx", options, ["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0]

    return {name: tower(name) for name in ["images", "texts"]}


def openvino(work, precision, threads):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    settings["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bf16" else "f32"
    suffix = "-int8" if precision == "int8" else ""

    def tower(name):
        request = core.compile_model(work / f"openvino/{name}{suffix}.xml", "CPU", settings).create_infer_request()
        return lambda x: request.infer([x])[0]

    return {name: tower(name) for name in ["images", "texts"]}


def worker(kind, precision, work, threads):
    """Runs a peer with the commands of rscir's `compare-encode`."""
    import numpy as np

    towers = {"pytorch": pytorch, "onnxruntime": onnxruntime, "openvino": openvino}[kind](work, precision, threads)
    inputs = {name: np.load(work / f"{name}.npy") for name in ["images", "texts"]}
    for line in sys.stdin:
        command, argument = line.strip().split(maxsplit=1)
        start = time.perf_counter()
        if command == "save":
            both = [towers[name](x) for name, x in inputs.items()]
            np.concatenate(both).astype("<f4").tofile(argument)
        else:
            towers[command](inputs[command][: int(argument)])
        print(1e3 * (time.perf_counter() - start), flush=True)


# --- functions that run outside of these environments ---


def python(work, environment):
    return work / "environments" / environment / "bin/python"


def inside(work, environment, *arguments):
    subprocess.run([python(work, environment), __file__, "inside", work, *arguments], check=True)


def prepare(work):
    work.mkdir(parents=True, exist_ok=True)
    manifest = ROOT / "benches/compare/Cargo.toml"
    subprocess.run(["cargo", "build", "--release", "--manifest-path", manifest, "-p", "compare-drivers"], check=True)
    for environment, pins in PINS.items():
        if not python(work, environment).exists():
            subprocess.run([sys.executable, "-m", "venv", work / "environments" / environment], check=True)
        subprocess.run([python(work, environment), "-m", "pip", "install", "--quiet", *pins], check=True)
    inside(work, "pytorch", "make_model")
    inside(work, "onnxruntime", "quantize_onnx")
    inside(work, "openvino", "convert_openvino")


class Engine:
    """A process that encodes on command."""

    def __init__(self, work, name, precision, threads, variables={}):
        kind, _ = ENGINES[name]
        if kind:
            command = [python(work, kind), __file__, "inside", work, "worker", kind, precision, threads]
        else:
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "benches/compare/target"))
            driver = target / "release/compare-encode"
            command = [driver, work / "model", {"int8": "i8"}.get(precision, precision), "cpu", work]
        limits = dict.fromkeys(["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], str(threads))
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | limits | variables
        )

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        """Ends the process, and returns the peak of its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.process.stdin.close()
        self.process.wait()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(work, name, precision, threads, cells):
    """Starts an engine once, and returns a number for each cell."""
    start = time.perf_counter()
    engine = Engine(work, name, precision, threads)
    engine("images 1")
    result = {"first": time.perf_counter() - start}
    for cell in cells:
        if name != "rscir" and cell.startswith("captions"):
            continue
        # These cells need no warming: the runs before them have warmed everything that they use.
        if cell not in ("images 1", "images 32"):
            engine(cell)
        result[cell] = statistics.median(engine(cell) for _ in range(CELLS[cell]))
    vectors = work / f"{name}-{precision}.f32"
    if not vectors.exists():
        engine(f"save {vectors}")
    result["memory"] = engine.end()
    return result


def run(work, options):
    path = work / "measured.json"
    engines = [(name, precision) for name, (_, precisions) in ENGINES.items() for precision in precisions]
    engines = [(n, p) for n, p in engines if not options.engines or any(wanted in f"{n} {p}" for wanted in options.engines)]
    for _ in range(options.rounds):
        random.shuffle(engines)
        for name, precision in engines:
            result = measure(work, name, precision, options.threads, options.cells)
            measured = json.loads(path.read_text()) if path.exists() else []
            measured.append({"engine": name, "precision": precision, "threads": options.threads, "results": result})
            path.write_text(json.dumps(measured, indent=1))
            print(name, precision, options.threads, {k: round(v, 2) for k, v in result.items()}, flush=True)


def isas(work, options):
    """Measures rscir on each instruction set in turn, and prints the medians of images a second, eight at a time."""
    rates, lacking = {}, set()
    for _ in range(options.rounds):
        for isa in random.sample(ISAS, len(ISAS)):
            for precision in ENGINES["rscir"][1] if isa not in lacking else []:
                engine = Engine(work, "rscir", precision, options.threads, {"RSCIR_ISA": isa})
                try:
                    engine("noise 8 1")
                    rates.setdefault((isa, precision), []).append(8e3 / engine("noise 8 1"))
                    engine.end()
                except (BrokenPipeError, ValueError):
                    # The driver has ended, after printing its error.
                    lacking.add(isa)
                    break
    print(f"\n{cpu()}, {options.threads} threads\n\n| instruction set | " + " | ".join(ENGINES["rscir"][1]) + " |\n" + "|---" * 4 + "|")
    for isa in ISAS:
        if isa not in lacking:
            print(f"| {isa} | " + " | ".join(f"{statistics.median(rates[isa, p]):.2f}" for p in ENGINES["rscir"][1]) + " |")


def cpu():
    return next(line for line in open("/proc/cpuinfo") if line.startswith("model name")).split(":")[1].strip()


def cosines(work, name, precision):
    """Returns the smallest cosines of images and of texts to the vectors of PyTorch in f32."""
    def rows(path):
        values = array.array("f", path.read_bytes())
        dim = len(values) // (IMAGES + TEXTS)
        return [values[i : i + dim] for i in range(0, len(values), dim)]

    paths = work / "PyTorch-f32.f32", work / f"{name}-{precision}.f32"
    if not all(path.exists() for path in paths):
        return ["", ""]
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    each = [dot(a, b) / (dot(a, a) * dot(b, b)) ** 0.5 for a, b in zip(*map(rows, paths))]
    return [f"{min(some):.6f}" for some in (each[:IMAGES], each[IMAGES:])]


def report(work):
    measured = json.loads((work / "measured.json").read_text())
    print(f"{date.today()}, {cpu()}, {os.cpu_count()} cores, Linux {platform.release()}; " + ", ".join(sum(PINS.values(), [])))
    head = ["engine", *(f"{kind}/s b{count}" for kind, count in map(str.split, CELLS)), "first vector (s)", "memory (MB)", "cosine, images", "texts", "rounds"]
    for threads in sorted({m["threads"] for m in measured}, reverse=True):
        print(f"\n{threads} thread{'s'[: threads > 1]}:\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for precision in ["f32", "bf16", "int8"]:
            for name, (_, precisions) in ENGINES.items():
                results = [m["results"] for m in measured if (m["engine"], m["precision"], m["threads"]) == (name, precision, threads)]
                if not results:
                    continue
                def median(key):
                    values = [result[key] for result in results if key in result]
                    return statistics.median(values) if values else None
                rates = [(1e3 * int(cell.split()[1]), median(cell)) for cell in CELLS]
                row = [f"{name} {precision}", *(f"{n / t:.2f}" if t else "" for n, t in rates)]
                row += [f"{median('first'):.2f}", f"{median('memory'):,.0f}", *cosines(work, name, precision), str(len(results))]
                print("| " + " | ".join(row) + " |")
    if all(any((m["engine"], m["precision"], m["threads"]) == (name, p, 2) for m in measured) for name, (_, ps) in ENGINES.items() for p in ps):
        report_ratios(measured)


def ratios(measured, ours, peers, rate):
    """Compares our speed with the best of the peers: the ratio of the medians, and the median of the ratios of each round."""
    results = lambda name, precision: [m["results"] for m in measured if (m["engine"], m["precision"], m["threads"]) == (name, precision, 2)]
    mine, others = results(*ours), [results(*peer) for peer in peers]
    middle = lambda rounds: {cell: statistics.median(r[cell] for r in rounds if cell in r) for cell in rounds[0]}
    of_medians = rate(middle(mine)) / max(rate(middle(rounds)) for rounds in others)
    by_round = statistics.median(rate(r) / max(map(rate, peers)) for r, *peers in zip(mine, *others))
    return f"{of_medians:.2f} | {by_round:.2f}"


def report_ratios(measured):
    """Prints ratios for two threads, and for images the best batch of each engine. Rounds must have all cells."""
    best = lambda r: max(int(cell.split()[1]) / r[cell] for cell in CELLS if cell.startswith("images"))
    rates = {"images": best, "one image": lambda r: 1 / r["images 1"], "texts b64": lambda r: 1 / r["texts 64"]}
    print("\n| rscir to the best peer | of the medians | median of the rounds' |\n|---|---|---|")
    for precision in ["f32", "bf16", "int8"]:
        peers = [(name, precision) for name, (kind, precisions) in ENGINES.items() if kind and precision in precisions]
        for what, rate in rates.items():
            print(f"| {precision}, {what} | {ratios(measured, ('rscir', precision), peers, rate)} |")
    print(f"| int8, images, to ONNX Runtime alone | {ratios(measured, ('rscir', 'int8'), [('ONNX Runtime', 'int8')], best)} |")


def main():
    if sys.argv[1:2] == ["inside"]:
        work, what, *arguments = sys.argv[2:]
        if what == "worker":
            kind, precision, threads = arguments
            return worker(kind, precision, Path(work), int(threads))
        return globals()[what](Path(work))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "run", "report", "isas"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="*", default=[], help="parts of names, such as int8 or OpenVINO")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS))
    options = parser.parse_args()
    options.work = options.work.resolve()
    if options.step in ("run", "isas"):
        globals()[options.step](options.work, options)
    else:
        {"prepare": prepare, "report": report}[options.step](options.work)


if __name__ == "__main__":
    main()
