// Enhances pages that work without it: keys, theme, completion, results as you type, copying.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const memory = {
    get(name) {
      try { return localStorage.getItem(name); } catch { return null; }
    },
    set(name, value) {
      try {
        if (value) localStorage.setItem(name, value);
        else localStorage.removeItem(name);
      } catch { /* Storage is switched off: the choice lasts for this page. */ }
    },
  };

  // Theme: system, light, dark, and round again.

  const THEMES = { "": "◐", light: "○", dark: "●" };

  function showTheme() {
    const theme = document.documentElement.dataset.theme || "";
    const button = one("[data-theme-switch]");
    button.textContent = THEMES[theme];
    button.setAttribute("aria-label", `Theme: ${theme || "system"}. Change`);
    button.title = `Theme: ${theme || "system"} (t)`;
  }

  function nextTheme() {
    const names = Object.keys(THEMES);
    const theme = document.documentElement.dataset.theme || "";
    const next = names[(names.indexOf(theme) + 1) % names.length];
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    memory.set("theme", next);
    showTheme();
  }

  // Stories: j and k move the focus from headline to headline.

  const stories = () => all("[data-story]").filter((story) => story.offsetParent !== null);
  const current = () => one('[data-story][aria-current="true"]');

  function goTo(story) {
    if (!story) return;
    current()?.removeAttribute("aria-current");
    story.setAttribute("aria-current", "true");
    one("h2 a, h3 a, a", story)?.focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    story.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  function step(by) {
    const list = stories();
    const place = list.indexOf(current());
    goTo(list[place < 0 ? (by > 0 ? 0 : list.length - 1) : place + by]);
  }

  function follow(selector, root = document) {
    const link = root && one(selector, root);
    if (link) link.click();
  }

  // Keys. Each has a button or a link on the page as well; they can be switched off.

  const GO = { d: "/", w: "/w", m: "/m", c: "/calendar", t: "/trending", n: "/new", s: "/search", y: "/systems", b: "/leaderboard", h: "/help" };
  let waitingForPlace = 0;

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    o: () => follow("h2 a, h3 a, a", current()),
    v: () => follow("[data-source]", current() || document),
    e: () => {
      const details = current() && one("details", current());
      if (details) details.open = !details.open;
    },
    h: () => follow('a[rel~="prev"]'),
    l: () => follow('a[rel~="next"]'),
    t: nextTheme,
    "/": () => {
      const input = one("#find");
      input.focus();
      input.select();
    },
    "?": () => one("#keys").showModal(),
    g: () => {
      waitingForPlace = setTimeout(() => { waitingForPlace = 0; }, 1500);
    },
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape" && typing) event.target.blur();
    if (typing || one("dialog[open]") || memory.get("keys") === "off") return;
    if (waitingForPlace) {
      clearTimeout(waitingForPlace);
      waitingForPlace = 0;
      if (GO[event.key]) {
        event.preventDefault();
        location.assign(GO[event.key]);
      }
      return;
    }
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  // Words completed as they are typed, by the browser's own list.

  function later(wait_ms, work) {
    let timer = 0;
    return (...values) => {
      clearTimeout(timer);
      timer = setTimeout(() => work(...values), wait_ms);
    };
  }

  let completing = new AbortController();

  const complete = later(120, async (input) => {
    completing.abort();
    completing = new AbortController();
    const list = one("#completions");
    const [, before, word] = /^(.*?)([\p{L}\p{N}]{2,})$/u.exec(input.value) || [];
    if (!word) {
      list.replaceChildren();
      return;
    }
    try {
      const answer = await fetch(`/complete?q=${encodeURIComponent(word)}`, { signal: completing.signal });
      if (!answer.ok) return;
      const found = (await answer.json()).data;
      list.replaceChildren(...found.map((item) => {
        const option = document.createElement("option");
        option.value = before + item.word;
        return option;
      }));
    } catch (error) {
      if (error.name !== "AbortError") list.replaceChildren();
    }
  });

  // Results as you type: the same address that the form would ask for, its #found put in place.

  let finding = new AbortController();

  function addressOf(form) {
    const address = new URL(form.action);
    for (const [name, value] of new FormData(form)) {
      const chosen = form.elements[name];
      const usual = chosen.tagName === "SELECT" && chosen.options[0].value === value;
      if (value && !usual) address.searchParams.set(name, value);
    }
    return address;
  }

  async function find(form) {
    finding.abort();
    finding = new AbortController();
    const address = addressOf(form);
    const place = one("#found");
    place.classList.add("busy");
    try {
      const answer = await fetch(address, { signal: finding.signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = one("#found", page) || one("#main", page);
      place.replaceChildren(...found.childNodes);
      // Outside of #found, so that it stays in the document and its new text is read out.
      one("#news").textContent = one("#count")?.textContent || one("h1", place)?.textContent || "";
      document.title = page.title;
      history.replaceState(null, "", address);
      place.classList.remove("busy");
    } catch (error) {
      if (error.name !== "AbortError") {
        place.classList.remove("busy");
        form.submit();
      }
    }
  }

  const findSoon = later(180, find);

  // Counts that move: the line about background work is read again while it is there.

  async function watchProgress(line) {
    const answer = await fetch("/readyz");
    const state = await answer.json();
    if (!state.working) {
      line.remove();
      return;
    }
    one("[data-progress]", line).textContent = state.working;
    setTimeout(() => watchProgress(line).catch(() => line.remove()), 3000);
  }

  function addCopyButtons() {
    for (const text of all("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      text.before(button);
    }
  }

  function start() {
    one("[data-tools]").hidden = false;
    showTheme();
    one("[data-theme-switch]").addEventListener("click", nextTheme);
    one("[data-help]").addEventListener("click", () => one("#keys").showModal());
    for (const button of all("[data-print]")) {
      button.hidden = false;
      button.addEventListener("click", () => window.print());
    }
    for (const box of all("[data-keys-switch]")) {
      box.checked = memory.get("keys") !== "off";
      box.addEventListener("change", () => memory.set("keys", box.checked ? "" : "off"));
    }
    for (const input of all("[data-complete]")) {
      input.addEventListener("input", () => complete(input));
    }
    const form = one("[data-live]");
    if (form) {
      form.addEventListener("input", () => findSoon(form));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        find(form);
      });
    }
    document.addEventListener("keydown", onKey);
    document.addEventListener("focusin", (event) => {
      const story = event.target.closest("[data-story]");
      if (story && story !== current()) {
        current()?.removeAttribute("aria-current");
        story.setAttribute("aria-current", "true");
      }
    });
    addCopyButtons();
    const line = one("[data-working]");
    if (line) setTimeout(() => watchProgress(line).catch(() => line.remove()), 3000);
  }

  start();
})();
