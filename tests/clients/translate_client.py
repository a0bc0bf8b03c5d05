"""translate, which sends what it is given as JSON."""

import sys

from translate import Translator

translator = Translator(
    provider="libre", from_lang="en", to_lang="de", secret_access_key=None, base_url=sys.argv[1]
)
assert translator.translate("I am learning German.") == "Ich lerne Deutsch."
