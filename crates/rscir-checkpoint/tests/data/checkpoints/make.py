"""Makes the checkpoints of this folder: python make.py, with torch 2.7 and safetensors.

All hold the same tensors, as far as the format can; tests/checkpoints.rs knows their values.
"""

import argparse
import collections
import json
import pathlib

import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent


def tensors():
    a = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 4
    small = torch.tensor([-1.5, 0.0, 3.0])
    return collections.OrderedDict(
        [
            ("a", a),
            ("a_transposed", a.t()),
            ("a_row", a[1]),
            ("a_columns", a[:, 1::2]),
            ("f64", small.double()),
            ("f16", small.half()),
            ("bf16", small.bfloat16()),
            ("i64", torch.tensor([-7, 8])),
            ("i32", torch.tensor([-7, 8], dtype=torch.int32)),
            ("i16", torch.tensor([-7, 8], dtype=torch.int16)),
            ("i8", torch.tensor([-7, 8], dtype=torch.int8)),
            ("u8", torch.tensor([7, 255], dtype=torch.uint8)),
            ("bool", torch.tensor([True, False])),
            ("scalar", torch.tensor(2.5)),
            ("empty", torch.zeros(0, 3)),
            ("parameter", torch.nn.Parameter(small)),
        ]
    )


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(tensors()["a"].half())
        self.register_buffer("num_batches_tracked", torch.tensor(3))

    def forward(self, x):
        return x @ self.weight.float()


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(Inner(), Inner())
        self.scale = torch.nn.Parameter(torch.tensor(2.5))
        self.size: int = 224

    def forward(self, x):
        return self.blocks[0](x) * self.scale


state = tensors()
torch.save(state, here / "zip.pt")
torch.save(state, here / "legacy.pt", _use_new_zipfile_serialization=False)

wrapped = collections.OrderedDict((f"module._orig_mod.{name}", tensor) for name, tensor in state.items())
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
training = {
    "epoch": 3,
    "name": "run",
    "args": argparse.Namespace(lr=1e-3, device=torch.device("cpu"), precision=torch.float16),
    "optimizer": optimizer.state_dict(),
    "state_dict": wrapped,
}
torch.save(training, here / "training.pt")
torch.save({"model_state_dict": state, "epoch": 1}, here / "model_state_dict.pt")
torch.save({"model": wrapped}, here / "model.pt", _use_new_zipfile_serialization=False)

torch.serialization.set_crc32_options(False)
torch.save(state, here / "no_crc.pt")

torch.jit.script(Outer()).save(here / "script.pt")

contiguous = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
save_file(contiguous, here / "flat.safetensors")
names = sorted(contiguous)
shards = {"part-1.safetensors": names[::2], "part-2.safetensors": names[1::2]}
for shard, part in shards.items():
    save_file({name: contiguous[name] for name in part}, here / shard)
weight_map = {name: shard for shard, part in shards.items() for name in part}
(here / "sharded.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1))
