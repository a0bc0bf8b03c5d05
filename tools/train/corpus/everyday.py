"""English-German sentences of everyday talk, composed from hand-written patterns.

    python everyday.py --count 80000 > everyday.tsv

composed.py describes scenes; what people say to each other (asking the way, ordering, making
appointments, excusing, comparing, reporting) has other forms, and a translator must have seen each of
them. The folder everyday/ holds what was written for it: words by kind, verb phrases, patterns of
sentences, and fixed expressions; its README says how they are written. This program inflects: German
verbs by person and tense, articles and adjectives by gender and case, English verbs and plurals. Both
languages are filled from the same choice. No pattern gives more than its share of the output."""
import argparse
import pathlib
import random
import re
import sys

from composed import DER, EIN, STRONG, WEAK, an
from inflect import english_verb, german_verb, plural_of
from amounts import AMOUNTS

CASES = {"1": "nom", "3": "dat", "4": "acc"}
DIES = {"nom": {"m": "er", "f": "e", "n": "es", "p": "e"}, "acc": {"m": "en", "f": "e", "n": "es", "p": "e"},
        "dat": {"m": "em", "f": "er", "n": "em", "p": "en"}}
ER = {"nom": {"m": "er", "f": "sie", "n": "es", "p": "sie"}, "acc": {"m": "ihn", "f": "sie", "n": "es", "p": "sie"},
      "dat": {"m": "ihm", "f": "ihr", "n": "ihm", "p": "ihnen"}}
# person: German accusative, dative, reflexive accusative, dative; possessive; English object, possessive, reflexive
FORMS = {"ich": ("mich", "mir", "mich", "mir", "mein", "me", "my", "myself"), "du": ("dich", "dir", "dich", "dir", "dein", "you", "your", "yourself"),
         "Sie": ("Sie", "Ihnen", "sich", "sich", "Ihr", "you", "your", "yourself"), "er": ("ihn", "ihm", "sich", "sich", "sein", "him", "his", "himself"),
         "sie": ("sie", "ihr", "sich", "sich", "ihr", "her", "her", "herself"), "wir": ("uns", "uns", "uns", "uns", "unser", "us", "our", "ourselves"),
         "ihr": ("euch", "euch", "euch", "euch", "euer", "you", "your", "yourselves"),
         "pl": ("sie", "ihnen", "sich", "sich", "ihr", "them", "their", "themselves")}
PERSON = {"ich": "1s", "du": "2s", "er": "3s", "sie": "3s", "wir": "1p", "ihr": "2p", "Sie": "3p", "pl": "3p"}
PRONOUN = {"ich": ("I", "ich"), "du": ("you", "du"), "Sie": ("you", "Sie"), "er": ("he", "er"), "sie": ("she", "sie"),
           "wir": ("we", "wir"), "ihr": ("you", "ihr"), "pl": ("they", "sie")}
AGREE = {"be": ("am", "is", "are"), "was": ("was", "was", "were"), "have": ("have", "has", "have"), "do": ("do", "does", "do")}
JOINED = {"zu dem": "zum", "zu der": "zur", "in dem": "im", "in das": "ins", "an dem": "am", "an das": "ans", "von dem": "vom", "bei dem": "beim"}
SHORT = [(r"\b([Dd]o|[Dd]oes|[Dd]id|[Ii]s|[Aa]re|[Ww]as|[Ww]ere|[Hh]as|[Hh]ave|[Cc]ould|[Ss]hould|[Ww]ould) not\b", r"\1n't"),
         (r"\b([Cc])annot\b", r"\1an't"), (r"\b([Ww])ill not\b", r"\1on't"), (r"\bI am (?=\w)", "I'm "), (r"\b([Ii]t|[Tt]hat|[Hh]e|[Ss]he) is (?=\w)", r"\1's "),
         (r"\b([Ww]e|[Yy]ou|[Tt]hey) are (?=\w)", r"\1're "), (r"\b(I|[Ww]e|[Yy]ou|[Hh]e|[Ss]he|[Tt]hey) will (?=\w)", r"\1'll "),
         (r"\b(I|[Ww]e|[Yy]ou) have (?=(been|already|never|just|not)\b)", r"\1've "), (r"\b(What|Where) is (?=\w)", r"\1's "), (r"\bI would (?=like)", "I'd ")]


class Words:
    """Everything in the folder: lists by kind, patterns, fixed phrases."""

    def __init__(self, folder):
        self.lists, self.patterns, self.phrases = {}, [], []
        for path in sorted(folder.glob("*.txt")):
            section = None
            for line in path.read_text(encoding="utf-8").splitlines():
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                if line.startswith("["):
                    section = line[1:-1]
                elif section.startswith("say"):
                    self.patterns.append((section[3:].strip(), *(side.strip() for side in line.split(" = "))))
                elif section == "phrases":
                    self.phrases.append(tuple(side.strip() for side in line.split(" = ")))
                else:
                    separator = " = " if " = " in line else "="
                    for item in line.rstrip(";").split(";"):
                        self.add(section, [side.strip() for side in item.split(separator)])

    def add(self, section, sides):
        entries = self.lists.setdefault(section, [])
        if sides[0].startswith("@"):
            entries.extend(self.lists[sides[0][1:]])
            return
        english, german = sides
        noun = re.fullmatch(r"(.+) ([mfnp])(\*?)(?: (\S+))?", german)
        if not noun or section == "subject":
            entries.append({"en": english, "de": german})
            return
        single, _, several = english.partition("/")
        word, gender, weak, many = noun.groups()
        many = None if many is None else word + many[1:] if many.startswith("-") else many
        entries.append({"en": single, "ens": several or plural_of(single), "de": word, "g": gender, "pl": many, "obl": many if weak else word})


class Sentence:
    """One pattern being filled: the same choices on both sides."""

    def __init__(self, words, rng, head):
        self.words, self.rng, self.chosen, self.head = words, rng, {}, dict(part.split(":") for part in head.split())
        subject = self.pick("who", self.head.get("who", "subject"))
        german, self.key = subject["de"].rsplit(" ", 1)
        self.who = {"en": subject["en"], "de": german}
        options = [k for k in ("ich", "du", "Sie", "er", "sie", "wir", "pl") if k != self.key]
        if self.key in ("ich", "wir"):
            options = [k for k in options if k not in ("ich", "wir")]
        if FORMS[self.key][5] == "you":
            options = [k for k in options if FORMS[k][5] != "you"]
        self.other = rng.choice(options)
        self.phrase = None
        if "do" in self.head:
            self.phrase = rng.choice(self.words.lists[self.head["do"]])

    def pick(self, name, kind=None):
        if name not in self.chosen:
            kind = kind or name.rstrip("0123456789")
            if kind in AMOUNTS:
                english, german = AMOUNTS[kind](self.rng)
                self.chosen[name] = {"en": english, "de": german}
            else:
                taken = [self.chosen[n]["en"] for n in self.chosen if n.rstrip("0123456789") == kind]
                self.chosen[name] = self.rng.choice([e for e in self.words.lists[kind] if e["en"] not in taken])
        return self.chosen[name]

    def english(self, text):
        return re.sub(r"\{([^}]+)\}", lambda m: self.english_slot(m[1]), text)

    def english_slot(self, slot):
        key, form = self.key, {"1s": 0, "3s": 1}.get(PERSON[self.key], 2)
        if slot == "S":
            return self.who["en"]
        if slot == "s":
            return PRONOUN[key][0]
        if slot in ("me", "my", "myself"):
            return FORMS[key][{"me": 5, "my": 6, "myself": 7}[slot]]
        if slot == "obj":
            return FORMS[self.other][5]
        if slot in AGREE:
            return AGREE[slot][form]
        what, _, names = slot.rpartition(":")
        if what == "e":
            return english_verb(names, "s") if form == 1 else names
        if slot[0] == "V":
            wanted = names if what else "base"
            verb, _, rest = self.phrase["en"].partition(" ")
            wanted = ("s" if form == 1 else "base") if wanted == "now" else wanted
            return f"{english_verb(verb, wanted)} {self.english(rest)}".strip()
        *adjectives, last = [self.pick(name) for name in names.split()]
        noun = last["ens"] if what == "pl" else last["en"]
        text = " ".join([a["en"] for a in adjectives] + [noun])
        return an(text) if what == "a" else text

    def german(self, text, no=False):
        return re.sub(r"\{([^}]+)\}", lambda m: self.german_slot(m[1], no), text)

    def middle(self, adverb):
        """The verb phrase before its verb: (pronouns that come first, the rest with an adverb at its place)."""
        before = self.phrase["de"].rpartition(" ")[0]
        vague = re.search(r"\{(ein|ohne)", before)
        if vague and adverb and adverb not in ("nicht", "nicht mehr", "noch nicht"):
            before = before.replace("~", "") if "~" in before else before
            before = re.sub(r"^((\{(refl|obj)[34]\} )?)", rf"\1{adverb} ", before)
        if "~" not in before:
            before += " ~"
        words = before.replace("~", "" if vague else adverb).split(" ")
        first = [w for w in words[:1] if re.fullmatch(r"\{(refl|obj)[34]\}|es", w)]
        rest = self.german(" ".join(words[len(first):]), bool(vague and adverb in ("nicht", "nicht mehr", "noch nicht")))
        if vague and adverb in ("nicht mehr", "noch nicht"):
            rest = f"{rest} mehr" if adverb == "nicht mehr" else f"noch {rest}"
        return self.german(" ".join(first)), rest

    def german_slot(self, slot, no):
        key = self.key
        if slot == "S":
            return self.who["de"]
        if slot == "s":
            return PRONOUN[key][1]
        if slot in ("S4", "S3", "refl4", "refl3"):
            return FORMS[key][{"S4": 0, "S3": 1, "refl4": 2, "refl3": 3}[slot]]
        if slot in ("obj4", "obj3"):
            return FORMS[self.other][slot == "obj3"]
        if slot in ("first", "rest", "not") or slot.startswith("mid:"):
            slot = f"mid:{self.pick(slot[5:])['de']}" if "@" in slot else slot
            return self.middle({"not": "nicht"}.get(slot, slot[4:] if slot.startswith("mid:") else ""))[slot != "first"]
        if slot == "will":
            return german_verb("werden", "fin", PERSON[key], key)
        if slot in ("fin", "pre", "inf", "zu", "part", "aux", "sub", "imp"):
            return german_verb(self.phrase["de"].rpartition(" ")[2], slot, PERSON[key], key)
        if slot[:2] in ("v:", "p:", "k:"):
            return german_verb(slot[2:], {"v": "fin", "p": "past", "k": "would"}[slot[0]], PERSON[key], key)
        what, _, names = slot.rpartition(":")
        if not what and "=" in slot:
            what, gender = slot.split("=")
            return self.determiner(what[:-1], CASES[what[-1]], gender, no)
        *adjectives, last = [self.pick(name) for name in names.split()]
        if not what:
            return " ".join([a["de"].partition("/")[0] for a in adjectives] + [last["de"].partition("/")[0]])
        which, case = what[:-1], CASES[what[-1]]
        plural = which.endswith("pl")
        which = which[:-2] if plural else which
        gender = "p" if plural else last["g"]
        if which == "er":
            return ER[case][gender]
        if which == "derR":  # a relative pronoun
            return DER[case][gender]
        article = self.determiner(which, case, gender, no)
        if gender == "p":
            word = plural and last["pl"] or last["de"]
            word += "n" if case == "dat" and word[-1] not in "ns" else ""
        else:
            word = last["de"] if case == "nom" else last["obl"]
        if which in ("der", "dies", "jed", "welch"):
            ending = WEAK[case][gender]
        elif gender == "p":
            ending = "en" if article else DIES[case]["p"]
        else:
            ending = STRONG[case][gender] if article else DIES[case][gender]
        return " ".join([x for x in [article] if x] + [self.bend(a["de"], ending) for a in adjectives] + [word])

    @staticmethod
    def bend(adjective, ending):
        plain, _, stem = adjective.partition("/")
        return plain[:-1] if plain.endswith("*") else (stem or plain) + ending

    def determiner(self, which, case, gender, no):
        which = {"ein": "kein" if no else "ein", "ohne": "kein" if no else "", "my": FORMS[self.key][4]}.get(which, which)
        if which == "":
            return ""
        if which == "der":
            return DER[case][gender]
        if which in ("dies", "jed", "welch"):
            return which + DIES[case][gender]
        if which == "ein" and gender == "p":
            return ""
        ending = DIES[case][gender] if gender == "p" else EIN[case][gender][3:]
        return ("eur" if which == "euer" and ending else which) + ending


def compose(words, rng, pattern):
    head, english, german = pattern
    sentence = Sentence(words, rng, head)
    try:
        one, two = sentence.english(english), sentence.german(german)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{pattern}: {sentence.phrase}: {error!r}") from error
    for pair in SHORT:
        if rng.random() < 0.55:
            one = re.sub(*pair, one)
    one, two = tidy(one), tidy(re.sub(r"(?<!, )\b((?:zu|in|an|von|bei) (?:dem|das|der)) ", lambda m: f"{JOINED.get(m[1].lower(), m[1])} ", two, flags=re.I))
    if re.search(r"\b[Yy]our?\b", one) and re.search(r"\b([Dd]u|[Dd]ich|[Dd]ir|[Dd]ein\w*)\b", two) and \
            re.search(r"(?<=[a-zäöüß,] )(Sie|Ihnen|Ihre?[nmrs]?)\b|^Ihre? (Sohn|Tochter)", two):
        return None
    return one, two


def tidy(text):
    text = re.sub(r" ([.,?!])", r"\1", " ".join(text.split()))
    text = re.sub(r"(?<=[a-zäöüß][.?!] )[a-zäöü]", lambda m: m[0].upper(), text)
    return text[0].upper() + text[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=80000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.012, help="the most that one pattern gives")
    parser.add_argument("--show", action="store_true", help="add the pattern as a fourth column")
    args = parser.parse_args()
    words, rng = Words(pathlib.Path(__file__).parent / "everyday"), random.Random(args.seed)
    seen, given, live = set(), {}, list(words.patterns)
    missed = {}

    def put(pair, pattern):
        if pair and pair[0] not in seen and len(seen) < args.count:
            seen.add(pair[0])
            print("everyday", *pair, *([pattern] if args.show else []), sep="\t")
            return True
        return False

    for pair in words.phrases:
        put(pair, "phrase")
    while len(seen) < args.count and live:
        place = rng.randrange(len(live))
        pattern = live[place]
        if put(compose(words, rng, pattern), pattern[1]):
            given[pattern], missed[pattern] = given.get(pattern, 0) + 1, 0
        else:
            missed[pattern] = missed.get(pattern, 0) + 1
        if given.get(pattern, 0) >= args.share * args.count or missed.get(pattern, 0) > 60:
            live[place] = live[-1]
            live.pop()
    print(f"{len(seen)} sentences, {len(words.patterns)} patterns ({len(live)} not exhausted), {len(words.phrases)} phrases", file=sys.stderr)


if __name__ == "__main__":
    main()
