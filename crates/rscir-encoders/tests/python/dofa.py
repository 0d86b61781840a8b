"""DOFA-CLIP's image tower for fixed wavelengths, written from its formulas, with the names of its tensors.

The tower is timm's SigLIP tower with another patch embedding (github.com/xiong-zhitong/DOFA-CLIP, open_clip/src/open_clip:
timm_model.py, dofa_patch_embed.py).
"""

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn.functional import conv2d

RGB = [0.665, 0.56, 0.49]


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.w1, self.w2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.w2(self.w1(x).relu()).relu()


class Generator(nn.Module):
    def __init__(self, width, tokens, hidden, outputs, pixels):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, hidden, dropout=0.0, activation="gelu")
        self.transformer_encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.weight_tokens, self.bias_token = (nn.Parameter(torch.zeros(n, width)) for n in (tokens, 1))
        self.fc_weight, self.fc_bias = nn.Linear(width, pixels * outputs), nn.Linear(width, outputs)

    def forward(self, waves):
        x = self.transformer_encoder(torch.cat([self.weight_tokens, waves, self.bias_token]))
        tokens = len(self.weight_tokens)
        return self.fc_weight(x[tokens:-1] + waves), self.fc_bias(x[-1])


class PatchEmbedding(nn.Module):
    def __init__(self, patch, outputs, width=128, tokens=128, hidden=2048, wavelengths=RGB):
        super().__init__()
        self.patch, self.width, self.wavelengths = patch, width, wavelengths
        self.weight_generator = Generator(width, tokens, hidden, outputs, patch * patch)
        self.fclayer = Residual(width)

    def forward(self, images):
        frequencies = 1 / 10000 ** (torch.arange(self.width // 2, dtype=torch.float32) / (self.width / 2))
        angles = torch.outer(torch.tensor(self.wavelengths) * 1000, frequencies)
        weight, bias = self.weight_generator(self.fclayer(torch.cat([angles.sin(), angles.cos()], dim=1)))
        weight = weight.view(len(self.wavelengths), self.patch, self.patch, -1).permute(3, 0, 1, 2)
        return conv2d(images, weight * 0.01, bias * 0.01, stride=self.patch).flatten(2).transpose(1, 2)


def tower(image, patch, width, layers, heads, ratio, generator):
    trunk = VisionTransformer(
        image, patch, num_classes=0, global_pool="map", embed_dim=width, depth=layers, num_heads=heads, mlp_ratio=ratio, class_token=False
    )
    trunk.patch_embed = PatchEmbedding(patch, width, **generator)
    return trunk
