"""DeepL's own client: texts, tags, a document, a glossary."""

import pathlib
import sys
import tempfile

import deepl

translator = deepl.Translator("any", server_url=sys.argv[1])
one = translator.translate_text("I am learning German.", target_lang="DE")
assert one.text == "Ich lerne Deutsch.", one.text
assert one.detected_source_lang == "EN"
assert one.billed_characters == 21, one.billed_characters
texts = ["I am learning German.", "She reads a book."]
both = translator.translate_text(texts, source_lang="EN", target_lang="DE")
assert [each.text for each in both] == ["Ich lerne Deutsch.", "Sie liest ein Buch."], both
tags = translator.translate_text(
    "<p>I am learning German.</p><keep>as is</keep>",
    source_lang="EN", target_lang="DE", tag_handling="xml", ignore_tags=["keep"],
)
assert tags.text == "<p>Ich lerne Deutsch.</p><keep>as is</keep>", tags.text
assert [language.code for language in translator.get_source_languages()] == ["EN"]
assert [language.code for language in translator.get_target_languages()] == ["DE"]
assert not translator.get_usage().any_limit_reached

glossary = translator.create_glossary("mine", "EN", "DE", {"dog": "Hund", "cat": "Katze"})
assert glossary.entry_count == 2 and glossary.ready
assert translator.get_glossary_entries(glossary) == {"dog": "Hund", "cat": "Katze"}
assert [each.glossary_id for each in translator.list_glossaries()] == [glossary.glossary_id]
translator.translate_text("She reads a book.", source_lang="EN", target_lang="DE", glossary=glossary)
translator.delete_glossary(glossary)
assert not translator.list_glossaries()

with tempfile.TemporaryDirectory() as directory:
    source, target = pathlib.Path(directory, "a.txt"), pathlib.Path(directory, "b.txt")
    source.write_text("I am learning German.\n\nShe reads a book.\n")
    translator.translate_document_from_filepath(source, target, source_lang="EN", target_lang="DE")
    assert target.read_text() == "Ich lerne Deutsch.\n\nSie liest ein Buch.\n", target.read_text()

try:
    translator.translate_text("a", target_lang="FR")
    raise AssertionError("French was not refused")
except deepl.DeepLException as error:
    assert "FR" in str(error), error
