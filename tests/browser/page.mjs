// The page in a browser: what it does, by mouse and keyboard, and what axe-core says of it.
// node page.mjs URL [DIRECTORY for pictures]; CHROMIUM names the browser.
import assert from "node:assert";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

for (;;) {
  const response = await fetch(new URL("ready", url));
  if (response.ok) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}

async function open(width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
  const page = await context.newPage();
  page.problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.problems.push(message.text());
  });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith("data:")) {
      page.problems.push(`outside: ${request.url()}`);
    }
  });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("target").options.length > 0);
  return page;
}

const says = (page, text) => page.waitForFunction(
  (text) => document.getElementById("output").textContent === text
    && !document.getElementById("output").hasAttribute("aria-busy"), text, { timeout: 60_000 });

for (const width of [360, 1440]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(width, colorScheme);
    await page.getByRole("textbox", { name: "Text" }).fill("I am learning German.");
    await says(page, "Ich lerne Deutsch.");
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${width}: it is ${overflow} pixels too wide`);
    // A word is pointed at.
    await page.locator(".word").nth(2).hover();
    await page.waitForFunction(() => document.querySelector("#mirror mark")?.textContent === "German.");
    if (pictures) await page.screenshot({ path: join(pictures, `${width}-${colorScheme}.png`), fullPage: true });
    // axe is put in by the debugger, which the page's policy does not bind.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run());
    assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target)}`), []);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
}

const page = await open(1440, "light");
const text = page.getByRole("textbox", { name: "Text" });

// The last answer wins, however fast somebody types.
await text.pressSequentially("She reads a book.", { delay: 40 });
await says(page, "Sie liest ein Buch.");
assert.match(await page.locator("#status").textContent(), /Detected: English/);
assert.match(await page.locator("#count").textContent(), /^17 /);

// Lines stay lines, and what a model says is never markup.
await text.fill("She reads a book.\n\n<img src=x onerror=alert(1)>");
await page.waitForFunction(() => /^Sie liest ein Buch\.\n\n./.test(document.getElementById("output").textContent)
  && !document.getElementById("output").hasAttribute("aria-busy"), null, { timeout: 60_000 });
assert.equal(await page.locator("#output img").count(), 0);

// By keyboard alone: every control is reached, in order, and can be seen to be.
await text.fill("She reads a book.");
await says(page, "Sie liest ein Buch.");
const reached = [];
await page.locator("#source").focus();
for (let step = 0; step < 8; step++) {
  const { id, outline } = await page.evaluate(() => ({
    id: document.activeElement.id,
    outline: getComputedStyle(document.activeElement).outlineStyle,
  }));
  reached.push(id);
  assert.notEqual(outline, "none", `focus is not seen at ${id}`);
  await page.keyboard.press("Tab");
}
assert.deepEqual(reached, ["source", "swap", "target", "text", "clear", "choose", "output", "copy"]);
await page.locator("#output").focus();
await page.keyboard.press("ArrowRight");
await page.waitForFunction(() => /^Sie: She/.test(document.getElementById("status").textContent));

// Swapping where there is no model for it says so; clearing clears.
await page.getByRole("button", { name: "Swap languages" }).click();
assert.match(await page.locator("#status").textContent(), /no model/);
await page.getByRole("button", { name: "Clear" }).click();
await says(page, "");

// A file.
const directory = mkdtempSync(join(tmpdir(), "t5-gpu-"));
const file = join(directory, "a.txt");
writeFileSync(file, "She reads a book.\n");
await page.locator("#source").selectOption("en");
const [download] = await Promise.all([
  page.waitForEvent("download"),
  page.locator("#file").setInputFiles(file),
]);
assert.equal(readFileSync(await download.path(), "utf8"), "Sie liest ein Buch.\n");
assert.deepEqual(page.problems, []);
await browser.close();
console.log("the page: ok");
