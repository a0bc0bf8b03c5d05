"""Plain English-German sentences composed by a small grammar from a hand-written lexicon.

    python composed.py lexicon.txt captions.txt --count 60000 > composed.tsv

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
OWN = {"I": "my", "we": "our", "she": "her", "Mary": "her", "my mother": "her", "my sister": "her", "his wife": "her"}
MODALS = [("can", "kann", "können"), ("must", "muss", "müssen"), ("should", "sollte", "sollten"),
          ("may", "darf", "dürfen"), ("will", "werde", "werden"), ("will", "werde", "werden")]
SPECIAL = {"toy": "doll,toy,ball", "read": "book,newspaper,letter,map,sign", "jump": "wall,fence,rock,bench,bridge",
           "open": "door,window,bottle,box,letter,gift", "hot": "coffee,tea", "soft": "rice,soup,meat",
           "drinkable": "cup,glass,bottle,ticket", "pet": "dog,dog,cat,puppy,rabbit,horse", "dog": "dog", "truck": "truck,car,van,boat",
           "cover": "tree,wall,fence,car,building,door", "kid": "boy,girl,child", "peel": "apple,banana,orange,potato,carrot",
           "gift": "gift,flower,balloon,toy,book", "bird": "bird,duck,pigeon"}
SIZED = {"person": "age", "job": "job", "animal": "size", "wear": "color", "fwear": "color", "on": "color", "mon": "color", "ride": "color",
         "drive": "color", "pet": "size", "dog": "size", "kid": "age", "boat": "color", "food": "size of food"}
OFTEN = {"seat": 0.04, "by": 0.06, "jump": 0.03, "cover": 0.03, "drive": 0.1, "ride": 0.1, "boat": 0.03}
FEMALE = ("woman", "girl", "lady")
YOUNG = ("boy", "girl", "child", "kid", "baby", "toddler", "teenager")
CREEPING = ("snake", "turtle", "parrot", "bird", "pigeon", "seagull", "swan")
TINY = {"sit", "lie", "sleep", "crawl", "splash", "cry", "smile", "laugh", "eat", "play", "wear"}
NOT_YOUNG = r"\b(drive|smoke|weld|beer|wine|cigarette|teach|motorcycle|coffee|truck|tractor|bus|car|van|beard|mustache)\b"
POSTURES, QUIET = ("sit", "stand", "lie", "kneel"), ("read", "eat", "drink", "smile", "laugh", "sing", "draw", "write", "wave", "clap", "listen", "knit", "smoke", "wait")
MEANWHILE = [("another man watches", "ein anderer Mann zusieht"), ("another woman watches", "eine andere Frau zusieht"),
             ("other people watch", "andere Leute zusehen"), ("a crowd watches", "eine Menschenmenge zusieht"),
             ("a woman takes pictures", "eine Frau Fotos macht"), ("a man takes a picture", "ein Mann ein Foto macht"),
             ("a child looks on", "ein Kind zuschaut"), ("two men wait", "zwei Männer warten"), ("his friends cheer", "seine Freunde jubeln")]
BEHIND = ["mountain", "building", "tree", "crowd", "lake", "church", "castle", "waterfall", "tower", "house", "bridge", "palm tree", "fence", "car"]
TOGETHER = r"\b(entlang|hinauf|hinunter|vorbei|hinterher) (?!und |mit |im |am |in )([a-zäöüß]+)(?=$|,)"
ALONE = "each other|together"
PLACED = "blackboard|stage|choir|table|line|stop|front|outside|audience|stadium|floor|sidewalk|street|bus|train"
STEPS = r"\b(on|in|at|near|by|under|behind|next|front|outside|through|down|up|with|into|along|past|to|across|over|after|of|for|against|off|from|home|out|beside)\b"


def an(word):
    return ("an " if word[0].lower() in "aeiou" and not word.startswith("uni") else "a ") + word


class Lexicon:
    def __init__(self, paths):
        self.nouns, self.adjectives, self.verbs, self.places, self.times = {}, {}, [], [], []
        self.days, self.beasts, self.dogs, self.traits, self.manners = [], [], [], [], []
        section = None
        for line in (line for path in paths for line in open(path, encoding="utf-8")):
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
            elif section in ("verbs", "beasts", "dogs"):
                english, german, rest = line.split(";")
                parts = [tuple(s.strip() for s in c.split("=")) for c in re.split(r"\s/\s", rest.strip() if "=" in rest else "=")]
                getattr(self, section).append((english.split() + ["out"] * (section != "verbs"), german.split(), [p for p in parts if len(p) == 2]))
            else:
                getattr(self, section).append(tuple(s.strip() for s in re.split("[;=]", line)))
        self.everything = {noun[0][0]: noun for kind in reversed(self.nouns.values()) for noun in reversed(kind)}
        for kind, words in SPECIAL.items():
            self.nouns[kind] = [self.everything[w] for w in words.split(",") if w in self.everything]
        for kind, other in {"job": "age", "size of food": "size"}.items():
            self.adjectives.setdefault(kind, self.adjectives[other])


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

    def phrase(self, kind, case, plural=None, definite=None, decorated=0.4, counted=True, noun=None):
        """A noun phrase: english, german, whether plural."""
        r = self.random
        english, german = noun or r.choice(self.lexicon.nouns[kind])
        plural = (r.random() < OFTEN.get(kind, 0.15)) if plural is None else plural
        plural = plural and len(german) > 2
        definite = (r.random() < 0.25) if definite is None else definite
        gender = "p" if plural else german[1]
        if definite:
            left, right, endings = "the ", DER[case][gender] + " ", WEAK
        elif plural:
            number = r.choice(NUMBERS) if r.random() < 0.7 and counted else ("", "")
            many = number[1] in ("mehrere", "einige", "viele") and case == "dat"
            left, right, endings = number[0] + " ", number[1] + ("n " if many else " "), STRONG
        else:
            left, right, endings = "", EIN[case][gender] + " ", STRONG if case != "dat" else WEAK
        words, worte = english[1] if plural else english[0], self.noun(german, case, plural)
        look = ""
        if r.random() < decorated:
            look, two = self.adjective(SIZED.get(kind, "look"), endings[case][gender])
            while not self.suits(look, english[0]) or kind in ("by", "seat", "clean", "read", "cover", "jump", "gift") and look in ("cheap", "expensive"):
                look, two = self.adjective(SIZED.get(kind, "look"), endings[case][gender])
            words, worte = f"{look} {words}", f"{two} {worte}"
        if kind in ("person", "job") and english[0] != "couple" and r.random() < decorated * 0.7:
            words, worte = self.dressed(words, worte, english[0], german[1], plural, look)
        words = left + words if definite or plural else an(words)
        self.last = (english[0], german[1], plural)
        return words.strip(), (right + worte).strip(), plural

    def suits(self, look, word):
        if word in YOUNG and look in ("old", "elderly", "older", "bald", "tall", "thin") or word in FEMALE and look == "bald":
            return False
        return not (word in ("toddler", "baby", "puppy", "kitten", "lamb", "calf") and look in ("little", "small", "young", "old", "big", "large")
                    or word == "couple" and look in ("bald", "blond", "little", "small", "tall"))

    def dressed(self, words, worte, word, gender, plural, look):
        """The noun with clothes, hair or glasses."""
        r, woman = self.random, word in FEMALE or gender == "f" and word != "person"
        man = gender == "m" and word not in YOUNG
        traits = [t for t in self.lexicon.traits if (man or t[0] != "m") and not (look in ("bald", "blond") and "hair" in t[1] or look == "barefoot" and "boots" in t[1])]
        if traits and r.random() < 0.3 and word not in ("baby", "toddler"):
            _, one, two = r.choice(traits)
            return f"{words} {one}", f"{worte} {two}"
        kind, one, two = r.choice([("wear", "in", "in"), ("wear", "wearing", "in"), ("on", "with", "mit"), ("on", "wearing", "mit")])
        if r.random() < 0.2 and (woman and kind == "wear" or man and kind == "on"):
            kind = "fwear" if woman else "mon"
        a, b, _ = self.phrase(kind, "dat", plural=plural, definite=False, decorated=0.85, counted=False)
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

    def clause(self, verbs=None, placed=0.4):
        r = self.random
        verb, wort, complements = r.choice(verbs or self.lexicon.verbs)
        one, two = self.fill(r.choice(complements))
        inside = verb[4] if len(verb) > 4 else ""
        places = [p for p in self.lexicon.places if p[0] == "any" or inside in ("", p[0])]
        if r.random() < placed and verb[0] not in ("cross", "sweep") and not re.search(STEPS, one):
            inside, *place = r.choice(places)
            one, two = f"{one} {place[0]}", f"{two} {place[1]}"
        self.inside = inside == "in"
        prefix = wort[4] if len(wort) > 4 else ""
        return verb, wort, one, two, prefix

    def finite(self, wort, person):
        if person == 3:
            return wort[1]
        stem = wort[0].removeprefix(wort[4].split("!")[-1] if len(wort) > 4 else "").lstrip("_")
        if person == 1:
            if stem.endswith("eln"):
                return stem[:-3] + "le"
            return "habe" if stem == "haben" else stem[:-1] + ("" if stem.endswith("en") else "e")
        return stem

    def told(self, clause, person, last=False, day=""):
        """A clause's German after its subject; the verb last in a subordinate clause."""
        verb, wort, one, two, prefix = clause
        own, prefix = "sich" if "!" in prefix else "", prefix.split("!")[-1]
        finite = self.finite(wort, person)
        if last:
            return f"{own} {day} {two} {prefix}{' ' if '_' in wort[0] else ''}{finite}"
        return f"{finite} {own} {day} {two} {prefix}"

    def fits(self, clause, who):
        verb, _, one = clause[:3]
        if verb[0] in STATES or who in ("baby", "toddler") and (verb[0] not in TINY or re.search("guitar|piano|chess|golf|cards", one)):
            return False
        return not (who in YOUNG and re.search(NOT_YOUNG, f"{verb[0]} {one}"))

    def act(self, who, verbs=None, placed=0.4):
        clause = self.clause(verbs, placed)
        while not self.fits(clause, who):
            clause = self.clause(verbs, placed)
        return clause

    def verbs(self, *names):
        return [v for v in self.lexicon.verbs if v[0][0] in names]

    def subject(self, animal):
        """Who is seen: english, german, person of the verb, the noun, its gender, his or her."""
        r = self.random
        kind = "animal" if animal else r.choice(["person", "person", "person", "job", "job", "group"])
        if kind == "group":
            a, b, _ = self.phrase(r.choice(["person", "job"]), "dat", plural=True, definite=False, decorated=0.3, counted=False)
            return "a group of " + a, "eine Gruppe von " + b, 3, self.last[0], "f", "their"
        a, b, plural = self.phrase(kind, "nom", decorated=0.55, definite=r.random() < 0.12)
        word, gender, _ = self.last
        his = "their" if plural or word in ("person", "child", "kid", "couple", "baby", "toddler", "teenager") else (
            "its" if animal else "her" if gender == "f" or word in FEMALE else "his")
        if r.random() < 0.1 and not animal:
            noun = r.choice([n for n in self.lexicon.nouns["person"] if n[0][0] != word])
            c, d, _ = self.phrase("person", "nom", plural=False, definite=False, noun=noun)
            word = self.last[0] if self.last[0] in YOUNG else word
            return f"{a} and {c}", f"{b} und {d}", 0, word, "p", "their"
        return a, b, 0 if plural else 3, word, "p" if plural else gender, his

    def scene(self):
        """What a picture shows: an indefinite subject, mostly in the progressive."""
        r, lexicon = self.random, self.lexicon
        animal = bool(lexicon.beasts) and r.random() < 0.14
        a, b, person, word, gender, his = self.subject(animal)
        verbs = lexicon.beasts + (lexicon.dogs * 2 if word in ("dog", "puppy", "poodle", "greyhound") else []) if animal else None
        are, who = "is" if person else "are", "that" if animal else "who"
        relative = DER["nom"][gender]
        form = lambda verb: {0: f"{are} {verb[1]}", 1: verb[2] if person else verb[0], 2: verb[1]}[r.choice([0, 0, 0, 1, 2])]
        clause = self.act(word, verbs)
        clause = clause[:2] + (clause[2].replace("{his}", his),) + clause[3:]
        verb, one = clause[0], clause[2]
        day = r.choice(lexicon.days) if r.random() < 0.1 and not self.inside else ("", "")
        main = f"{a} {form(verb)} {one} {day[0]}", f"{b} {self.told(clause, person, day=day[1])}"
        shape = r.choice(["plain"] * 11 + ["relative", "relative", "sitting", "there", "there", "while", "behind", "seen"]
                         + ([] if animal else ["wearing", "and", "and", "manner", "one", "his dog"]))
        if person and re.search(ALONE, one) or "smiling" in a and verb[0] == "smile" or animal and (word == "fish" or word in CREEPING and verb[0] in ("run", "stand", "cross")):
            return None
        if shape == "relative":
            are = "are" if a.startswith("a group") or word == "couple" else are
            return f"{a} {who} {are} {verb[1]} {one} {day[0]}", f"{b}, {relative} {self.told(clause, person, True, day[1])}", "."
        if shape == "there" and (a.startswith("the ") or " and " in a):
            return None
        if shape == "there":
            return f"there {are} {a} {verb[1]} {one} {day[0]}", f"da {'ist' if person else 'sind'} {b}, {relative} {self.told(clause, person, True, day[1])}", "."
        if shape == "seen":
            place = r.choice([p for p in lexicon.places if p[0] == ("out" if animal else p[0])])
            return f"{a} {place[1]}", f"{b} {place[2]}", "."
        if shape == "while" and verb[0] != "watch":
            c, d = r.choice([m for m in MEANWHILE if his == "his" or not m[0].startswith("his")])
            return f"{main[0]} while {c}", f"{main[1]}, während {d}", "."
        if shape == "behind" and not self.inside and not day[0] and not clause[4] and verb[0] != "play" and "mit " not in clause[3]:
            noun = lexicon.everything.get(r.choice(BEHIND)) or lexicon.everything["tree"]
            c, d, _ = self.phrase("by", "dat", definite=False, noun=noun)
            return f"{main[0]} with {c} in the background", f"{main[1]} mit {d} im Hintergrund", "."
        if shape in ("sitting", "wearing"):
            first = self.act(word, lexicon.beasts if animal else self.verbs(*(POSTURES if shape == "sitting" else ["wear"])), 0)
            if animal and first[0][0] not in POSTURES or first[0][0] == verb[0] or shape == "sitting" and verb[0] not in QUIET + ("look",):
                return None
            if shape == "wearing" and (" in " in a or " with " in a or " wearing " in a or word == "couple"):
                return None
            joined = f"{first[0][1]} {first[2]}" if shape == "sitting" else f"who {'are' if a.startswith('a group') else are} wearing {first[2]}"
            return f"{a} {joined} {are} {verb[1]} {one}".replace("{his}", his), f"{b}, {relative} {self.told(first, person, True)}, {self.told(clause, person)}", "."
        if shape in ("and", "manner"):
            first = self.act(word, self.verbs(*POSTURES), 0)
            c, d = f"{a} {first[0][2] if person else first[0][0]} {first[2]}", f"{b} {self.told(first, person)}"
            if shape == "and":
                second = self.act(word, self.verbs(*QUIET), 0)
                if re.search(PLACED, second[2]) or first[0][0] == "lie" and second[0][0] in ("wave", "clap", "wait", "drink"):
                    return None
                return f"{c} and {second[0][2] if person else second[0][0]} {second[2]}", f"{d} und {self.told(second, person)}", "."
            if not lexicon.manners or first[0][0] == "lie":
                return None
            how = r.choice(lexicon.manners)
            if "feet" in how[0] and not re.search("sit.*(dock|rock|stone|boat)", f"{first[0][0]} {first[2]}"):
                return None
            return f"{c} {how[0]}".replace("{his}", his), f"{b} {self.told(first, person, day=how[1])}", "."
        if shape == "one":
            if person or gender != "p" or " and " in a or word == "couple":
                return None
            second = self.act(word, self.verbs("wear", "wear", "hold", "smile", "laugh", "wave", "point", "carry"), 0)
            german = {"m": "einer", "f": "eine", "n": "eines"}[self.everyone(word)]
            own = "her" if word in FEMALE else "their"
            return (f"{main[0]}, and one of them is {second[0][1]} {second[2]}".replace("{his}", own).replace(" ,", ","),
                    f"{main[1]}, und {german} von ihnen {self.told(second, 3)}", ".")
        if shape == "his dog":
            if not person or his not in ("his", "her") or not lexicon.dogs or a.startswith("a group"):
                return None
            walk = self.act(word, self.verbs("walk", "run"), 0)
            sein = "ihr" if his == "her" and gender == "f" else "sein" if his == "his" else None
            if not sein or re.search("race|ball|track|dog|with", walk[2]):
                return None
            return f"{a} and {his} dog are {walk[0][1]} {walk[2]}", f"{b} und {sein} Hund {self.told(walk, 0)}", "."
        return main[0].replace("{his}", his), main[1], "."

    def everyone(self, word):
        return self.lexicon.everything[word][1][1]

    def said(self):
        """What people say: pronouns and relatives, tenses, modals, questions, negation."""
        r = self.random
        (a, b, person), (verb, wort, one, two, prefix) = r.choice(PRONOUNS), self.clause()
        if "!" in prefix or person and re.search(ALONE, one):
            return None
        one = one.replace("{his}", OWN.get(a) or ("his" if person else "their"))
        own = "is" if person == 3 else ("am" if person == 1 else "are")
        has, hat = ("has", "hat") if person == 3 else ("have", "habe" if person == 1 else "haben")
        bin_ = {3: "ist", 1: "bin", 0: "sind"}[person]
        does = "does" if person == 3 else "do"
        aux = hat if wort[3] == "hat" else bin_
        split = f" {prefix}" if prefix else ""
        no = "kein" if re.match(r"ein(e|en)? ", two) and not re.match(r"ein(e|en)? \w+ \w+", two) else None
        nicht = "k" + two if no else f"nicht {two}" if re.match(r"(auf|in|im|am|an|mit|vor|neben|unter|bei|zu|durch|über|nach) ", two) else None
        kind = r.choice(["now", "now", "past", "past", "future", "modal", "ask", "asked", "not", "did not", "when"])
        now = f"{b} {self.finite(wort, person)} {two}{split}"
        base, stem = verb[0], wort[0].replace("_", " ")
        past = {"worn": "wore", "eaten": "ate", "drunk": "drank", "ridden": "rode", "driven": "drove", "swum": "swam", "run": "ran",
                "sung": "sang", "taken": "took", "thrown": "threw", "lain": "lay", "drawn": "drew", "written": "wrote",
                "seen": "saw", "forgotten": "forgot", "done": "did", "flown": "flew", "blown": "blew", "shaken": "shook", "given": "gave", "fallen": "fell",
                "sewn": "sewed"}.get(verb[3], verb[3])
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
        english, german = (" ".join(s.split()).replace(" ,", ",") for s in pair[:2])
        german = re.sub(TOGETHER, r"\1\2", german.replace("_", " ").replace("von dem ", "vom "))
        return english[0].upper() + english[1:] + pair[2], german[0].upper() + german[1:] + pair[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lexicon", nargs="+")
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
