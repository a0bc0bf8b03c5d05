"""What becomes of the tags of amazon-research/mt-markup-tags (Hanneman and Dinu 2020, CC BY 4.0) in a translation.

    git clone https://github.com/amazon-research/mt-markup-tags
    python benches/markup_tags.py target/release/t5-gpu mt-markup-tags/data/test-eurlex.en

Of the lines with tags: how many keep every tag once, how many are nested as they should be, and how many are, without their
tags, what the same line without tags becomes."""
import argparse
import collections
import html
import re
import subprocess
import sys
import time

TAG = re.compile(r"<[^<>]*>")


def translate(program, lines, *options):
    begin = time.time()
    done = subprocess.run([program, "translate", "--to", "de", "--quiet", *options], input="\n".join(lines) + "\n",
                          text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.split("\n")[:len(lines)], time.time() - begin


def is_nested(line):
    """Whether elements close in the opposite order in which they opened."""
    stack = []
    for tag in TAG.findall(line):
        name = re.match(r"</?([\w:-]+)", tag)
        if not name or tag.endswith("/>"):
            continue
        if not tag.startswith("</"):
            stack.append(name[1])
        elif not stack or stack.pop() != name[1]:
            return False
    return not stack


def plain(line):
    """The words that are left, space aside: tags may stand between a word and a space, or a sign."""
    return "".join(html.unescape(TAG.sub("", line)).split())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("source", help="a text of the set")
    parser.add_argument("--lines", type=int, help="no more than so many")
    parser.add_argument("--show", type=int, default=0, help="so many of each kind that fails")
    args = parser.parse_args()
    lines = [line for line in open(args.source, encoding="utf-8").read().splitlines() if TAG.search(line)][:args.lines]
    tagged, with_tags = translate(args.program, lines, "--format", "xml")
    alone, without = translate(args.program, [html.unescape(TAG.sub("", line)) for line in lines])
    failed = collections.defaultdict(list)
    for source, target, text in zip(lines, tagged, alone):
        if collections.Counter(TAG.findall(source)) != collections.Counter(TAG.findall(target)):
            failed["every tag once"].append((source, target))
        if is_nested(source) and not is_nested(target):
            failed["nested"].append((source, target))
        if plain(target) != "".join(text.split()):
            failed["the same words"].append((source, target, text))
    tags = sum(len(TAG.findall(line)) for line in lines)
    print(f"{len(lines)} lines with {tags} tags; {with_tags:.1f} s, without tags {without:.1f} s")
    for what in ("every tag once", "nested", "the same words"):
        bad = failed[what]
        print(f"{what}: {len(lines) - len(bad)} ({100 * (1 - len(bad) / len(lines)):.1f} %)")
        for case in bad[:args.show]:
            print("  " + "\n  ".join(case), file=sys.stderr)


if __name__ == "__main__":
    main()
