// The editor of entitlements: a JSON editor over the text area, which stays what is sent.
// Errors come from the JSON Schema while somebody types, and from the server's own rules a moment later.

const PAUSE = 350; // milliseconds without a key before the server is asked

for (const root of document.querySelectorAll("[data-console-editor]")) start(root);

async function start(root) {
  const config = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const textarea = root.querySelector("textarea");
  const part = (name) => root.querySelector(`[data-${name}]`);
  const state = { refused: null, asking: null, timer: 0 };
  let editor = null;

  const show = (text) => {
    textarea.value = text;
    if (editor) editor.set({ text });
    changed();
  };
  const changed = () => {
    state.refused = null;
    say("");
    clearTimeout(state.timer);
    state.timer = setTimeout(ask, PAUSE);
    markPresent();
  };

  async function ask() {
    state.asking?.abort();
    state.asking = new AbortController();
    const body = new URLSearchParams({ text: textarea.value, row: config.row ?? "" });
    const token = textarea.form.elements.csrfmiddlewaretoken.value;
    try {
      const answer = await fetch(config.previewUrl, {
        method: "POST", body, headers: { "X-CSRFToken": token }, signal: state.asking.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const { html, errors } = await answer.json();
      part("preview").innerHTML = html;
      state.refused = errors;
      validate();
    } catch (error) {
      if (error.name !== "AbortError") say("The preview is out of reach; saving still checks everything.");
    }
  }

  const say = (words) => { part("said").textContent = words; };

  function insert(item) {
    const entry = JSON.parse(item.querySelector("[data-entry]").textContent);
    const entries = parsed(textarea.value.trim() || "[]");
    if (!Array.isArray(entries)) return say("Mend the JSON first: an entry can only be added to a list.");
    if (isThere(entries, entry)) return say(`${entry.code} is there already.`);
    show(JSON.stringify([...entries, entry], null, 2));
    say(`${entry.code} was added at the end. Change its numbers.`);
  }

  function markPresent() {
    const entries = parsed(textarea.value.trim() || "[]");
    if (!Array.isArray(entries)) return;
    for (const item of root.querySelectorAll("[data-code]")) {
      const entry = JSON.parse(item.querySelector("[data-entry]").textContent);
      const there = isThere(entries, entry);
      item.classList.toggle("console-present", there);
      item.querySelector("[data-insert]").textContent = there ? "Added" : "Insert";
    }
  }

  for (const item of root.querySelectorAll("[data-code]")) {
    const button = item.querySelector("[data-insert]");
    button.hidden = false;
    button.addEventListener("click", () => insert(item));
  }
  setUpFilter(root, part("filter"));
  textarea.addEventListener("input", changed);
  markPresent();

  let validate = () => {};
  try {
    const library = await import(config.library);
    const bySchema = library.createAjvValidator({ schema: config.schema });
    part("target").hidden = false; // it measures its place when it starts
    editor = new library.JSONEditor({
      target: part("target"),
      props: {
        content: { text: textarea.value },
        mode: library.Mode.text,
        mainMenuBar: true,
        navigationBar: false,
        askToFormat: true,
        indentation: 2,
        tabSize: 2,
        onRenderMenu: (items) => items.filter((item) => item.text !== "table"),
        onChange: (content) => {
          const text = content.text ?? JSON.stringify(content.json, null, 2);
          if (text === textarea.value) return; // the editor tells what it was given, too
          textarea.value = text;
          changed();
        },
      },
    });
    // A new function each time, so that the editor asks again.
    validate = () => {
      editor.updateProps({ validator: (json) => (state.refused ? marks(state.refused, json) : bySchema(json)) });
    };
    validate();
    part("hint").hidden = false;
    textarea.hidden = true;
    textarea.tabIndex = -1;
    // The editor tells what was typed a moment later, and at once when it is left: nothing typed last is lost.
    textarea.form.addEventListener("submit", () => document.activeElement?.blur(), { capture: true });
    if (textarea.value.trim()) ask();
  } catch (error) {
    part("target").hidden = true;
    console.warn("The JSON editor could not start; the plain text area stays.", error);
  }
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

function isThere(entries, entry) {
  const kind = (one) => one?.grantKind ?? "plan_base";
  return entries.some((one) => one?.code === entry.code && kind(one) === kind(entry));
}

// Server errors as the editor marks them; a path that is not there (yet) marks what should have it.
function marks(errors, json) {
  return errors.filter(({ path }) => path).map(({ path, message }) => {
    const steps = [...path.replace(/^entitlements/, "").matchAll(/\[(\d+)\]|\.([^.[]+)/g)].map((step) => step[1] ?? step[2]);
    const found = [];
    let value = json;
    for (const step of steps) {
      if (value === null || typeof value !== "object" || !(step in value)) break;
      value = value[step];
      found.push(step);
    }
    const rest = steps.slice(found.length).join(".");
    return { path: found, message: rest ? `${rest} ${message}` : message, severity: "error" };
  });
}

function setUpFilter(root, filter) {
  const items = [...root.querySelectorAll("[data-words]")];
  if (items.length < 8) return;
  filter.hidden = false;
  filter.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) item.hidden = !words.every((word) => item.dataset.words.includes(word));
  });
}
