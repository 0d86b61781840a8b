"""Writes golden_ijg.txt: for files of this folder, SHA-256 of the RGB bytes that IJG's libjpeg 9 gives.

    python -m venv env && env/bin/pip install rasterio==1.4.4 && env/bin/python make_ijg.py

The wheels of rasterio 1.4.4 for Linux carry libjpeg 9f, which GDAL's driver decodes JPEG files with. The files are those of
golden.txt in YCbCr, except those that no two libraries agree on: damaged ones, those whose made coefficients overflow, and
progressive ones without their last scans, which do not occur in TIFF files.
"""

import hashlib
import pathlib
import warnings

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

HERE = pathlib.Path(__file__).parent
OTHER = ("d_", "gray", "f_gray", "cmyk", "f_cmyk", "rgb", "f_rgb", "f_adobe", "f_scans_cmyk", "f_ycck")
OVERFLOWING = ("f_overflows", "f_dc_overflows", "f_saturates", "f_quant16")
INCOMPLETE = ("prog_cut", "prog_small_cut", "prog_broken", "f_prog_dc_420", "f_prog_some_ac")


def main():
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    lines = []
    for line in (HERE / "golden.txt").read_text().splitlines():
        name = line.split()[0]
        if name.startswith(OTHER + OVERFLOWING + INCOMPLETE):
            continue
        with rasterio.open(HERE / name) as image:
            rgb = np.ascontiguousarray(np.moveaxis(image.read(), 0, 2))
        lines.append(f"{name} {hashlib.sha256(rgb.tobytes()).hexdigest()}\n")
    (HERE / "golden_ijg.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
