"""What the extractors share: taking marks of user interfaces and mark-up out of a text,
and cutting paragraphs into sentences that answer each other."""
import re

PLACEHOLDER = re.compile(r"%[-+ #0-9.*']*(?:l|ll|h|z)?[a-zA-Z%(]|%\d|\{[^}]*\}|\$\w|\$\(|@\w+@|\[\w+\]|<[^>]*\bname=|https?://|www\.|\\\w|\w::\w|~\w|=\"|\|")
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>")
ENTITY = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&nbsp;": " ", "&apos;": "'"}
SENTENCE = re.compile(r"(?<=[.!?])[\"“”»']?\s+(?=[\"„“»']?[A-ZÄÖÜ])")
ABBREVIATION = re.compile(r"(\b(z\. ?B|d\. ?h|u\. ?a|e\.g|i\.e|etc|bzw|ca|Nr|Mr|Mrs|Dr|St|No|vs|evtl|ggf|\d|[A-Z]))\.$")


def strip(text):
    """One line without tags, entities and accelerators; None if a placeholder is in it."""
    text = re.sub(r"^[^\s^]{0,40}\^", "", text)
    if TAG.search(text):
        text = TAG.sub("", text)
    for name, sign in ENTITY.items():
        text = text.replace(name, sign)
    text = re.sub(r"\s*\(&\w\)", "", text)
    text = re.sub(r"[&_](?=\w)", "", text) if text.count("_") + text.count("&") == 1 and " & " not in text else text
    if PLACEHOLDER.search(text) or "_" in text or "\x04" in text:
        return None
    return " ".join(text.replace("…", "...").replace("’", "'").replace("\u00ad", "").split())


def paragraphs(text):
    """Paragraphs of a message: empty lines and hard breaks part them."""
    return [p for p in re.split(r"\n\s*\n|\n(?=\s*[-*•])", text) if p.strip()]


def cut(text):
    """Sentences of a paragraph; abbreviations and ordinals do not end one."""
    out = []
    for piece in SENTENCE.split(text):
        if out and ABBREVIATION.search(out[-1]):
            out[-1] += " " + piece
        else:
            out.append(piece)
    return out


def align(english, german, strip=strip):
    """Sentence pairs where both sides have equally many of similar length, else the whole."""
    pairs = []
    left, right = paragraphs(english), paragraphs(german)
    if len(left) != len(right):
        left, right = [english], [german]
    for a, b in zip(left, right):
        a, b = strip(a), strip(b)
        if not a or not b:
            continue
        one, two = cut(a), cut(b)
        similar = len(one) == len(two) and all(0.5 < (len(x) + 8) / (len(y) + 8) < 1.8 for x, y in zip(one, two))
        pairs += zip(one, two) if similar else [(a, b)]
    return pairs
