"use strict";

const $ = (id) => document.getElementById(id);
const [source, target, text, output, mirror, status, key] =
  ["source", "target", "text", "output", "mirror", "status", "key"].map($);

const PAUSE = 300; // Milliseconds without a key after which typing is over.
let languages = [];
let charLimit = -1;
let detected = null;
let running = null; // Of the translation that is under way, so that the last one wins.
let timer = 0;

function say(words, isBad = false) {
  status.textContent = words;
  status.classList.toggle("bad", isBad);
}

async function ask(path, body, signal) {
  const isForm = body instanceof FormData;
  if (key.value) {
    if (isForm) body.set("api_key", key.value);
    else body = { ...body, api_key: key.value };
  }
  const response = await fetch(path, {
    method: "POST",
    headers: isForm ? {} : { "content-type": "application/json" },
    body: isForm ? body : JSON.stringify(body),
    signal,
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.error || `The server says ${response.status}.`);
}

// Languages

function option(language) {
  const item = document.createElement("option");
  item.value = language.code;
  item.textContent = language.name;
  return item;
}

function showTargets() {
  const from = languages.find((language) => language.code === source.value);
  const codes = from ? from.targets.filter((code) => code !== from.code) : null;
  const kept = target.value;
  const isTarget = (language) => codes ? codes.includes(language.code)
    : languages.some((other) => other !== language && other.targets.includes(language.code));
  target.replaceChildren(...languages.filter(isTarget).map(option));
  if ([...target.options].some((item) => item.value === kept)) target.value = kept;
  output.lang = target.value;
}

async function begin() {
  for (;;) {
    try {
      const [list, settings] = await Promise.all(
        ["languages", "frontend/settings"].map(async (path) => {
          const response = await fetch(path);
          if (!response.ok) throw new Error("The model is being loaded.");
          return response.json();
        }));
      languages = list;
      charLimit = settings.charLimit;
      source.append(...languages.filter((one) => one.targets.length > 1).map(option));
      $("choose").hidden = !settings.filesTranslation;
      $("file").accept = settings.supportedFilesFormat.join();
      $("key-field").open = settings.keyRequired;
      $("key-field").hidden = !settings.apiKeys;
      say("");
      showTargets();
      changed();
      return;
    } catch (error) {
      say(error.message);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

// Translating

function changed() {
  const count = [...text.value].length;
  $("count").textContent = `${count}${charLimit < 0 ? "" : ` / ${charLimit}`} characters`;
  unpoint();
  clearTimeout(timer);
  timer = setTimeout(translate, PAUSE);
}

async function translate() {
  running?.abort();
  const mine = running = new AbortController();
  const { signal } = mine;
  const original = text.value;
  detected = null;
  if (!original.trim()) {
    show("");
    say("");
    return;
  }
  output.classList.add("waiting");
  output.setAttribute("aria-busy", "true");
  try {
    let from = source.value;
    if (from === "auto") {
      const response = await ask("detect", { q: original }, signal);
      from = detected = (await response.json())[0].language;
    }
    if (from !== target.value) await preview(original, from, signal);
    const response = await ask("translate", { q: original, source: from, target: target.value }, signal);
    const answer = await response.json();
    if (mine !== running) return;
    show(answer.translatedText);
    const name = languages.find((language) => language.code === detected)?.name;
    say(name ? `Detected: ${name}` : "");
  } catch (error) {
    if (error.name !== "AbortError" && mine === running) say(error.message, true);
  } finally {
    if (mine === running) {
      output.classList.remove("waiting");
      output.removeAttribute("aria-busy");
    }
  }
}

// What the model would say if it took the likeliest word each time, as it says it; the best of several follows.
async function preview(original, from, signal) {
  let sofar = "";
  for (const piece of original.split(/(\r?\n)/).flatMap((line) => sentences(line, from))) {
    if (!/\p{L}/u.test(piece)) {
      sofar += piece;
      continue;
    }
    sofar += piece.slice(0, piece.length - piece.trimStart().length);
    const body = { text: piece.trim(), from, to: target.value, stream: true };
    const response = await ask("v1/generate", body, signal);
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error);
      sofar += event.text ?? "";
      show(sofar);
    }
    sofar += piece.slice(piece.trimEnd().length);
  }
}

function sentences(line, language) {
  if (!Intl.Segmenter) return [line];
  const segmenter = new Intl.Segmenter(language, { granularity: "sentence" });
  return Array.from(segmenter.segment(line), (piece) => piece.segment);
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
    }
  }
}

// Words, and where they come from

function show(translation) {
  const lines = translation.split("\n");
  const nodes = [];
  lines.forEach((line, index) => {
    let word = 0;
    if (index) nodes.push("\n");
    for (const part of line.split(/(\s+)/)) {
      if (!part) continue;
      if (!part.trim()) {
        nodes.push(part);
        continue;
      }
      const span = document.createElement("span");
      span.className = "word";
      span.textContent = part;
      span.dataset.line = index;
      span.dataset.word = word++;
      nodes.push(span);
    }
  });
  output.replaceChildren(...nodes);
  aligned.clear();
}

const aligned = new Map(); // Of each line: pairs of words.

async function point(span) {
  unpoint();
  span.classList.add("pointed");
  const line = Number(span.dataset.line);
  const translation = output.textContent.split("\n")[line];
  const lines = text.value.split("\n");
  const original = lines[line];
  const from = detected ?? source.value;
  if (!original?.trim() || from === target.value || from === "auto") return;
  if (!aligned.has(line)) {
    const body = { from, to: target.value, text: original.trim(), translation: translation.trim() };
    aligned.set(line, ask("v1/align", body).then((response) => response.json()).catch(() => null));
  }
  const answer = await aligned.get(line);
  if (!answer || !span.classList.contains("pointed")) return;
  const word = Number(span.dataset.word);
  const words = new Set(answer.alignment.filter((pair) => pair[1] === word).map((pair) => pair[0]));
  mark(lines, line, words);
}

function mark(lines, line, words) {
  const nodes = [lines.slice(0, line).map((one) => one + "\n").join("")];
  const marked = [];
  let number = 0;
  for (const part of lines[line].split(/(\s+)/)) {
    if (!part) continue;
    if (part.trim() && words.has(number++)) {
      const node = document.createElement("mark");
      node.textContent = part;
      nodes.push(node);
      marked.push(part);
    } else {
      nodes.push(part);
    }
  }
  nodes.push(lines.slice(line + 1).map((one) => "\n" + one).join("") + "\n");
  mirror.replaceChildren(...nodes);
  mirror.scrollTop = text.scrollTop;
  const pointed = output.querySelector(".pointed");
  if (pointed && marked.length) say(`${pointed.textContent}: ${marked.join(" ")}`);
}

function unpoint() {
  output.querySelectorAll(".pointed").forEach((word) => word.classList.remove("pointed"));
  mirror.replaceChildren();
}

output.addEventListener("pointerover", (event) => {
  if (event.target.classList.contains("word")) point(event.target);
});
output.addEventListener("pointerleave", unpoint);
output.addEventListener("blur", unpoint);
output.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const words = [...output.querySelectorAll(".word")];
  if (!step || !words.length) return;
  event.preventDefault();
  const now = words.findIndex((word) => word.classList.contains("pointed"));
  const next = now < 0 ? (step > 0 ? 0 : words.length - 1) : now + step;
  if (words[next]) {
    point(words[next]);
    words[next].scrollIntoView({ block: "nearest" });
  }
});
text.addEventListener("scroll", () => { mirror.scrollTop = text.scrollTop; });

// Buttons

text.addEventListener("input", changed);
key.addEventListener("change", changed);
source.addEventListener("change", () => { showTargets(); changed(); });
target.addEventListener("change", () => { output.lang = target.value; changed(); });

$("swap").addEventListener("click", () => {
  const from = source.value === "auto" ? detected : source.value;
  const to = target.value;
  if (![...source.options].some((item) => item.value === to)) {
    const name = languages.find((language) => language.code === to)?.name;
    say(`There is no model that translates from ${name}.`);
    return;
  }
  source.value = to;
  showTargets();
  if (from) target.value = from;
  text.value = output.textContent;
  show("");
  changed();
});

$("clear").addEventListener("click", () => {
  text.value = "";
  changed();
  text.focus();
});

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(output.textContent);
    say("Copied.");
  } catch {
    // Pages that are not served over TLS may not; what is selected may be copied by hand.
    getSelection().selectAllChildren(output);
    say("The translation is selected: copy it with your keyboard.");
  }
});

async function translateFile(file) {
  const form = new FormData();
  form.set("file", file);
  form.set("source", source.value);
  form.set("target", target.value);
  say(`${file.name} is being translated.`);
  try {
    const answer = await (await ask("translate_file", form)).json();
    const link = document.createElement("a");
    // The server may know itself by another name than this page does.
    link.href = `download_file/${answer.translatedFileUrl.split("/download_file/").pop()}`;
    link.download = file.name;
    link.textContent = `${file.name} in ${target.selectedOptions[0].textContent}`;
    say("");
    status.append(link);
    link.click();
  } catch (error) {
    say(error.message, true);
  }
}

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", (event) => {
  if (event.target.files[0]) translateFile(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const file = event.dataTransfer.files[0];
  if (file) translateFile(file);
});

begin();
