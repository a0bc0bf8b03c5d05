"""Score models on held-out sets: chrF2 and BLEU of sacreBLEU, greedy and with 4 beams.

    python score.py MODEL [MODEL ...] --sets held-tatoeba.tsv captions.tsv [--beams 1 4] [--json FILE]

A set is a TSV: source, then one or more references. Prints a Markdown table and the signatures."""
import argparse
import json
import pathlib

import sacrebleu
import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration


def translate(model, tokenizer, sources, beams, prefix, size=64):
    """Translations in the order of the sources; batches of like length."""
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    out = [""] * len(sources)
    for start in range(0, len(order), size):
        some = order[start:start + size]
        batch = tokenizer([prefix + sources[i] for i in some], padding=True, return_tensors="pt")
        with torch.no_grad():
            tokens = model.generate(**batch, num_beams=beams, max_new_tokens=128, early_stopping=beams > 1)
        for i, text in zip(some, tokenizer.batch_decode(tokens, skip_special_tokens=True)):
            out[i] = text
    return out


def read(path, limit):
    rows = [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8")][:limit]
    most = max(len(row) for row in rows) - 1
    references = [[row[1 + n] if len(row) > 1 + n else None for row in rows] for n in range(most)]
    return [row[0] for row in rows], references


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--prefix", default="translate English to German: ")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=pathlib.Path, help="folder for the translations")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    signatures = set()
    print("| set | model | beams | chrF2 | BLEU |\n|---|---|---:|---:|---:|")
    for path in args.models:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = T5ForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
        for name in args.sets:
            sources, references = read(name, args.limit)
            for beams in args.beams:
                out = translate(model, tokenizer, sources, beams, args.prefix)
                chrf, bleu = sacrebleu.CHRF(), sacrebleu.BLEU()
                one, two = chrf.corpus_score(out, references), bleu.corpus_score(out, references)
                signatures |= {f"chrF2: {chrf.get_signature()}", f"BLEU: {bleu.get_signature()}"}
                print(f"| {pathlib.Path(name).stem} | {pathlib.Path(path).name} | {beams} | {one.score:.1f} | {two.score:.1f} |", flush=True)
                if args.output:
                    args.output.mkdir(parents=True, exist_ok=True)
                    (args.output / f"{pathlib.Path(path).name}-{pathlib.Path(name).stem}-{beams}.txt").write_text("\n".join(out) + "\n")
    print("", *sorted(signatures), sep="\n")


if __name__ == "__main__":
    main()
