"""Writes the small models of remote sensing of the encoders' tests, by their authors' own code if that is needed.

    pip install open_clip_torch==3.3.0 timm torch torchvision ftfy==6.3.1
    git clone https://github.com/NJU-LHRS/FarSLIP; git clone https://github.com/MitsuiChen14/DGTRS
    git clone https://github.com/IBM/MS-CLIP
    python encoder_fixtures.py                            # makes the folder anew
    python earth_fixtures.py FarSLIP DGTRS MS-CLIP        # adds to it

Beside the prepared images, each model encodes a photo that is prepared as its publishers prepare photos.
"""

import importlib.util
import json
import sys
import types
from functools import partial
from pathlib import Path

import dofa
import encoder_fixtures as base
import open_clip
import torch
from encoder_fixtures import HALF, HERE, OPENAI, TEXTS, expected, normalized, pixels, randomize, record
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.layers import LayerNorm
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import interpolate, normalize

QUICK = {"embed_dim": 16, "quick_gelu": True}


def load(name, path):
    """Loads a package or a module by its path, even if another one has the same name."""
    path = Path(path)
    spec = importlib.util.spec_from_file_location(name, path / "__init__.py" if path.is_dir() else path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photo():
    """Makes slow waves, an edge and noise. The sides are not equal, nor multiples of the size of a tower."""
    waves = interpolate(torch.rand(1, 3, 6, 8), size=(45, 60), mode="bicubic")[0].permute(1, 2, 0) * 255
    waves[:, 40:] = 255 - waves[:, 40:]
    return (waves + 20 * torch.randn_like(waves)).clamp(0, 255).to(torch.uint8).contiguous()


def prepared(size, mean_std, **options):
    settings = open_clip.transform.PreprocessCfg(size=size, mean=mean_std[0], std=mean_std[1], **options)
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)
    return transform(Image.fromarray(expected["photo"].numpy()))[None]


def see(name, encode, size, mean_std, **options):
    """Records the vector that a model makes of the photo."""
    with torch.no_grad():
        expected[f"{name}.photo"] = normalize(encode(prepared(size, mean_std, **options)), dim=-1).contiguous()


def letters_of(folder, context):
    """Writes a tokenizer of letters that ends texts with the highest id, like CLIP's. Returns its number of tokens, and ids."""
    letters = "abcdefghijklmnopqrstuvwxyzé四"
    vocabulary = {"<pad>": 0} | {c: i + 1 for i, c in enumerate(letters)} | {"</s>": len(letters) + 1}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<pad>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = vocabulary["</s>"]
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", end)])
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(context)
    tokenizer.enable_padding(pad_id=0, length=context)
    clean = open_clip.tokenizer.get_clean_fn("canonicalize")
    return len(vocabulary), torch.tensor([tokenizer.encode(clean(text)).ids for text in TEXTS])


def folder_of(name, cfg, preprocess):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg, "preprocess_cfg": preprocess}, indent=1) + "\n")
    return folder


def text_cfg(context):
    """Returns the configuration of a small text tower for the tokenizer of letters."""
    tokenizer = {"hf_tokenizer_name": "-", "tokenizer_kwargs": {"clean": "canonicalize"}}
    return {"context_length": context, "vocab_size": 30, "width": 8, "heads": 2, "layers": 1}, tokenizer


def siglip_timm():
    vision = {"image_size": 24, "width": 16, "layers": 2, "head_width": 8, "mlp_ratio": 2.6}
    vision |= {"timm_model_name": "vit_patch8_siglip_24", "timm_pool": "map", "timm_proj": "none"}
    text = {"context_length": 16, "vocab_size": 30, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.6}
    text |= {"hf_tokenizer_name": "-", "tokenizer_kwargs": {"clean": "canonicalize"}, "norm_kwargs": {"eps": 1e-6}}
    text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    cfg = {"embed_dim": 16, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    folder = folder_of("siglip_timm", cfg, dict(zip(("mean", "std"), HALF), resize_mode="squash"))
    _, tokens = base.letters_of(folder)
    model = torch.nn.Module()
    model.visual = torch.nn.Module()
    model.visual.trunk = VisionTransformer(24, 8, num_classes=0, global_pool="map", embed_dim=16, depth=2, num_heads=2, mlp_ratio=2.6, class_token=False)
    model.text = open_clip.model._build_text_tower(16, open_clip.model.CLIPTextCfg(**text))
    randomize(model)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    with torch.no_grad():
        record("siglip_timm", model.visual.trunk(normalized(pixels("siglip_timm", 24), HALF)), model.text(tokens))
    see("siglip_timm", model.visual.trunk, 24, HALF, resize_mode="squash")


def long_clip(name, cfg, tokenizer, make, image):
    """Writes a model with two position tables for 248 tokens, as FarSLIP and DGTRS-CLIP have them."""
    folder = folder_of(name, cfg | {"text_cfg": cfg["text_cfg"] | tokenizer}, dict(zip(("mean", "std"), OPENAI)))
    _, tokens = letters_of(folder, 248)
    model = randomize(make())
    torch.save({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.pt")
    with torch.no_grad():
        record(name, model.encode_image(normalized(pixels(name, image), OPENAI)), model.encode_text(tokens))
    see(name, model.encode_image, image, OPENAI)


def farslip(code):
    """Writes a FarSLIP. Its configuration says 77, because the lengthening is an option of training. Buffers choose the table."""
    text, tokenizer = text_cfg(77)
    cfg = {"vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8}, "text_cfg": text, **QUICK}
    module = load("farslip", Path(code) / "open_clip")
    long_clip("farslip", cfg, tokenizer, lambda: module.model.CLIP(**json.loads(json.dumps(cfg)), long_clip="load_from_scratch"), 32)


def dgtrs_clip(code):
    """Writes a DGTRS-CLIP, whose heads are 64 wide."""
    text, tokenizer = text_cfg(248)
    cfg = {"vision_cfg": {"image_size": 24, "patch_size": 8, "width": 64, "layers": 1}, "text_cfg": text, **QUICK}
    module = load("dgtrs", Path(code) / "model/model_longclip.py")
    long_clip("dgtrs_clip", cfg, tokenizer, lambda: module.CLIP(16, 24, 1, 64, 8, 248, 30, 8, 2, 1, load_from_clip=False), 24)


def pe_core():
    """Writes a Perception Encoder as timm and open_clip have it. It is narrow, but its pooling has eight heads."""
    vision = {"image_size": 24, "width": 32, "layers": 2, "head_width": 16}
    vision |= {"timm_model_name": "vit_pe_core_patch8_24", "timm_pool": "map", "timm_proj": None}
    text, tokenizer = text_cfg(32)
    cfg = {"embed_dim": 24, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    squash = {"interpolation": "bilinear", "resize_mode": "squash"}
    folder = folder_of("pe_core", cfg | {"text_cfg": text | tokenizer}, dict(zip(("mean", "std"), HALF), **squash))
    _, tokens = letters_of(folder, 32)
    model = torch.nn.Module()
    model.visual = torch.nn.Module()
    options = {"global_pool": "map", "attn_type": "rope", "use_pre_transformer_norm": True, "use_rot_pos_emb": True}
    options |= {"ref_feat_shape": (3, 3), "rope_grid_offset": 1.0, "rope_grid_indexing": "xy"}
    options |= {"attn_pool_num_heads": 8, "attn_pool_mlp_ratio": 4.0, "norm_layer": partial(LayerNorm, eps=1e-5)}
    model.visual.trunk = Eva(24, 8, num_classes=24, embed_dim=32, depth=2, num_heads=2, mlp_ratio=4.0, **options)
    model.text = open_clip.model._build_text_tower(24, open_clip.model.CLIPTextCfg(**text))
    turned = model.visual.trunk.rope.pos_embed.clone()
    randomize(model)
    # This table is computed, and not a parameter.
    model.visual.trunk.rope.pos_embed.copy_(turned)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    with torch.no_grad():
        record("pe_core", model.visual.trunk(normalized(pixels("pe_core", 24), HALF)), model.text(tokens))
    see("pe_core", model.visual.trunk, 24, HALF, **squash)


class Module(torch.nn.Module):
    """The part of a LightningModule that a model needs."""

    def save_hyperparameters(self):
        pass


def ms_clip(code):
    """Writes an MS-CLIP by the authors' code, on a small open_clip model. Its module holds one CLIP under three names."""
    # The authors' packages are loaded without the imports that only their evaluation needs.
    for name, path in {"msclip": "msclip", "msclip.inference": "msclip/inference"}.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(Path(code) / path)]
    for name, parts in {"pytorch_lightning": {"LightningModule": Module}, "tifffile": {}, "yaml": {}}.items():
        sys.modules.setdefault(name, types.ModuleType(name)).__dict__.update(parts)
    from msclip.inference import utils
    from msclip.model import factory, model_arch

    text, tokenizer = text_cfg(32)
    vision = {"image_size": 24, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
    cfg = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    stats = utils.pretrained_data_stats["ms"]
    stats["size"] = [24]
    ours = {"embed_dim": 16, "vision_cfg": vision | {"in_chans": 10}, "text_cfg": text | tokenizer}
    folder = folder_of("ms_clip", ours, {"values": "measured", "mean": stats["means"], "std": stats["stds"]})
    _, tokens = letters_of(folder, 32)
    factory.open_clip = types.SimpleNamespace(
        create_model_and_transforms=lambda *_: (open_clip.model.CLIP(**json.loads(json.dumps(cfg))), None, None),
        get_tokenizer=lambda _: None,
    )
    model = randomize(model_arch.CLIPDualEncoderModel(ckpt=None, channels=10))
    torch.save({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.pt")
    prepared = torch.randint(0, 9000, (3, 24, 24, 10), dtype=torch.int16)
    expected["ms_clip.pixels"] = prepared
    scene = interpolate(torch.rand(1, 10, 6, 8), size=(45, 60), mode="bicubic")[0].permute(1, 2, 0) * 4000 + 200
    scene[:, 40:] *= 1.7
    expected["scene"] = scene.clamp(0, 10000).to(torch.int16).contiguous()
    mean, std = torch.tensor(stats["means"]), torch.tensor(stats["stds"])
    with torch.no_grad():
        images = ((prepared.float() - mean) / std).permute(0, 3, 1, 2)
        record("ms_clip", model.inference_vision(images), model.inference_text(tokens))
        whole = utils.get_preprocess(is_ms=True)(expected["scene"].numpy())[None]
        expected["ms_clip.scene"] = model.inference_vision(whole).contiguous()


def dofa_nine():
    """Records vectors of DOFA-CLIP's image tower, with the weights of `dofa_clip`, for nine bands of Sentinel-2 at once."""
    state = load_file(HERE / "dofa_clip/open_clip_model.safetensors")
    trunk = dofa.tower(14, 4, 16, 2, 2, 2.6, {"width": 12, "tokens": 5, "hidden": 20})
    trunk.load_state_dict({key.removeprefix("visual.trunk."): value for key, value in state.items() if key.startswith("visual.trunk.")})
    trunk.eval().patch_embed.wavelengths = [0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19]
    bytes_ = torch.randint(0, 256, (3, 14, 14, 9), dtype=torch.uint8)
    expected["dofa_nine.pixels"] = bytes_
    with torch.no_grad():
        images = (bytes_.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        expected["dofa_nine.image"] = normalize(trunk(images), dim=-1).contiguous()


if __name__ == "__main__":
    codes = sys.argv[1:]
    expected.update(load_file(HERE / "expected.safetensors"))
    torch.manual_seed(11)
    expected["photo"] = photo()
    siglip_timm()
    farslip(codes[0])
    dgtrs_clip(codes[1])
    pe_core()
    ms_clip(codes[2])
    dofa_nine()
    save_file(expected, HERE / "expected.safetensors")
