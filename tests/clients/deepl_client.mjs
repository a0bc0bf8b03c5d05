// DeepL's own client.
import assert from "node:assert";
import { writeFile, readFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as deepl from "deepl-node";

const translator = new deepl.Translator("any", { serverUrl: process.argv[2] });
const texts = ["I am learning German.", "She reads a book."];
const answers = await translator.translateText(texts, null, "de");
assert.deepEqual(answers.map((answer) => answer.text), ["Ich lerne Deutsch.", "Sie liest ein Buch."]);
assert.equal(answers[0].detectedSourceLang, "en");
assert.equal(answers[0].billedCharacters, 21);
assert.deepEqual((await translator.getTargetLanguages()).map((language) => language.code), ["de"]);
const entries = new deepl.GlossaryEntries({ entries: { dog: "Hund" } });
const glossary = await translator.createGlossary("mine", "en", "de", entries);
assert.equal((await translator.getGlossaryEntries(glossary)).entries().dog, "Hund");
await translator.deleteGlossary(glossary);
const directory = await mkdtemp(join(tmpdir(), "t5-gpu-"));
const [source, target] = [join(directory, "a.txt"), join(directory, "b.txt")];
await writeFile(source, "I am learning German.\n");
await translator.translateDocument(source, target, "en", "de");
assert.equal(await readFile(target, "utf8"), "Ich lerne Deutsch.\n");
