#!/usr/bin/env python3
"""train_tiny.py TEXT OUT: trains the tiny LLaMA that ships in tests/data, tokenizer included.

Needs torch, transformers and tokenizers; a GPU makes it a minute. tests/data/README.md says how TEXT is put together
from Debian packages; its end is the odd chapters of the Debian Administrator's Handbook, and the last twentieth picks the
step that is kept, so that the even chapters stay unseen. Saved in bfloat16, with a byte-level BPE tokenizer.json.
"""
import json
import math
import pathlib
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

VOCAB, SEQLEN, BATCH, STEPS, SEED = 2048, 256, 32, 2500, 0


def train_tokenizer(text, out):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=special,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(text.split("\n\n"), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
         "model_max_length": 512}, indent=1) + "\n")
    return tokenizer


def batch(ids, size, generator):
    starts = torch.randint(0, len(ids) - SEQLEN, (size,), generator=generator)
    return torch.stack([ids[s:s + SEQLEN] for s in starts])


@torch.no_grad()
def held_out_loss(model, ids, device):
    windows = ids[:len(ids) // SEQLEN * SEQLEN].view(-1, SEQLEN).to(device)
    return model(input_ids=windows, labels=windows).loss.item()


def learning_rate(step):
    warm = min(1.0, (step + 1) / 100)
    return 2e-3 * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / STEPS)))


def main():
    text, out = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = train_tokenizer(text, out)
    ids = torch.tensor(tokenizer.encode(text).ids)
    train, check = ids[:-len(ids) // 20], ids[-len(ids) // 20:]
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
                         num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=512, rms_norm_eps=1e-5,
                         tie_word_embeddings=True, bos_token_id=0, eos_token_id=1)
    model = LlamaForCausalLM(config).to(device)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(SEED)
    best, kept = math.inf, None
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        model.train()
        windows = batch(train, BATCH, generator).to(device)
        loss = model(input_ids=windows, labels=windows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 49:
            model.eval()
            now = held_out_loss(model, check, device)
            if step % 500 == 499:
                print(f"step {step + 1} train {loss.item():.3f} held out {now:.3f}", flush=True)
            if now < best:
                best, kept = now, {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    print(f"kept held-out loss {best:.4f} nats per token, {len(ids)} tokens")
    model.to(torch.bfloat16).cpu().save_pretrained(out, safe_serialization=True)


if __name__ == "__main__":
    main()
