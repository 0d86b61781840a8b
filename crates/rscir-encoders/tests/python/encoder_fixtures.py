"""Writes the small models of the encoders' tests, and the vectors that open_clip and transformers compute with them.

    pip install open_clip_torch==3.3.0 transformers==5.23.0 torch ftfy==6.3.1
    python encoder_fixtures.py          # from any folder, and then earth_fixtures.py, since it makes the folder anew

All parameters are random and none has a special value, so that a forgotten bias or a swapped matrix changes the vectors. The
rows of the token embeddings that no text uses are zero, so that they compress well.
"""

import json
import shutil
from pathlib import Path

import dofa
import open_clip
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import normalize

HERE = Path(__file__).resolve().parents[1] / "data/encoders"
TEXTS = ["dense", "kidney-shaped swimming pool", "", "a b c d e f g h i j k l m n o p q r s t u v w x y z", "Café &amp; 四 tanks"]
OPENAI = [(0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)]
HALF = [(0.5, 0.5, 0.5), (0.5, 0.5, 0.5)]
# The text tower is narrow, but CLIP's tokenizer needs 49,408 tokens.
TEXT = {"context_length": 20, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2}

expected = {}


def randomize(model):
    for name, value in list(model.named_parameters()) + list(model.named_buffers()):
        if not value.is_floating_point() or "mask" in name:
            continue
        noise = torch.randn_like(value)
        if name.endswith("running_var"):
            value.data = 0.5 + torch.rand_like(value)
        elif value.ndim >= 2 and "embed" not in name and "latent" not in name and "probe" not in name:
            value.data = noise * (1.2 / value[0].numel() ** 0.5)
        elif value.ndim == 1 and name.endswith("weight") or "gamma" in name:
            value.data = 1 + 0.3 * noise
        else:
            value.data = 0.5 * noise
    return model.eval()


def keep_used_tokens(embedding, ids):
    used = torch.zeros(embedding.shape[0], 1)
    used[ids.flatten().long()] = 1
    embedding.data *= used


def pixels(name, size):
    bytes_ = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8)
    # Noise alone averages out; real images have large and small differences.
    bytes_[1] = (torch.linspace(0, 255, size)[None, :, None].expand(size, size, 3)).to(torch.uint8)
    expected[f"{name}.pixels"] = bytes_
    return bytes_


def normalized(bytes_, mean_std):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in mean_std)
    return (bytes_.permute(0, 3, 1, 2).float() / 255 - mean) / std


def record(name, image, text):
    expected[f"{name}.image"] = normalize(image.float(), dim=-1).contiguous()
    expected[f"{name}.text"] = normalize(text.float(), dim=-1).contiguous()


def open_clip_model(name, model_cfg, mean_std=OPENAI, half=False):
    folder = HERE / name
    folder.mkdir(parents=True)
    config = {"model_cfg": model_cfg, "preprocess_cfg": dict(zip(("mean", "std"), mean_std))}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    model = randomize(open_clip.model.CLIP(**model_cfg))
    if half:
        model = model.half().float()
    tokens = open_clip.SimpleTokenizer(context_length=model.context_length)(TEXTS)
    keep_used_tokens(model.token_embedding.weight, tokens)
    with torch.no_grad():
        bytes_ = pixels(name, model_cfg["vision_cfg"]["image_size"])
        record(name, model.encode_image(normalized(bytes_, mean_std)), model.encode_text(tokens))
    return folder, model, {key: value.contiguous() for key, value in model.state_dict().items()}


def vit_gelu():
    cfg = {"embed_dim": 24, "vision_cfg": {"image_size": 30, "patch_size": 14, "width": 64, "layers": 2}, "text_cfg": TEXT}
    folder, _, state = open_clip_model("vit_gelu", cfg)
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder / "model.pt")


def vit_quick_nested():
    vision = {"image_size": 32, "patch_size": 8, "width": 48, "layers": 2, "head_width": 12, "patch_dropout": 0.5}
    cfg = {"embed_dim": 20, "vision_cfg": vision, "text_cfg": TEXT, "quick_gelu": True}
    folder, model, state = open_clip_model("vit_quick_nested", cfg)
    optimizer = torch.optim.AdamW([model.logit_scale]).state_dict()
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 3, "name": "x", "state_dict": wrapped, "optimizer": optimizer}, folder / "model.pt")


def vit_f16_legacy():
    vision = {"image_size": 24, "patch_size": 8, "width": 40, "layers": 2, "head_width": 20}
    cfg = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT}
    folder, _, state = open_clip_model("vit_f16_legacy", cfg, HALF, half=True)
    state = {key: value.half() for key, value in state.items()}
    torch.save(state, folder / "model.pt", _use_new_zipfile_serialization=False)


def vit_options():
    """Writes a model with the options of open_clip's configurations beyond sizes."""
    common = {"ls_init_value": 1e-5, "norm_kwargs": {"eps": 1e-4}, "act_kwargs": {"approximate": "tanh"}}
    vision = {"image_size": 24, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16, "mlp_ratio": 2.5}
    vision |= {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True, **common}
    text = {**TEXT, "pool_type": "eos", "eos_id": 49407, "proj_bias": True, **common}
    cfg = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    folder, _, state = open_clip_model("vit_options", cfg)
    save_file(state, folder / "open_clip_model.safetensors")


def vit_long():
    """Writes a model with Long-CLIP's two position tables: twenty positions of the first, and the rest of the second."""
    vision = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8}
    cfg = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {**TEXT, "context_length": 30}, "quick_gelu": True}
    folder, _, state = open_clip_model("vit_long", cfg)
    table = state["positional_embedding"]
    first, later = (torch.randn_like(table) for _ in range(2))
    first[:20], later[20:] = table[:20], table[20:]
    state |= {"positional_embedding": first, "positional_embedding_res": later}
    torch.save(state, folder / "model.pt")


def resnet():
    vision = {"image_size": 64, "width": 4, "layers": [1, 2, 1, 1], "head_width": 16}
    cfg = {"embed_dim": 20, "vision_cfg": vision, "text_cfg": TEXT, "quick_gelu": True}
    folder, _, state = open_clip_model("resnet", cfg)
    torch.save(state, folder / "model.bin")


def hf_clip():
    folder = HERE / "hf_clip"
    folder.mkdir(parents=True)
    text = {"hidden_size": 8, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2}
    text |= {"max_position_embeddings": 20, "eos_token_id": 49407, "bos_token_id": 49406, "projection_dim": 12}
    vision = {"hidden_size": 32, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2}
    vision |= {"image_size": 28, "patch_size": 14, "projection_dim": 12}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    model = randomize(transformers.CLIPModel(config))
    tokens = open_clip.SimpleTokenizer(context_length=20)(TEXTS)
    keep_used_tokens(model.text_model.embeddings.token_embedding.weight, tokens)
    model.save_pretrained(folder)
    with torch.no_grad():
        images = normalized(pixels("hf_clip", 28), OPENAI)
        image = model.visual_projection(model.vision_model(images).pooler_output)
        record("hf_clip", image, model.text_projection(model.text_model(tokens).pooler_output))


def letters_of(folder):
    """Writes a tokenizer of letters, and returns it and the ids of the texts."""
    letters = "abcdefghijklmnopqrstuvwxyzé四"
    tokenizer = Tokenizer(models.BPE({"<pad>": 0, "</s>": 1} | {c: i + 2 for i, c in enumerate(letters)}, [], unk_token="<pad>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    # Like SigLIP's own tokenizer, this one pads with the end of the text.
    (folder / "tokenizer_config.json").write_text('{"pad_token": "</s>"}\n')
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(pad_id=1, length=16)
    clean = open_clip.tokenizer.get_clean_fn("canonicalize")
    return tokenizer, torch.tensor([tokenizer.encode(clean(text)).ids for text in TEXTS])


def hf_siglip():
    folder = HERE / "hf_siglip"
    folder.mkdir(parents=True)
    tokenizer, tokens = letters_of(folder)
    size = {"hidden_size": 32, "intermediate_size": 80, "num_attention_heads": 4, "num_hidden_layers": 2}
    text = size | {"max_position_embeddings": 16, "vocab_size": tokenizer.get_vocab_size(), "projection_size": 32}
    vision = size | {"image_size": 24, "patch_size": 8}
    model = randomize(transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)))
    model.save_pretrained(folder)
    with torch.no_grad():
        images = normalized(pixels("hf_siglip", 24), HALF)
        record("hf_siglip", model.vision_model(images).pooler_output, model.text_model(tokens).pooler_output)


def dofa_clip():
    """Writes a narrow DOFA-CLIP with all parts of the authors' one. Images are colors, and infrared, red and green."""
    folder = HERE / "dofa_clip"
    folder.mkdir(parents=True)
    tokenizer, tokens = letters_of(folder)
    # 14 pixels do not fill the last patch of 4, like 384 pixels with patches of 14.
    vision = {"image_size": 14, "width": 16, "layers": 2, "head_width": 8, "mlp_ratio": 2.6}
    vision |= {"timm_model_name": "dofa_vit_patch4_siglip_14", "timm_pool": "map", "timm_proj": "none"}
    text = {"context_length": 16, "vocab_size": tokenizer.get_vocab_size(), "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.6}
    text |= {"hf_tokenizer_name": "-", "tokenizer_kwargs": {"clean": "canonicalize"}, "norm_kwargs": {"eps": 1e-6}}
    text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    cfg = {"embed_dim": 16, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    config = {"model_cfg": cfg, "preprocess_cfg": dict(zip(("mean", "std"), HALF), resize_mode="squash")}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    model = torch.nn.Module()
    model.visual = torch.nn.Module()
    model.visual.trunk = dofa.tower(14, 4, 16, 2, 2, 2.6, {"width": 12, "tokens": 5, "hidden": 20})
    model.text = open_clip.model._build_text_tower(16, open_clip.model.CLIPTextCfg(**text))
    # These layers are used only in training, but the published file has them.
    model.translators = torch.nn.ModuleDict({"teacher": torch.nn.Linear(2, 2)})
    randomize(model)
    embedding = model.visual.trunk.patch_embed
    # The generated weights are scaled by 0.01. Larger ones here make the image outweigh the positions.
    embedding.weight_generator.fc_weight.weight.data *= 20
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    with torch.no_grad():
        images = normalized(pixels("dofa_clip", 14), HALF)
        record("dofa_clip", model.visual.trunk(images), model.text(tokens))
        embedding.wavelengths = [0.842, 0.665, 0.56]
        expected["dofa_clip.infrared"] = normalize(model.visual.trunk(images), dim=-1).contiguous()


if __name__ == "__main__":
    shutil.rmtree(HERE, ignore_errors=True)
    torch.manual_seed(7)
    for make in (vit_gelu, vit_quick_nested, vit_f16_legacy, vit_options, vit_long, resnet, hf_clip, hf_siglip, dofa_clip):
        make()
    save_file(expected, HERE / "expected.safetensors")
    (HERE / "texts.json").write_text(json.dumps(TEXTS) + "\n")
