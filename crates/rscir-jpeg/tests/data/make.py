"""Writes the JPEG files of this folder and golden.txt: file, width, height, SHA-256 of the RGB bytes that Pillow gives.

    python -m venv env && env/bin/pip install pillow==13.0.0 numpy && env/bin/python make.py

Pillow 13.0.0 with libjpeg-turbo 3.2.0 on x86-64 made the table. The files of usual kinds are encoded by Pillow from a
synthetic picture; those that Pillow does not write (unusual sampling, scans by component, 16-bit tables, damage) are
written by the small encoder below from random coefficients.
"""

import hashlib
import io
import pathlib
import random
import struct

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent


def picture(width, height, seed=0):
    """Makes gradients, edges and a little noise, so that every coefficient has a value."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    r = 128 + 90 * np.sin(x / 5) * np.cos(y / 9)
    g = 255 * ((x * 3 + y * 2) % 37 > 18)
    b = (x + y) * 255 / (width + height)
    image = np.stack([r, g, b], axis=-1) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


class Bits:
    """An entropy-coded segment."""

    def __init__(self):
        self.text = []

    def put(self, value, size):
        if size:
            self.text.append(format(value, f"0{size}b"))

    def bytes(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        return int(text or "0", 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def segment(marker, contents):
    return bytes([0xFF, marker]) + struct.pack(">H", len(contents) + 2) + contents


# DC sizes 0 to 11 in 4 bits; every AC symbol in 9 bits, so that codes exceed no look-up and none is all ones.
DC_SYMBOLS = bytes(range(12))
AC_SYMBOLS = bytes(run << 4 | size for run in range(16) for size in range(1, 11)) + bytes(r << 4 for r in range(16))
TABLES = segment(0xC4, bytes([0x00]) + bytes([0, 0, 0, 12] + [0] * 12) + DC_SYMBOLS) + segment(
    0xC4, bytes([0x10]) + bytes([0] * 8 + [len(AC_SYMBOLS)] + [0] * 7) + AC_SYMBOLS
)


def magnitude(value):
    size = abs(value).bit_length()
    return (value if value > 0 else value + (1 << size) - 1), size


class Encoder:
    """Encodes random coefficients with any frame layout."""

    def __init__(self, width, height, factors, ids=(1, 2, 3, 4), seed=1, amplitude=40, quant=8, progressive=False):
        self.size, self.factors, self.ids = (width, height), factors, ids
        self.progressive = progressive
        self.h, self.v = max(f[0] for f in factors), max(f[1] for f in factors)
        self.mcus = -(-width // (8 * self.h)), -(-height // (8 * self.v))
        rng = random.Random(seed)
        self.blocks = []
        for h, v in factors:
            rows = []
            for _ in range(self.mcus[1] * v):
                rows.append([self.block(rng, amplitude) for _ in range(self.mcus[0] * h)])
            self.blocks.append(rows)
        sof = struct.pack(">BHHB", 8, height, width, len(factors))
        for i, (h, v) in enumerate(factors):
            sof += bytes([ids[i], h << 4 | v, 0])
        self.head = segment(0xDB, self.quant(quant)) + segment(0xC2 if progressive else 0xC0, sof) + TABLES

    @staticmethod
    def quant(q):
        return bytes([0]) + bytes([q] * 64) if q < 256 else bytes([0x10]) + struct.pack(">64H", *[q] * 64)

    @staticmethod
    def block(rng, amplitude):
        block = [0] * 64
        block[0] = rng.randint(-amplitude, amplitude)
        for _ in range(rng.choice([0, 0, 1, 3, 8, 40])):
            k = rng.choice([rng.randint(1, 9), rng.randint(1, 63)])
            block[k] = rng.randint(-amplitude, amplitude) // (1 + k // 4)
        return block

    def real_blocks(self, c):
        h, v = self.factors[c]
        return -(-self.size[0] * h // (8 * self.h)), -(-self.size[1] * v // (8 * self.v))

    def order(self, components):
        """Returns the MCUs of a scan: lists of (component, row, column)."""
        if len(components) == 1:
            c = components[0]
            cols, rows = self.real_blocks(c)
            return [[(c, y, x)] for y in range(rows) for x in range(cols)]
        mcus = []
        for my in range(self.mcus[1]):
            for mx in range(self.mcus[0]):
                mcu = []
                for c in components:
                    h, v = self.factors[c]
                    mcu += [(c, my * v + y, mx * h + x) for y in range(v) for x in range(h)]
                mcus.append(mcu)
        return mcus

    def scan(self, components, first=0, last=63, restart=0):
        bits, out, prediction = Bits(), b"", {}
        spec = b"".join(bytes([self.ids[c], 0]) for c in components)
        head = segment(0xDA, bytes([len(components)]) + spec + bytes([first, last, 0]))
        for n, mcu in enumerate(self.order(components)):
            if restart and n and n % restart == 0:
                out += bits.bytes() + bytes([0xFF, 0xD0 + (n // restart - 1) % 8])
                bits, prediction = Bits(), {}
            for c, y, x in mcu:
                block = self.blocks[c][y][x]
                if first == 0:
                    value, size = magnitude(block[0] - prediction.get(c, 0))
                    prediction[c] = block[0]
                    bits.put(DC_SYMBOLS.index(size), 4)
                    bits.put(value, size)
                run = 0
                for k in range(max(first, 1), last + 1):
                    if block[k] == 0:
                        run += 1
                        continue
                    while run > 15:
                        bits.put(AC_SYMBOLS.index(0xF0), 9)
                        run -= 16
                    value, size = magnitude(block[k])
                    bits.put(AC_SYMBOLS.index(run << 4 | size), 9)
                    bits.put(value, size)
                    run = 0
                if last > 0 and run:
                    bits.put(AC_SYMBOLS.index(0), 9)
        return head + out + bits.bytes()

    def file(self, scans, notes=b"", restart=0):
        head = b"\xff\xd8" + notes + self.head
        if restart:
            head += segment(0xDD, struct.pack(">H", restart))
        return head + b"".join(self.scan(*s, restart=restart) for s in scans) + b"\xff\xd9"


def adobe(transform):
    return segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00" + bytes([transform]))


def whole(factors, size=(45, 51), notes=b"", restart=0, **options):
    encoder = Encoder(*size, factors, **options)
    return encoder.file([(range(len(factors)),)], notes, restart)


def by_component(factors, size=(45, 51), notes=b"", **options):
    encoder = Encoder(*size, factors, **options)
    return encoder.file([([c],) for c in range(len(factors))], notes)


def spectral(factors, size=(45, 51), **options):
    """Makes a progressive file by spectral selection only, with the DC of all components first."""
    encoder = Encoder(*size, factors, progressive=True, **options)
    scans = [(range(len(factors)), 0, 0)]
    for band in [(1, 5), (6, 63)]:
        scans += [([c], *band) for c in range(len(factors))]
    return encoder.file(scans)


def cut_scans(data, keep):
    """Returns the file with only its first `keep` scans."""
    at = 0
    for _ in range(keep + 1):
        at = data.index(b"\xff\xda", at) + 2
    end = at - 2
    # The tables of the first scan that is dropped may stay.
    return data[:end] + b"\xff\xd9"


def files():
    sizes = [(1, 1), (7, 9), (8, 8), (16, 16), (33, 17), (2, 5), (3, 40), (5, 3), (17, 33), (64, 48)]
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        for w, h in sizes:
            yield f"q85_{name}_{w}x{h}", encoded(picture(w, h), quality=85, subsampling=subsampling)
            yield f"prog_{name}_{w}x{h}", encoded(picture(w, h), quality=75, subsampling=subsampling, progressive=True)
        for q in [1, 10, 30, 50, 95, 100]:
            yield f"q{q}_{name}", encoded(picture(50, 41), quality=q, subsampling=subsampling, optimize=q % 20 == 10)
        yield f"rst_blocks_{name}", encoded(picture(65, 50), subsampling=subsampling, restart_marker_blocks=2)
        yield f"rst_rows_{name}", encoded(picture(65, 50), subsampling=subsampling, restart_marker_rows=1)
        yield f"prog_rst_{name}", encoded(
            picture(65, 50), subsampling=subsampling, restart_marker_blocks=3, progressive=True
        )
        progressive = encoded(picture(75, 66, 3), quality=60, subsampling=subsampling, progressive=True)
        for keep in [1, 2, 3, 5, 6]:
            yield f"prog_cut{keep}_{name}", cut_scans(progressive, keep)
        small = encoded(picture(33, 17, 4), quality=40, subsampling=subsampling, progressive=True)
        for keep in [1, 4]:
            yield f"prog_small_cut{keep}_{name}", cut_scans(small, keep)
        yield f"prog_broken_{name}", progressive[: len(progressive) * 2 // 5] + b"\xff\xd9"
    for q in [20, 90]:
        gray = picture(39, 52).convert("L")
        yield f"gray_q{q}", encoded(gray, quality=q)
        yield f"gray_prog_q{q}", encoded(gray, quality=q, progressive=True)
        cmyk = picture(39, 52).convert("CMYK")
        yield f"cmyk_q{q}", encoded(cmyk, quality=q)
        yield f"cmyk_prog_q{q}", encoded(cmyk, quality=q, progressive=True)
        yield f"rgb_q{q}", encoded(picture(39, 52), quality=q, keep_rgb=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "exif_orientation_6", encoded(picture(20, 30), exif=exif)

    yield "f_440", whole([(1, 2), (1, 1), (1, 1)])
    yield "f_440_narrow", whole([(1, 2), (1, 1), (1, 1)], size=(1, 30))
    yield "f_411", whole([(4, 1), (1, 1), (1, 1)])
    yield "f_410", whole([(4, 2), (1, 1), (1, 1)])
    yield "f_141", whole([(1, 4), (1, 1), (1, 1)])
    yield "f_311", whole([(3, 1), (1, 1), (1, 1)])
    yield "f_132", whole([(1, 3), (1, 1), (1, 3)])
    yield "f_422_420", whole([(2, 2), (1, 2), (1, 1)])
    yield "f_440_444", whole([(2, 2), (2, 1), (2, 2)])
    yield "f_chroma_finer", whole([(1, 1), (2, 2), (2, 1)])
    yield "f_rows_of_two", whole([(1, 4), (1, 2), (1, 2)], size=(30, 37))
    yield "f_gray_2x2", whole([(2, 2)])
    yield "f_gray_prog", spectral([(2, 1)])
    yield "f_rgb_ids", whole([(1, 1)] * 3, ids=b"RGB")
    yield "f_adobe_rgb", whole([(2, 1), (1, 1), (1, 1)], notes=adobe(0))
    yield "f_adobe_ycc", whole([(1, 1)] * 3, ids=b"RGB", notes=adobe(1))
    yield "f_cmyk_plain", whole([(1, 1)] * 4)
    yield "f_cmyk_adobe", whole([(2, 2), (1, 1), (1, 1), (2, 2)], notes=adobe(0))
    yield "f_ycck", whole([(2, 2), (1, 1), (1, 1), (2, 2)], notes=adobe(2))
    yield "f_scans_420", by_component([(2, 2), (1, 1), (1, 1)])
    yield "f_scans_cmyk", by_component([(1, 2), (1, 1), (1, 1), (1, 2)])
    yield "f_scans_part", Encoder(45, 51, [(2, 1), (1, 1), (1, 1)]).file([([0],), ([1, 2],)])
    yield "f_scan_missing", Encoder(45, 51, [(2, 1), (1, 1), (1, 1)]).file([([0],), ([2],)])
    yield "f_prog_440", spectral([(1, 2), (1, 1), (1, 1)])
    yield "f_prog_411", spectral([(4, 1), (1, 1), (1, 1)])
    encoder = Encoder(100, 90, [(2, 2), (1, 1), (1, 1)], progressive=True)
    yield "f_prog_dc_420", encoder.file([([0, 1, 2], 0, 0)])
    yield "f_prog_some_ac", encoder.file([([0, 1, 2], 0, 0), ([0], 1, 5)])
    yield "f_quant16", whole([(2, 2), (1, 1), (1, 1)], quant=300, amplitude=3)
    yield "f_saturates", whole([(1, 1)] * 3, quant=255, amplitude=250)
    yield "f_overflows", whole([(1, 1)] * 3, quant=40000, amplitude=900)
    yield "f_dc_overflows", by_component([(1, 1)], quant=5000, amplitude=7)
    yield "f_restart", whole([(2, 1), (1, 1), (1, 1)], restart=2)

    plain = whole([(2, 1), (1, 1), (1, 1)], restart=2)
    body = plain.index(b"\xff\xda") + 14
    marker = plain.index(b"\xff\xd2", body)
    yield "d_restart_missing", plain[:marker] + plain[marker + 2 :]
    yield "d_restart_wrong", plain[: marker + 1] + b"\xd5" + plain[marker + 2 :]
    yield "d_restart_next", plain[: marker + 1] + b"\xd4" + plain[marker + 2 :]
    yield "d_restart_before", plain[: marker + 1] + b"\xd1" + plain[marker + 2 :]
    yield "d_restart_invalid", plain[: marker + 1] + b"\x03" + plain[marker + 2 :]
    yield "d_early_end", plain[: len(plain) // 2] + b"\xff\xd9"
    yield "d_fill_bytes", plain[:marker] + b"\xff\xff\xff" + plain[marker:]
    yield "d_junk_before_marker", plain[: body - 14] + b"\x01\x02\xff\x00\x03" + plain[body - 14 :]
    yield "d_junk_after", plain + b"\xff\xdbjunk"
    for name, progressive in [("d_noise", False), ("d_noise_prog", True)]:
        noisy = bytearray(encoded(picture(64, 64), quality=90, progressive=progressive))
        for i in range(len(noisy) // 3, len(noisy) - 40, 97):
            if 0xFF not in noisy[i - 1 : i + 2]:
                noisy[i] &= 0x7D
        yield name, bytes(noisy)
    base = encoded(picture(40, 40), quality=80)
    tables = base.index(b"\xff\xc4")
    yield "d_no_huffman_tables", base[:tables] + base[base.index(b"\xff\xda") :]


def main():
    for old in HERE.glob("*.jpg"):
        old.unlink()
    lines = []
    for name, data in files():
        (HERE / f"{name}.jpg").write_bytes(data)
        with Image.open(io.BytesIO(data)) as image:
            rgb = image.convert("RGB")
        lines.append(f"{name}.jpg {rgb.width} {rgb.height} {hashlib.sha256(rgb.tobytes()).hexdigest()}\n")
    (HERE / "golden.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
