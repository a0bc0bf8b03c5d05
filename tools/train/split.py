"""Part clean pairs into training, validation and held-out sets, by source.

    python split.py clean.tsv --out DIR [--never FILE ...]

A source's sha1 decides, so the same source falls on the same side at every run, whatever else
is in the corpus. `--never` names files of sentences in either language (one a line) that must not be
trained on, nor any of four words and more that is one of them but for a word. What is held out is so
for both directions: a pair whose target is that of a held-out source is not trained on either, and
held-KIND-back.tsv has the same sentences from the second language to the first."""
import argparse
import collections
import hashlib
import pathlib

from clean import normal

HELD_OUT = {"tatoeba": 1000, "ding-sentence": 500, "game": 300, "app": 100}
VALIDATION = {"tatoeba": 150, "ding-sentence": 50}
PROSE = {"game", "app", "home"}


def sizes(text):
    return {kind: int(count) for kind, count in (part.split("=") for part in text.split(","))}


def rank(source):
    return hashlib.sha1(normal(source).encode()).hexdigest()


class Never:
    """Sources that must not be trained on."""

    def __init__(self, sources):
        self.sources = {normal(source) for source in sources}
        self.blurred = {key for source in self.sources for key in self.blur(source)}

    @staticmethod
    def blur(source):
        """With any word unread, or one more: sentences that differ in a word have one of these in common."""
        words = source.split()
        if len(words) >= 4:
            for i in range(len(words)):
                yield (*words[:i], "*", *words[i + 1:])
            for i in range(len(words) + 1):
                yield (*words[:i], "*", *words[i:])

    def __contains__(self, source):
        source = normal(source)
        return source in self.sources or not self.blurred.isdisjoint(self.blur(source))


def write_back(path, pairs):
    """The pairs turned round: a target is the source now, and may have several references."""
    sources = collections.defaultdict(list)
    for source, target in pairs:
        sources[target].append(source)
    path.write_text("".join("\t".join((target, *references)) + "\n" for target, references in sources.items()), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clean")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--never", nargs="*", default=[])
    parser.add_argument("--held", type=sizes, default=HELD_OUT, help="kind=sources,... to hold out")
    parser.add_argument("--check", type=sizes, default=VALIDATION, help="kind=sources,... to validate with")
    args = parser.parse_args()
    never = Never(line for path in args.never for line in open(path, encoding="utf-8"))
    kinds = collections.defaultdict(lambda: collections.defaultdict(list))
    dropped = 0
    for line in open(args.clean, encoding="utf-8"):
        kind, source, target = line.rstrip("\n").split("\t")
        if source in never or target in never:
            dropped += 1
        else:
            kinds[kind][rank(source)].append((source, target))
    args.out.mkdir(parents=True, exist_ok=True)
    train, valid = (open(args.out / name, "w", encoding="utf-8") for name in ("train.tsv", "valid.tsv"))
    out_of_reach = set()
    for kind, sources in kinds.items():
        held, checked = args.held.get(kind, 0), args.check.get(kind, 0)
        # Of catalogues only sources of some length: a menu entry says little about translation.
        order = sorted(r for r, pairs in sources.items() if kind not in PROSE or len(pairs[0][0].split()) >= 5)
        test, check = set(order[:held]), set(order[held:held + checked])
        with open(args.out / f"held-{kind}.tsv", "w", encoding="utf-8") if held else open("/dev/null", "w") as out:
            for r in order[:held]:
                print(sources[r][0][0], *(t for _, t in sources[r]), sep="\t", file=out)
        if held:
            write_back(args.out / f"held-{kind}-back.tsv", (pair for r in order[:held] for pair in sources[r]))
        for r in order[held:held + checked]:
            print(*sources[r][0], sep="\t", file=valid)
        out_of_reach |= {normal(target) for r in test | check for _, target in sources[r]}
        for r in test | check:
            del sources[r]
        print(f"{kind}: {len(test):,} sources held out, {len(check)} to validate")
    for kind, sources in kinds.items():
        pairs = [pair for pairs in sources.values() for pair in pairs]
        kept = [(kind, *pair) for pair in pairs if normal(pair[1]) not in out_of_reach]
        for row in kept:
            print(*row, sep="\t", file=train)
        print(f"{kind}: {len(kept):,} pairs to train on, {len(pairs) - len(kept):,} dropped for a held-out target")
    print(f"{dropped} pairs dropped that must not be trained on, or all but one word of a side")


if __name__ == "__main__":
    main()
