"""Pairs from the archive's package descriptions: its Translation-en and Translation-de
indices (decompressed), matched by the checksum of the English text.

    python corpus/descriptions.py Translation-en Translation-de > descriptions.tsv
"""
import re
import sys

from text import align


def read(path, language):
    """Checksum to description, its first line and its paragraphs as blocks."""
    out = {}
    for stanza in open(path, encoding="utf-8").read().split("\n\n"):
        sum_ = re.search(r"^Description-md5: (\w+)", stanza, re.M)
        body = re.search(rf"^Description-{language}: (.*(?:\n .*)*)", stanza, re.M)
        if sum_ and body:
            out[sum_[1]] = body[1]
    return out


def blocks(text):
    """The title, then prose paragraphs; indented and listed lines are left out."""
    lines = text.split("\n")
    rest = [p for p in re.split(r"\n \.\n", "\n".join(lines[1:])) if not re.search(r"^ ( |\*|-)", p, re.M)]
    return [lines[0]] + rest


def main(english, german):
    left, right = read(english, "en"), read(german, "de")
    for key in sorted(left.keys() & right.keys()):
        one, two = blocks(left[key]), blocks(right[key])
        if len(one) == len(two):
            for a, b in zip(one, two):
                for x, y in align(a.replace("\n", " "), b.replace("\n", " ")):
                    print("description", x, y, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
