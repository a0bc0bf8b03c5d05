"""libretranslate-aio: its asynchronous half and its other one."""

import asyncio
import sys

from libretranslate_aio import AsyncLibreTranslate, BadRequestError, LibreTranslate


async def asynchronous(url):
    async with AsyncLibreTranslate(url) as client:
        texts = ["I am learning German.", "She reads a book."]
        answers = await asyncio.gather(*(client.translate(text, "en", "de") for text in texts))
        assert [answer.translated_text for answer in answers] == ["Ich lerne Deutsch.", "Sie liest ein Buch."]
        assert (await client.detect("I am learning German."))[0].language == "en"
        assert await client.health()
        await client.frontend_settings()
        try:
            await client.translate("a", "en", "fr")
            raise AssertionError("French was not refused")
        except BadRequestError as error:
            assert "fr is not supported" in str(error), error


asyncio.run(asynchronous(sys.argv[1]))
with LibreTranslate(sys.argv[1]) as client:
    assert [language.code for language in client.languages()] == ["en", "de"]
