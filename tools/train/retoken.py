"""Give a tokenizer the signs that it lacks, in place of the pieces it uses least.

    python retoken.py MODEL corpus.tsv --signs '47X()Ö' --out MODEL2

A small vocabulary learned from a small corpus misses signs (a digit!) that a larger corpus needs.
Renaming a piece keeps every number in its place, so the model's weights stay valid: only words that
were cut with a lost piece are cut otherwise. tokenizer.json and spiece.model are changed alike."""
import argparse
import collections
import json
import pathlib
import shutil

from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("corpus", help="TSV: kind, source, target")
    parser.add_argument("--signs", default='47XÖ()"–;%&+=é€$/')
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    unknown = tokenizer.unk_token_id
    lacking = [s for s in args.signs if unknown in tokenizer(s, add_special_tokens=False).input_ids]
    used = collections.Counter()
    for line in open(args.corpus, encoding="utf-8"):
        for text in line.rstrip("\n").split("\t")[1:]:
            used.update(tokenizer(text, add_special_tokens=False).input_ids)
    fast = json.loads((args.model / "tokenizer.json").read_text())
    proto = sentencepiece_model_pb2.ModelProto.FromString((args.model / "spiece.model").read_bytes())
    vocabulary = fast["model"]["vocab"]
    # A single character is never taken away, nor what is not an ordinary piece; digits and signs
    # get the score of a rare character, so that every longer piece goes before them.
    ordinary = [i for i, p in enumerate(proto.pieces) if p.type == 1 and len(p.piece.strip("▁")) > 1]
    lowest = min(p.score for p in proto.pieces if p.type == 1)
    rarest = sorted(ordinary, key=lambda i: used[i])[:len(lacking)]
    for sign, number in zip(lacking, rarest):
        assert vocabulary[number][0] == proto.pieces[number].piece
        print(f"{number}: {proto.pieces[number].piece} (used {used[number]} times) becomes {sign}")
        vocabulary[number] = [sign, lowest]
        proto.pieces[number].piece, proto.pieces[number].score = sign, lowest
    shutil.copytree(args.model, args.out, dirs_exist_ok=True)
    (args.out / "tokenizer.json").write_text(json.dumps(fast, ensure_ascii=False))
    (args.out / "spiece.model").write_bytes(proto.SerializeToString())


if __name__ == "__main__":
    main()
