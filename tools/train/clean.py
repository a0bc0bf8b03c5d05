"""Clean raw pairs (TSV: kind, source, target) and count what every filter drops.

    python clean.py raw/*.tsv --out clean.tsv --report counts.md

The filters, in order: empty or identical; not sentences (no letters, other alphabets); too long;
lengths that do not match; signs that the tokenizer should not spend pieces on; doubled sources (a
kind in MANY keeps two references, every other one). A source that a better kind gave (the order
of kinds on the command line's files) is not taken again from a worse one."""
import argparse
import collections
import re
import string
import unicodedata

MANY = {"tatoeba": 2}
LONGEST = 320
# With what placeholders, paths, tags and amounts in interface texts are written with.
SIGNS = string.ascii_letters + string.digits + " äöüÄÖÜßé" + ".,:;!?'\"()-–/%+€„“" + "{}[]<>$&@#*_=|\\~°£²×"
STEPS = ["raw", "empty or identical", "no words", "too long", "lengths differ", "unknown signs", "doubled", "kept"]


def normal(text):
    """The key that tells sources apart: case, punctuation and spaces do not count."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(re.sub(r"[^\w' ]", " ", text).split())


def typography(source, target):
    """Signs as the two languages write them, in the forms that the tokenizer knows."""
    source, target = (re.sub(r"\s*—\s*", " – ", t.replace("’", "'").replace("‘", "'")) for t in (source, target))
    source = " ".join(source.translate(str.maketrans("“”„»«", '"' * 5)).split())
    target = " ".join(target.translate(str.maketrans("”»«‚", "“„“'")).split())
    target = re.sub(r'"([^"]*)"', r"„\1“", target)
    return source.strip("*•- "), re.sub(r"\s+([.,!?;:])", r"\1", target).strip("*•- ")


def verdict(source, target, signs):
    """The filter that drops the pair, or None."""
    if not source or not target or source == target or (source.lower() == target.lower() and len(source) > 12):
        return "empty or identical"
    letters = sum(map(str.isalpha, source)), sum(map(str.isalpha, target))
    if min(letters) < 2 or min(letters[0] / len(source), letters[1] / len(target)) < 0.5:
        return "no words"
    if max(len(source), len(target)) > LONGEST:
        return "too long"
    if not 0.4 < (len(source) + 10) / (len(target) + 10) < 2:
        return "lengths differ"
    if not signs.issuperset(unicodedata.normalize("NFKC", source + target)):
        return "unknown signs"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("raw", nargs="+")
    parser.add_argument("--signs", default=SIGNS, help="what the two languages are written with")
    parser.add_argument("--out", required=True)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    signs = set(args.signs)
    rows = []
    for path in args.raw:
        for line in open(path, encoding="utf-8"):
            fields = line.rstrip("\n").split("\t")
            if len(fields) >= 3:
                rows.append((fields[0], *typography(fields[1], fields[2])))
    counts = collections.defaultdict(collections.Counter)
    seen, owner = collections.Counter(), {}
    pairs = set()
    with open(args.out, "w", encoding="utf-8") as out:
        for kind, source, target in rows:
            counts[kind]["raw"] += 1
            why = verdict(source, target, signs)
            key = normal(source)
            if why is None:
                first = owner.setdefault(key, kind)
                if first != kind or seen[key] >= MANY.get(kind, 1) or (key, target) in pairs:
                    why = "doubled"
            if why is None:
                seen[key] += 1
                pairs.add((key, target))
                print(kind, source, target, sep="\t", file=out)
            counts[kind][why or "kept"] += 1
    with open(args.report, "w", encoding="utf-8") as out:
        print("| kind | " + " | ".join(STEPS) + " |\n|---" * 1 + "|---:" * len(STEPS) + "|", file=out)
        for kind, count in counts.items():
            print(f"| {kind} | " + " | ".join(f"{count[s]:,}" for s in STEPS) + " |", file=out)


if __name__ == "__main__":
    main()
