"""deep-translator, with a slash at the end of its address."""

import sys

from deep_translator import LibreTranslator

translator = LibreTranslator(source="en", target="de", custom_url=sys.argv[1] + "/", api_key="any")
assert translator.translate("I am learning German.") == "Ich lerne Deutsch."
texts = ["I am learning German.", "She reads a book."]
assert translator.translate_batch(texts) == ["Ich lerne Deutsch.", "Sie liest ein Buch."]
