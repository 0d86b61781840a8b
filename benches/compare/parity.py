"""Compares vectors of full-size models with open_clip's: seeded random weights, 16 real tiles, 16 texts.

    pip install open_clip_torch==3.3.0 timm ftfy==6.3.1 safetensors tokenizers
    cargo build --release --example extract_features
    python benches/compare/parity.py [--work DIR] [--report docs/parity.md] [--tiles 16] [MODEL ...]

Every parameter is random, because special values would hide mistakes: open_clip's own initialization leaves biases at zero
and residual branches shut. The weights of a model are removed when it is done; the largest has 4 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "crates/rscir-encoders/tests/python"))
import dofa  # noqa: E402

TILES = 16
PAGE = """# Parity at full size

Vectors of full-size models are compared with those of open_clip, and vectors of DOFA-CLIP (GeoLB) with those of a module written from its formulas. Every parameter is random, with a fixed seed. The inputs are 16 real tiles and 16 texts, and both sides compute in f32 on a CPU. `benches/compare/parity.py` makes the models, runs both sides, writes this page and removes the weights. "Nearest two" is the largest cosine between vectors of two different inputs: what a comparison of mixed-up inputs would give at best."""

MODELS = ["ViT-B-32", "ViT-B-32-quickgelu", "ViT-L-14", "ViT-L-14-quickgelu", "ViT-H-14", "RN50", "ViT-B-16-SigLIP", "GeoLB-ViT-14-so400m-SigLIP-384", "ViT-SO400M-14-SigLIP-384", "PE-Core-B-16", "PE-Core-L-14-336"]
TEXTS = """a satellite image of a swimming pool
dense residential area
two airplanes parked at the gate
kidney-shaped
a river with sandy banks runs through farmland, and a narrow concrete bridge crosses it near a small village with red roofs
purple
storage tanks
Water &amp; concrete  bridge
naïve café – river
UPPER case, punctuation!?
四 tanks
a harbour full of boats, seen from above, with many piers and a breakwater to the east of the container terminal
golf course
post hurricane
12 tennis courts
chaparral""".splitlines()


def randomize(model):
    generator = torch.Generator().manual_seed(0)
    for name, value in sorted(model.state_dict().items()):
        if not value.is_floating_point() or "mask" in name:
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        elif "embed" in name or "latent" in name:
            value.copy_(0.3 * noise)
        elif value.ndim >= 2:
            value.copy_(noise / value[0].numel() ** 0.5)
        elif value.ndim == 1 and name.endswith("weight"):
            value.copy_(1 + 0.1 * noise)
        else:
            value.copy_(0.1 * noise)
    return model.eval()


def words(folder, config):
    """Makes a tokenizer of letters, because SigLIP's own is not part of open_clip. Returns the ids of the texts."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789éï四"
    tokenizer = Tokenizer(models.BPE({"<pad>": 0, "</s>": 1} | {c: i + 2 for i, c in enumerate(letters)}, [], unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "</s>"}')
    length = config["text_cfg"]["context_length"]
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=1, length=length)
    clean = open_clip.tokenizer.get_clean_fn(config["text_cfg"]["tokenizer_kwargs"]["clean"])
    return torch.tensor([tokenizer.encode(clean(text)).ids for text in TEXTS])


class DofaClip(torch.nn.Module):
    """DOFA-CLIP, made of open_clip's text tower and the image tower of the encoders' tests."""

    def __init__(self, embed_dim, vision_cfg, text_cfg, **_):
        super().__init__()
        self.visual = torch.nn.Module()
        self.visual.trunk = dofa.tower(384, 14, 1152, 27, 16, 3.7362, {})
        self.text = open_clip.model._build_text_tower(embed_dim, open_clip.model.CLIPTextCfg(**text_cfg))

    def encode_image(self, images, normalize):
        return torch.nn.functional.normalize(self.visual.trunk(images), dim=-1)

    def encode_text(self, tokens, normalize):
        return torch.nn.functional.normalize(self.text(tokens), dim=-1)


def configuration(name):
    """Returns open_clip's configuration of a model. That of DOFA-CLIP (GeoLB) is SigLIP's with another name of the image tower."""
    if not name.startswith("GeoLB"):
        return open_clip.get_model_config(name)
    config = open_clip.get_model_config("ViT-SO400M-14-SigLIP-384")
    config["vision_cfg"]["timm_model_name"] = "dofa_vit_so400m_patch14_siglip_384"
    return config


def reference(name, folder, images):
    """Writes a model, and returns open_clip's vectors of the images and texts."""
    config = configuration(name)
    siglip = "SigLIP" in name
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"} if siglip or name.startswith("PE-Core") else {}
    if name.startswith("PE-Core"):
        preprocess["interpolation"] = "bilinear"
    context = config["text_cfg"].get("context_length", 77)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    kind = open_clip.model.CustomTextCLIP if config.pop("custom_text", False) else open_clip.model.CLIP
    model = randomize(DofaClip(**config) if name.startswith("GeoLB") else kind(**config))
    tokens = words(folder, config) if siglip else open_clip.SimpleTokenizer(context_length=context)(TEXTS)
    settings = open_clip.transform.PreprocessCfg(size=config["vision_cfg"]["image_size"], **preprocess)
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    with torch.inference_mode():
        pixels = torch.stack([transform(Image.open(path)) for path in images])
        image = torch.cat([model.encode_image(some, normalize=True) for some in pixels.split(4)])
        return image.numpy(), model.encode_text(tokens, normalize=True).numpy()


def ours(folder, images):
    texts = folder / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n")
    out = [folder / "images.safetensors", folder / "texts.safetensors"]
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = [target / "release/examples/extract_features", "--images", images, "--archive", folder / "archive.rscir"]
    command += ["--checkpoint", folder / "open_clip_model.safetensors", "--config", folder / "open_clip_config.json"]
    command += ["--export", out[0], "--texts", texts, "--export-texts", out[1]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    return [safe_open(path, "np").get_tensor("embeddings") for path in out]


def compare(name, tiles):
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        folder = Path(folder)
        images = folder / "images"
        images.mkdir()
        for tile in tiles:
            (images / tile.name).symlink_to(tile)
        expected = reference(name, folder, sorted(images.iterdir()))
        row = [name if len(tiles) == TILES else f"{name} ({len(tiles)} tiles)"]
        for ours_, theirs in zip(ours(folder, images), expected):
            a, b = ours_.astype(np.float64), theirs.astype(np.float64)
            cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            others = np.triu(b @ b.T, 1).max()
            row += [f"{1 - cosines.min():.1e}", f"{np.abs(a - b).max():.1e}", f"{others:.4f}"]
        print(*row, flush=True)
        return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--work", help="where the weights go while they are needed")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--tiles", type=int, default=TILES, help="fewer for the largest models")
    options = parser.parse_args()
    tiles = sorted((ROOT / "data/demo/benchmark/images").rglob("*.jpg"))
    tiles = tiles[:: len(tiles) // options.tiles][: options.tiles]
    rows = [compare(name, tiles) for name in options.models]
    if options.report:
        head = ["model", "images: 1 - least cosine", "largest difference", "nearest two", "texts: 1 - least cosine", "largest difference", "nearest two"]
        lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
        versions = f"open_clip {open_clip.__version__}, PyTorch {torch.__version__}"
        options.report.write_text("\n\n".join([PAGE, versions, "\n".join(lines)]) + "\n")
