"""German and English verb forms and English plurals, for everyday.py: rules, and lists of what is irregular.
German verbs are conjugated from the infinitive; `an|rufen` marks a prefix that separates."""
import pathlib

FULL = {  # 1s 2s 3s 1p 2p 3p
    "sein": "bin bist ist sind seid sind", "haben": "habe hast hat haben habt haben", "werden": "werde wirst wird werden werdet werden",
    "können": "kann kannst kann können könnt können", "müssen": "muss musst muss müssen müsst müssen",
    "dürfen": "darf darfst darf dürfen dürft dürfen", "wollen": "will willst will wollen wollt wollen",
    "sollen": "soll sollst soll sollen sollt sollen", "mögen": "mag magst mag mögen mögt mögen", "wissen": "weiß weißt weiß wissen wisst wissen"}
PAST = {"sein": "war warst war waren wart waren", "haben": "hatte hattest hatte hatten hattet hatten"}
for verb, stem in {"können": "konnte", "müssen": "musste", "dürfen": "durfte", "wollen": "wollte", "sollen": "sollte", "mögen": "mochte"}.items():
    PAST[verb] = f"{stem} {stem}st {stem} {stem}n {stem}t {stem}n"
WOULD = {"sollen": PAST["sollen"]}
for verb, stem in {"sein": "wäre", "haben": "hätte", "können": "könnte", "werden": "würde", "mögen": "möchte"}.items():
    WOULD[verb] = f"{stem} {stem}st {stem} {stem}n {stem}t {stem}n"
PERSONS = ["1s", "2s", "3s", "1p", "2p", "3p"]
STRONG, IRREGULAR, PLURALS = {}, {}, {}
for line in (pathlib.Path(__file__).parent / "everyday" / "irregular").read_text(encoding="utf-8").splitlines():
    kind, _, items = line.partition(":")
    for item in items.split(","):
        words = item.split()
        if kind == "german":
            STRONG[words[0]] = words[1:]
        elif kind == "english":
            IRREGULAR[words[0]] = words[1:]
        elif kind == "plural":
            PLURALS[words[0]] = words[1]


def plural_of(noun):
    head, _, last = noun.rpartition(" ")
    if last in PLURALS:
        last = PLURALS[last]
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "es" if last.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{head} {last}".strip()


def english_verb(verb, form):
    if form == "base":
        return verb
    if verb == "be":
        return {"s": "is", "ed": "was", "en": "been", "ing": "being"}[form]
    if form == "s":
        if verb == "have":
            return "has"
        if verb.endswith("y") and verb[-2] not in "aeiou":
            return verb[:-1] + "ies"
        return verb + ("es" if verb.endswith(("s", "x", "ch", "sh", "o")) else "s")
    doubled = verb + verb[-1] if verb in ("stop", "shop", "plan", "swim", "run", "sit", "get", "put", "cut", "win", "forget", "jog", "begin", "chat", "let", "hug", "rub", "quit", "set", "hit") else verb
    if form == "ing":
        if verb.endswith("ie"):
            return verb[:-2] + "ying"
        return (verb[:-1] if verb.endswith("e") and verb != "see" and verb != "be" else doubled) + "ing"
    if verb in IRREGULAR:
        return IRREGULAR[verb][form == "en"]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return (verb if verb.endswith("e") else doubled + "e") + "d"


def german_verb(verb, form, person, key):
    prefix, _, base = verb.rpartition("|")
    place = PERSONS.index(person)
    if form == "past":
        return PAST[base].split()[place]
    if form == "would":
        return WOULD[base].split()[place]
    if form == "pre":
        return prefix
    if form == "inf":
        return prefix + base
    if form == "zu":
        return f"{prefix}zu{base}" if prefix else f"zu {base}"
    if form == "part":
        return prefix + participle(base)
    if form == "aux":
        moved = base in STRONG and STRONG[base][-1] == "ist" or verb in MOVED
        stays = base in STRONG and STRONG[base][-1] != "ist" and verb not in MOVED
        return FULL["sein" if moved and not stays else "haben"].split()[place]
    if form == "imp":
        return command(base, key)
    return (prefix if form == "sub" else "") + present(base, place)


MOVED = ("ein|schlafen", "um|ziehen", "reisen", "passieren", "auf|wachen", "joggen", "wandern", "landen", "ein|ziehen", "klettern", "stürzen", "auf|stehen")


def endings(base):
    stem = base[:-2] if base.endswith("en") else base[:-1]
    soft = stem[-1] in "td" or stem[-1] in "nm" and stem[-2] not in "aeiouäöülrnmh"
    return stem, "e" if soft else ""


def present(base, place):
    if base in FULL:
        return FULL[base].split()[place]
    stem, e = endings(base)
    if base in STRONG and place in (1, 2) and STRONG[base][0] != "-":
        du = STRONG[base][0]
        third = STRONG[base][1]
        return du if place == 1 else third
    if place == 0:
        return stem[:-2] + "le" if base.endswith("eln") else stem + "e"
    if place in (3, 5):
        return base
    if place == 1:
        return stem + ("t" if stem[-1] in "sßzx" else e + "st")
    return stem + e + "t"


def participle(base):
    if base in STRONG:
        return STRONG[base][2]
    stem, e = endings(base)
    bare = base.endswith("ieren") or base.startswith(("be", "ver", "er", "ent", "zer", "emp", "gehör", "gewöhn", "unter", "über", "wieder")) and base not in ("beten", "erben")
    return ("" if bare else "ge") + stem + e + "t"


def command(base, key):
    if key == "Sie":
        return ("seien" if base == "sein" else base) + " Sie"
    if key == "ihr":
        return "seid" if base == "sein" else present(base, 4)
    if base == "sein":
        return "sei"
    stem, e = endings(base)
    if base in STRONG and STRONG[base][0] != "-":
        du = STRONG[base][0]
        vowel = [c for c in stem if c in "aeiouäöü"]
        if "e" in vowel[-1:] and "ä" not in du:
            return du[:-1] if du.endswith("sst") or du in ("liest",) else du[:-2]
    if base.endswith("eln"):
        return stem[:-2] + "le"
    return stem + ("e" if e or stem.endswith(("ig", "er")) and len(stem) > 4 else "")
