"""Plain English-German sentences composed by a small grammar from a hand-written lexicon.

    python composed.py lexicon.txt --count 60000 > composed.tsv

The corpora of the archive hold few sentences about people, clothes, animals and what they do, and a
translator must have seen a word with its gender and cases to use it. So the lexicon's nouns, verbs
and adjectives are put together at random, each sentence in both languages at once: what is in a
scene (`A young man in a red shirt is holding a dog.`) and what people say of themselves and others
(`We did not buy a car.`), present, past, future, with modals, questions and negation."""
import argparse
import random
import re

EIN = {"nom": {"m": "ein", "f": "eine", "n": "ein"}, "acc": {"m": "einen", "f": "eine", "n": "ein"},
       "dat": {"m": "einem", "f": "einer", "n": "einem"}}
DER = {"nom": {"m": "der", "f": "die", "n": "das", "p": "die"}, "acc": {"m": "den", "f": "die", "n": "das", "p": "die"},
       "dat": {"m": "dem", "f": "der", "n": "dem", "p": "den"}}
STRONG = {"nom": {"m": "er", "f": "e", "n": "es", "p": "e"}, "acc": {"m": "en", "f": "e", "n": "es", "p": "e"},
          "dat": {"m": "en", "f": "en", "n": "en", "p": "en"}}
WEAK = {"nom": {"m": "e", "f": "e", "n": "e", "p": "en"}, "acc": {"m": "en", "f": "e", "n": "e", "p": "en"},
        "dat": {"m": "en", "f": "en", "n": "en", "p": "en"}}
NUMBERS = [("two", "zwei"), ("three", "drei"), ("four", "vier"), ("five", "fünf"), ("several", "mehrere"),
           ("some", "einige"), ("many", "viele"), ("two", "zwei"), ("three", "drei")]
STATES = ("need", "see", "have", "forget", "find", "lose", "visit", "learn")
PRONOUNS = [("I", "ich", 1), ("we", "wir", 0), ("they", "sie", 0), ("he", "er", 3), ("she", "sie", 3),
            ("my father", "mein Vater", 3), ("my mother", "meine Mutter", 3), ("my brother", "mein Bruder", 3),
            ("my sister", "meine Schwester", 3), ("our neighbor", "unser Nachbar", 3), ("Tom", "Tom", 3), ("Mary", "Maria", 3),
            ("my friends", "meine Freunde", 0), ("the children", "die Kinder", 0), ("her husband", "ihr Mann", 3),
            ("his wife", "seine Frau", 3), ("my parents", "meine Eltern", 0), ("the teacher", "der Lehrer", 3)]
MODALS = [("can", "kann", "können"), ("must", "muss", "müssen"), ("should", "sollte", "sollten"),
          ("may", "darf", "dürfen"), ("will", "werde", "werden"), ("will", "werde", "werden")]
SPECIAL = {"toy": ["doll", "toy", "ball"], "read": ["book", "newspaper", "letter", "map", "sign"],
           "jump": ["wall", "fence", "rock", "bench", "bridge"], "open": ["door", "window", "bottle", "box", "letter", "gift"],
           "hot": ["coffee", "tea"], "soft": ["rice", "soup", "potato", "egg", "meat"], "drinkable": ["cup", "glass", "bottle", "ticket"]}
SIZED = {"person": "age", "job": "age", "animal": "size", "wear": "color", "on": "color", "ride": "color", "drive": "color"}


def an(word):
    return ("an " if word[0].lower() in "aeiou" and not word.startswith("uni") else "a ") + word


class Lexicon:
    def __init__(self, path):
        self.nouns, self.adjectives, self.verbs, self.places, self.times = {}, {}, [], [], []
        section = None
        for line in open(path, encoding="utf-8"):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                section = line[1:-1]
            elif section == "nouns":
                kind, english, german = (part.split() for part in line.split(";"))
                self.nouns.setdefault(kind[0], []).append(([w.replace("_", " ") for w in english], german))
            elif section == "adjectives":
                kind, english, german = (part.strip() for part in line.split(";"))
                self.adjectives.setdefault(kind, []).append((english, german))
            elif section == "verbs":
                english, german, rest = line.split(";")
                parts = [tuple(s.strip() for s in c.split("=")) for c in re.split(r"\s/\s", rest.strip() if "=" in rest else "=")]
                self.verbs.append((english.split(), german.split(), [p for p in parts if len(p) == 2]))
            else:
                getattr(self, section).append(tuple(s.strip() for s in line.split("=")))
        everything = {noun[0][0]: noun for kind in self.nouns.values() for noun in kind}
        for kind, words in SPECIAL.items():
            self.nouns[kind] = [everything[w] for w in words]


class Grammar:
    def __init__(self, lexicon, seed):
        self.lexicon, self.random = lexicon, random.Random(seed)

    def adjective(self, kind, ending):
        english, stem = self.random.choice(self.lexicon.adjectives[kind])
        return english, stem[:-1] if stem.endswith("*") else stem + ending

    def noun(self, german, case, plural):
        if plural:
            form = german[2]
            return form + "n" if case == "dat" and form[-1] not in "ns" else form
        return german[3] if len(german) > 3 and case != "nom" else german[0]

    def phrase(self, kind, case, plural=None, definite=None, decorated=0.4):
        """A noun phrase: english, german, whether plural."""
        r = self.random
        english, german = r.choice(self.lexicon.nouns[kind])
        plural = (r.random() < 0.2) if plural is None else plural
        plural = plural and len(german) > 2
        definite = (r.random() < 0.25) if definite is None else definite
        gender = "p" if plural else german[1]
        if definite:
            left, right, endings = "the ", DER[case][gender] + " ", WEAK
        elif plural:
            number = r.choice(NUMBERS) if r.random() < 0.7 else ("", "")
            many = number[1] in ("mehrere", "einige", "viele") and case == "dat"
            left, right, endings = number[0] + " ", number[1] + ("n " if many else " "), STRONG
        else:
            left, right, endings = "", EIN[case][gender] + " ", STRONG if case != "dat" else WEAK
        words, worte = english[1] if plural else english[0], self.noun(german, case, plural)
        if r.random() < decorated:
            one, two = self.adjective(SIZED.get(kind, "look"), endings[case][gender])
            words, worte = f"{one} {words}", f"{two} {worte}"
        if kind in ("person", "job") and r.random() < decorated * 0.7:
            words, worte = self.dressed(words, worte)
        words = left + words if definite or plural else an(words)
        return words.strip(), (right + worte).strip(), plural

    def dressed(self, words, worte):
        r = self.random
        kind, one, two = r.choice([("wear", "in", "in"), ("wear", "wearing", "in"), ("on", "with", "mit"), ("on", "wearing", "mit")])
        a, b, _ = self.phrase(kind, "dat", plural=False, definite=False, decorated=0.85)
        return f"{words} {one} {a}", f"{worte} {two} {b}"

    def fill(self, pair):
        """A complement's slots; the same noun on both sides."""
        english, german = pair
        english = re.sub(r"\{(at|pictures)\}", lambda m: {"at": "at ", "pictures": "pictures of "}[m[1]], english)
        for case, kind in re.findall(r"\{(\w):(\w+)\}", english):
            slot = re.search(r"\{(\w):" + kind + r"\}", german)
            if case == "n":
                noun = self.random.choice(self.lexicon.nouns[kind])
                one, two = noun[0][0], noun[1][0]
            else:
                one, two, _ = self.phrase(kind, {"a": "acc", "d": "dat"}[slot[1]], decorated=0.3)
            english = english.replace(f"{{{case}:{kind}}}", one, 1)
            german = german.replace(slot[0], two, 1)
        return english, german

    def clause(self):
        r = self.random
        verb, wort, complements = r.choice(self.lexicon.verbs)
        one, two = self.fill(r.choice(complements))
        if r.random() < 0.4:
            place = r.choice(self.lexicon.places)
            if not re.search(r"\b(on|in|at|near|by|under|behind|next|front|outside|through|down|up|with)\b", one):
                one, two = f"{one} {place[0]}", f"{two} {place[1]}"
        prefix = wort[4] if len(wort) > 4 else ""
        return verb, wort, one, two, prefix

    def finite(self, wort, person):
        if person == 3:
            return wort[1]
        if person == 1:
            stem = wort[0]
            if wort[0] == "haben":
                return "habe"
            stem = re.sub(r"^(an|auf|zu)(?=sehen|treten|bereiten)", "", stem)
            return stem[:-1] if stem.endswith("en") else stem[:-2] + "le"
        return re.sub(r"^(an|auf|zu)(?=sehen|treten|bereiten)", "", wort[0])

    def scene(self):
        """What a picture shows: an indefinite subject, mostly in the progressive."""
        r = self.random
        kind = r.choice(["person", "person", "person", "job", "job", "group", "animal"])
        verb, wort, one, two, prefix = self.clause()
        if verb[0] in STATES:
            return None
        if kind == "animal" and verb[0] not in ("run", "jump", "lie", "sleep", "stand", "sit", "swim", "play", "walk"):
            kind = "person"
        if kind == "group":
            a, b, _ = self.phrase(r.choice(["person", "job"]), "dat", plural=True, definite=False, decorated=0.3)
            a, b = re.sub(r"^(two|three|four|five|several|some|many) ", "", a), re.sub(r"^(zwei|drei|vier|fünf|mehreren|einigen|vielen) ", "", b)
            a, b, plural = "a group of " + a, "eine Gruppe von " + b, False
        else:
            a, b, plural = self.phrase(kind, "nom", decorated=0.55, definite=r.random() < 0.12)
            if r.random() < 0.12 and kind != "animal":
                c, d, _ = self.phrase("person", "nom", plural=False, definite=False)
                a, b, plural = f"{a} and {c}", f"{b} und {d}", True
        person = 0 if plural else 3
        self_ = {True: "sich"}.get("!" in prefix)
        tail = " ".join(x for x in (self_, two, prefix.split("!")[-1] if prefix else "") if x)
        english = {0: f"{a} {'are' if plural else 'is'} {verb[1]} {one}", 1: f"{a} {verb[0] if plural else verb[2]} {one}",
                   2: f"{a} {verb[1]} {one}"}[r.choice([0, 0, 0, 1, 2])]
        return english, f"{b} {self.finite(wort, person)} {tail}", "."

    def said(self):
        """What people say: pronouns and relatives, tenses, modals, questions, negation."""
        r = self.random
        (a, b, person), (verb, wort, one, two, prefix) = r.choice(PRONOUNS), self.clause()
        if "!" in prefix or a == "I" and "his" in one:
            return None
        own = "is" if person == 3 else ("am" if person == 1 else "are")
        has, hat = ("has", "hat") if person == 3 else ("have", "habe" if person == 1 else "haben")
        bin_ = {3: "ist", 1: "bin", 0: "sind"}[person]
        does = "does" if person == 3 else "do"
        aux = hat if wort[3] == "hat" else bin_
        split = re.sub(r"^(an|auf|zu)$", r" \1", prefix)
        no = "kein" if re.match(r"ein(e|en)? ", two) and not re.match(r"ein(e|en)? \w+ \w+", two) else None
        nicht = "k" + two if no else f"nicht {two}" if re.match(r"(auf|in|im|am|an|mit|vor|neben|unter|bei|zu|durch|über|nach) ", two) else None
        kind = r.choice(["now", "now", "past", "past", "future", "modal", "ask", "asked", "not", "did not", "when"])
        now = f"{b} {self.finite(wort, person)} {two}{split}"
        base, stem = verb[0], wort[0]
        past = {"worn": "wore", "eaten": "ate", "drunk": "drank", "ridden": "rode", "driven": "drove", "swum": "swam", "run": "ran",
                "sung": "sang", "taken": "took", "thrown": "threw", "lain": "lay", "drawn": "drew", "written": "wrote",
                "seen": "saw", "forgotten": "forgot"}.get(verb[3], verb[3])
        if kind == "now":
            progressive = verb[0] not in STATES and r.random() < 0.5
            return f"{a} {own} {verb[1]} {one}" if progressive else f"{a} {verb[2] if person == 3 else base} {one}", now, "."
        if kind == "past":
            if verb[0] == "have":
                return f"{a} had {one}", f"{b} {'hatte' if person else 'hatten'} {two}", "."
            when = r.choice([("", "")] * 3 + [("yesterday", "gestern "), ("last week", "letzte Woche ")])
            return f"{a} {past} {one} {when[0]}", f"{b} {aux} {when[1]}{two} {wort[2]}", "."
        if kind == "future":
            when = r.choice([("", "")] * 2 + [("tomorrow", "morgen "), ("next week", "nächste Woche ")])
            will = {3: "wird", 1: "werde", 0: "werden"}[person]
            return f"{a} will {base} {one} {when[0]}", f"{b} {will} {when[1]}{two} {stem}", "."
        if kind == "modal":
            word, singular, plural = r.choice(MODALS[:4] + [("want to", "will", "wollen")])
            word = "wants to" if word == "want to" and person == 3 else word
            return f"{a} {word} {base} {one}", f"{b} {singular if person else plural} {two} {stem}", "."
        if kind == "ask":
            return f"{does} {a} {base} {one}", f"{self.finite(wort, person)} {b} {two}{split}", "?"
        if kind == "asked" and verb[0] != "have":
            return f"did {a} {base} {one}", f"{aux} {b} {two} {wort[2]}", "?"
        if kind == "not" and nicht:
            return f"{a} {does} not {base} {one}", f"{b} {self.finite(wort, person)} {nicht}{split}", "."
        if kind == "did not" and nicht and verb[0] != "have":
            return f"{a} did not {base} {one}", f"{b} {aux} {nicht} {wort[2]}", "."
        if kind == "when" and not re.search(r"\b(in|on|at|with)\b", one):
            time = r.choice(self.lexicon.times)
            return f"{a} {verb[2] if person == 3 else base} {one} {time[0]}", f"{time[1]} {self.finite(wort, person)} {b} {two}{split}", "."
        return None

    def sentence(self):
        pair = self.scene() if self.random.random() < 0.6 else self.said()
        if not pair:
            return None
        english, german = (" ".join(s.split()) for s in pair[:2])
        return english[0].upper() + english[1:] + pair[2], german[0].upper() + german[1:] + pair[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lexicon")
    parser.add_argument("--count", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    grammar, seen = Grammar(Lexicon(args.lexicon), args.seed), set()
    while len(seen) < args.count:
        pair = grammar.sentence()
        if pair and pair[0] not in seen:
            seen.add(pair[0])
            print("composed", *pair, sep="\t")


if __name__ == "__main__":
    main()
