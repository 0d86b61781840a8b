"""Writes data/preprocess/open_clip.csv: what open_clip's evaluation transform makes of images of many shapes.

Made with open_clip 3.3.0, torchvision 0.29.2, Pillow 13.0.0:
    python tests/python/preprocess_data.py > tests/data/preprocess/open_clip.csv
"""

import hashlib
import random

import numpy as np
from open_clip.transform import image_transform
from PIL import Image


def noise(width, height):
    """The bytes of `x = x * 1664525 + 1013904223 mod 2^32`, from x = 1, upper eight bits."""
    out, x = np.empty(width * height * 3, np.uint8), 1
    for i in range(out.size):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24
    return out.reshape(height, width, 3)


def bytes_of(image, size, mode, interpolation):
    """The transform with mean 0 and deviation 1, back on the scale of bytes."""
    transform = image_transform(
        size, False, mean=(0.0,) * 3, std=(1.0,) * 3, resize_mode=mode, interpolation=interpolation, fill_color=77
    )
    values = transform(image).permute(1, 2, 0).numpy() * 255
    assert np.abs(values - values.round()).max() < 1e-4
    return values.round().astype(np.uint8).tobytes()


def main():
    rng = random.Random(5)
    shapes = [(256, 256, 224), (224, 224, 224), (600, 600, 224), (300, 200, 64), (200, 300, 64), (90, 500, 32)]
    shapes += [(1, 1, 7), (2, 1, 5), (1, 40, 6), (40, 1, 6), (3, 200, 9), (17, 17, 56), (64, 65, 64), (65, 64, 64)]
    shapes += [tuple(rng.randint(1, most) for most in (150, 150, 80)) for _ in range(60)]
    print("width,height,size,resize_mode,interpolation,sha256")
    for width, height, size in shapes:
        image = Image.fromarray(noise(width, height))
        for mode in ("shortest", "longest", "squash"):
            for interpolation in ("bicubic", "bilinear"):
                # open_clip fails where a side rounds to zero.
                if mode == "longest" and min(width, height) * size <= max(width, height) / 2:
                    continue
                digest = hashlib.sha256(bytes_of(image, size, mode, interpolation)).hexdigest()
                print(f"{width},{height},{size},{mode},{interpolation},{digest}")


main()
