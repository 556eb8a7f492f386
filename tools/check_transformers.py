#!/usr/bin/env python3
"""check_transformers.py FOLDER [--ids IDS.i32 --seqlen N --windows N] [--text FILE] [--gguf FILE.gguf]

What another program makes of a folder that lop wrote.

Prints one JSON object: whether every tensor that transformers loads equals the file's, the perplexity over the windows
(each fed alone, N - 1 predictions each), whether transformers' tokenizer gives the ids, and with --gguf whether the
folder's weights equal the dequantised ones of that file. Needs torch, transformers, safetensors and, for --gguf, gguf.
"""
import argparse
import glob
import hashlib
import json
import math
import re
import time

import numpy
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def stored_tensors(folder):
    tensors = {}
    for path in sorted(glob.glob(f"{folder}/*.safetensors")):
        if not path.endswith("masks.safetensors"):
            tensors.update(load_file(path))
    return tensors


def compare_loaded(model, stored):
    state = model.state_dict()
    wrong = [name for name, value in stored.items() if name not in state or not torch.equal(state[name].cpu(), value)]
    return {"tensors": len(stored), "different": wrong[:5], "equal": not wrong}


def windows_of(args):
    ids = torch.from_numpy(numpy.fromfile(args.ids, dtype="<i4").astype(numpy.int64))
    count = min(args.windows, len(ids) // args.seqlen)
    return ids[:count * args.seqlen].view(count, args.seqlen)


@torch.no_grad()
def perplexity(model, windows, device):
    total, predictions = 0.0, 0
    for row in windows:
        logits = model(row[None].to(device)).logits[0, :-1].double()
        total += torch.nn.functional.cross_entropy(logits, row[1:].to(device), reduction="sum").item()
        predictions += len(row) - 1
    return math.exp(total / predictions)


def tokenizer_ids(folder, text):
    ids = numpy.array(AutoTokenizer.from_pretrained(folder)(open(text, newline="").read()).input_ids, dtype="<i4")
    return {"count": len(ids), "sha256": hashlib.sha256(ids.tobytes()).hexdigest()}


def hugging_face_name(name):
    block = re.match(r"blk\.(\d+)\.(\w+)\.weight", name)
    if not block:
        return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}.get(name)
    part = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    return f"model.layers.{block[1]}.{part[block[2]]}.weight"


def gguf_differences(path, stored, heads, kv_heads):
    from gguf import GGUFReader
    from gguf.quants import dequantize
    different = []
    for tensor in GGUFReader(path).tensors:
        name = hugging_face_name(tensor.name)
        values = torch.from_numpy(numpy.array(dequantize(tensor.data, tensor.tensor_type)))
        n = {"attn_q": heads, "attn_k": kv_heads}.get(tensor.name.split(".")[2] if "blk" in tensor.name else "", 0)
        if n:
            rows, cols = values.shape
            values = values.reshape(n, rows // n // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)
        if not torch.equal(values.to(stored[name].dtype).reshape(stored[name].shape), stored[name]):
            different.append(name)
    return different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--ids")
    parser.add_argument("--seqlen", type=int, default=2048)
    parser.add_argument("--windows", type=int, default=1 << 30)
    parser.add_argument("--text")
    parser.add_argument("--gguf")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    stored = stored_tensors(args.folder)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype="auto")
    found = {"folder": args.folder, "loaded": compare_loaded(model, stored)}
    if args.gguf:
        config = model.config
        found["gguf_different"] = gguf_differences(args.gguf, stored, config.num_attention_heads,
                                                   config.num_key_value_heads)
    if args.text:
        found["tokenizer"] = tokenizer_ids(args.folder, args.text)
    if args.ids:
        torch.backends.cuda.matmul.allow_tf32 = False
        began = time.time()
        found["perplexity"] = perplexity(model.float().to(device).eval(), windows_of(args), device)
        found["seconds"] = round(time.time() - began, 1)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
