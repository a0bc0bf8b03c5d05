"""Grow a T5's encoder (and decoder) by layers that do nothing yet.

    python grow.py SMALL --encoder 8 --decoder 2 --out LARGER

A new layer is a copy of the one below it whose output projections (`o` of the attention, `wo` of
the feed-forward) are zero. T5's layers add to a residual stream, so such a layer adds nothing: the
larger model starts out computing what the small one does, and training goes on from there."""
import argparse
import copy
import pathlib
import shutil

import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

RELATIVE = "layer.0.SelfAttention.relative_attention_bias.weight"


def places(old, new):
    """For every new layer: which old one it comes from, and whether it is that one itself.
    The copies are spread evenly between the old layers."""
    if new < old:
        raise SystemExit(f"cannot grow {old} layers to {new}")
    times = [new // old + (i < new % old) for i in range(old)]
    return [(i, n == 0) for i in range(old) for n in range(times[i])]


def grown(stack, new):
    layers = torch.nn.ModuleList()
    for index, (source, itself) in enumerate(places(len(stack), new)):
        layer = copy.deepcopy(stack[source])
        if not itself:
            for name, weight in layer.named_parameters():
                if name.endswith((".o.weight", ".wo.weight")):
                    torch.nn.init.zeros_(weight)
        if index and hasattr(layer.layer[0].SelfAttention, "relative_attention_bias"):
            del layer.layer[0].SelfAttention.relative_attention_bias  # the first layer's serves all
        layers.append(layer)
    return layers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("small")
    parser.add_argument("--encoder", type=int, default=8)
    parser.add_argument("--decoder", type=int, default=2)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    small = T5ForConditionalGeneration.from_pretrained(args.small, dtype=torch.float32)
    config = copy.deepcopy(small.config)
    config.num_layers, config.num_decoder_layers = args.encoder, args.decoder
    config.dtype = "float32"
    large = T5ForConditionalGeneration(config)
    state = {k: v for k, v in small.state_dict().items() if ".block." not in k}
    for part, count in (("encoder", args.encoder), ("decoder", args.decoder)):
        stack = grown(getattr(small, part).block, count)
        state.update({f"{part}.block.{k}": v for k, v in stack.state_dict().items()})
    large.load_state_dict(state)
    tokenizer = AutoTokenizer.from_pretrained(args.small)
    batch = tokenizer(["translate English to German: The house is wonderful."], return_tensors="pt")
    start = torch.tensor([[config.decoder_start_token_id, 3, 4, 5]])
    with torch.no_grad():
        one, two = (m.eval()(**batch, decoder_input_ids=start).logits for m in (small, large))
    print(f"{sum(p.numel() for p in large.parameters()):,} parameters; logits differ by at most {(one - two).abs().max():.2e}")
    large.generation_config = small.generation_config
    large.save_pretrained(args.out)
    for name in ("tokenizer.json", "tokenizer_config.json", "spiece.model"):
        if (pathlib.Path(args.small) / name).exists():
            shutil.copyfile(pathlib.Path(args.small) / name, pathlib.Path(args.out) / name)


if __name__ == "__main__":
    main()
