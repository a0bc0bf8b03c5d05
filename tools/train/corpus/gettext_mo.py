"""Pairs from the compiled message catalogues (.mo) under a folder of unpacked packages.

    python corpus/gettext_mo.py FOLDER corpus/packages.txt > gettext.tsv

packages.txt names the packages that may be used, their kind (game or app) and licence: the
weights can be given away only under what all of them allow. FOLDER/PACKAGE is one unpacked."""
import pathlib
import sys

import polib

from text import align


def main(folder, listing, language="de"):
    for line in open(listing, encoding="utf-8"):
        if not line.strip() or line.startswith("#"):
            continue
        package, kind = line.split()[:2]
        for path in sorted(pathlib.Path(folder, package).rglob(f"{language}/LC_MESSAGES/*.mo")):
            if path.is_symlink() or path.stat().st_size < 100:
                continue
            for message in polib.mofile(str(path)):
                if message.msgid_plural:
                    forms = [(message.msgid, message.msgstr_plural.get(0, "")),
                             (message.msgid_plural, message.msgstr_plural.get(1, ""))]
                else:
                    forms = [(message.msgid, message.msgstr)]
                for english, german in forms:
                    for a, b in align(english, german):
                        print(kind, a, b, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
