"""Check written pairs before they are trained on: form, signs, doubles, and what must never be learnt.

    python corpus/check.py corpus/written/*.txt --never everyday-100.en letters-100.* multi30k/test_2016_flickr.?? \
      --known tatoeba-en-de.tsv [--mend]

A line is `English = German`, with one ` = `. Told are: lines of another form, pairs that clean.py would
drop, sources given twice, pairs that a corpus at hand (--known) has, and pairs whose English or German is
on a held-out list or differs from one there by a word. --mend takes the told lines out of the files."""
import argparse
import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from clean import SIGNS, normal, typography, verdict
from split import Never


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--never", nargs="*", default=[])
    parser.add_argument("--known", nargs="*", default=[], help="TSV: source, target")
    parser.add_argument("--mend", action="store_true")
    args = parser.parse_args()
    never = Never(line for path in args.never for line in open(path, encoding="utf-8"))
    known = {normal(line.split("\t")[0]) for path in args.known for line in open(path, encoding="utf-8")}
    seen, told = {}, collections.Counter()
    for path in args.files:
        lines, kept = path.read_text(encoding="utf-8").splitlines(), []
        for number, line in enumerate(lines, 1):
            source, _, target = line.partition(" = ")
            key = normal(source)
            if line.count(" = ") != 1 or line != line.strip():
                why = "not one ` = `"
            elif dropped := verdict(*typography(source, target), set(SIGNS)):
                why = dropped
            elif source in never or target in never:
                why = "held out"
            elif key in known:
                why = "known"
            elif key in seen:
                why = "doubled"
            else:
                seen[key] = f"{path.name}:{number}"
                kept.append(line)
                continue
            told[why] += 1
            print(f"{path.name}:{number}: {why}{' ' + seen[key] if why == 'doubled' else ''}: {line}")
        if args.mend and len(kept) < len(lines):
            path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    print(f"{len(seen):,} pairs in order;", *(f"{count} {why}" for why, count in told.items()))


if __name__ == "__main__":
    main()
