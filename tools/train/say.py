"""What a model says to a list of sources: TSV of source, greedy, 4 beams.

    python say.py MODEL everyday-100.en > everyday-100.tsv
"""
import sys

import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

from score import translate


def main(path, sources, prefix="translate English to German: "):
    lines = open(sources, encoding="utf-8").read().splitlines()
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = T5ForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    columns = [lines] + [translate(model, tokenizer, lines, beams, prefix) for beams in (1, 4)]
    for row in zip(*columns):
        print(*row, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
