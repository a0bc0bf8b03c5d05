"""libretranslatepy: what Mastodon's and others' scripts use."""

import sys

from libretranslatepy import LibreTranslateAPI

api = LibreTranslateAPI(sys.argv[1] + "/")
assert api.translate("I am learning German.", "en", "de") == "Ich lerne Deutsch."
assert api.detect("I am learning German.")[0]["language"] == "en"
assert [language["code"] for language in api.languages()] == ["en", "de"]
