// translate: for the browser and for Node.
import assert from "node:assert";
import translate from "translate";

translate.engine = "libre";
translate.url = `${process.argv[2]}/translate`;
assert.equal(await translate("I am learning German.", { from: "en", to: "de" }), "Ich lerne Deutsch.");
