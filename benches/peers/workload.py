"""What every engine is given: the same sources, so many new tokens, no end before; and how a peer talks with compare.py.

A peer reads a JSON object a line, {"batch_size": 8}, generates for so many sources, and answers each with
{"seconds": ..., "token_ids": [[...], ...]}. Before the first it says {"versions": {...}, "device": ...}.
"""

import argparse
import json
import os
import sys
import time

END = 1


def source(row, length, vocab_size):
    """As src/cli/bench/run.rs makes them: a source that differs from row to row, `</s>` at its end."""
    words = max(vocab_size * 9 // 10 - 3, 1)
    ids = [min(3 + (row * 7919 + i * 104_729) % words, vocab_size - 1) for i in range(length - 1)]
    return ids + [END]


def sources(batch_size, length, model):
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        vocab_size = json.load(file)["vocab_size"]
    return [source(row, length, vocab_size) for row in range(batch_size)]


def arguments(variants):
    """The command line that every peer takes; `variants` are its names for dtype and mode."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="directory with the weights and a tokenizer")
    parser.add_argument("--variant", required=True, choices=variants)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--source-length", type=int, default=11)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--num-beams", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def serve(generate, args, versions, device):
    """Answers requests until stdin ends. `generate(sources)` returns token ids; its first call a batch size is not timed."""
    # Whatever libraries print goes to stderr: stdout is for answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(message):
        print(json.dumps(message), file=answers, flush=True)

    answer({"versions": versions, "device": device})
    warm = set()
    for line in sys.stdin:
        batch_size = json.loads(line)["batch_size"]
        batch = sources(batch_size, args.source_length, args.model)
        if batch_size not in warm:
            generate(batch)
            warm.add(batch_size)
        begin = time.perf_counter()
        token_ids = generate(batch)
        seconds = time.perf_counter() - begin
        lengths = {len(ids) for ids in token_ids}
        if lengths != {args.new_tokens}:
            sys.exit(f"asked for {args.new_tokens} new tokens, got {sorted(lengths)}")
        answer({"seconds": seconds, "token_ids": token_ids})
