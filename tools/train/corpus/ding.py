"""Pairs from the German-English dictionary of Debian's package trans-de-en.

A line is `german | german ... :: english | english ...`: the n-th segment of one side
answers the n-th of the other, `;` separates synonyms, braces and brackets annotate.
Whole sentences are worth most to a translator, so they get a source of their own
(`ding-sentence`); short phrases and nouns with their gender teach words (`ding-phrase`,
`ding-noun`), and entries marked as a specialist's (zoology, chemistry ...) are left out.

    python corpus/ding.py /usr/share/trans/de-en > ding.tsv
"""
import hashlib
import re
import sys

SPECIALIST = re.compile(
    r"\[(zool|ornith|chem|biochem|anat|geol|min|bot|mycol|pharm|jur|math|phys|techn|comp|electr|mach|"
    r"telco|statist|ling|relig|hist|mil|fin|econ|adm|pol|constr|textil|print|biol|med|photo|astron|"
    r"meteo|agr|geogr|psych|phil|envir|aviat|naut|insur|vulg|slang|obs|poet|altertümlich|veraltet)\.?\]", re.I)
ANNOTATION = re.compile(r"\{[^}]*\}|\[[^\]]*\]|<[^>]*>|\s/[^/]{1,30}/(?=\s|$)")
SHORT = {"etw.": "etwas", "jdn.": "jemanden", "jdm.": "jemandem", "jds.": "jemandes", "jd.": "jemand",
         "sth.": "something", "sb.": "someone", "sb.'s": "someone's", "o.s.": "oneself"}
ARTICLES = {"m": ("der", "ein"), "f": ("die", "eine"), "n": ("das", "ein")}


def plain(text):
    """Without annotations and abbreviations; of `this/that` the first."""
    text = ANNOTATION.sub(" ", text.replace("’", "'"))
    text = re.sub(r"\([^)]*\)", " ", text)
    text = re.sub(r"([\w'-]+)(?:/[\w'-]+)+", r"\1", text)
    text = " ".join(SHORT.get(word, word) for word in text.split())
    return re.sub(r"\s+([.,!?;:])", r"\1", text).strip()


def sentences(german, english):
    """The pair, if both segments are whole sentences; the first of several wordings."""
    def first(text):
        parts = [p.strip() for p in text.split(";")]
        return parts[0] if all(p.endswith((".", "!", "?")) for p in parts) else text
    german, english = plain(first(german)), plain(first(english))
    ends = german[-1:] in ".!?" and english[-1:] in ".!?" and german and english
    if ends and english[0].isupper() and " " in english and " / " not in german + english:
        if not re.search(r"\b(etwas|jemand\w*)\.$", german):
            return german, english


def article(german, english, gender):
    """A noun with an article that a hash picks (the same at every run), or bare."""
    definite, indefinite = ARTICLES[gender]
    pick = hashlib.sha1(english.encode()).digest()[0] % 3
    if pick == 0:
        return f"{definite} {german}", f"the {english}"
    if pick == 1:
        an = "an" if english[0] in "aeiou" else "a"
        return f"{indefinite} {german}", f"{an} {english}"
    return german, english


def entry(german, english, whole):
    """A word or phrase: its first wording on either side."""
    if SPECIALIST.search(whole):
        return None
    gender = re.match(r"[^;]*?\{([mfn])\}", german)
    german, english = plain(german.split(";")[0]), plain(english.split(";")[0])
    if not german or not english or "/" in german + english or not 1 <= len(english.split()) <= 8:
        return None
    if gender and len(german.split()) == 1 and german[0].isupper():
        if len(english.split()) <= 3 and english[0].islower():
            return ("ding-noun", *article(german, english, gender[1]))
        return None
    if english.startswith("to ") or (len(english.split()) > 1 and len(german.split()) > 1):
        return "ding-phrase", german, english
    if "{adj}" in whole or "{adv}" in whole:
        return "ding-phrase", german, english
    return None


def main(path):
    for line in open(path, encoding="utf-8"):
        if line.startswith("#") or " :: " not in line:
            continue
        left, right = (side.strip().split(" | ") for side in line.rstrip("\n").split(" :: ", 1))
        if len(left) != len(right):
            continue
        for german, english in zip(left, right):
            pair = sentences(german, english)
            if pair:
                print("ding-sentence", pair[1], pair[0], sep="\t")
                continue
            found = entry(german, english, line)
            if found:
                print(found[0], found[2], found[1], sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
