// Extras of every page. Nothing here is needed to finish a task.
(() => {
  "use strict";
  const ready = (work) => (document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", work) : work());
  const DRAFT = "wushe:draft:", SENT = "wushe:sent", DAY = 86400000;
  const store = {
    get(area, key) { try { return area.getItem(key); } catch { return null; } },
    set(area, key, value) { try { area.setItem(key, value); } catch { /* full or forbidden: a draft is only an extra */ } },
    drop(area, key) { try { area.removeItem(key); } catch { /* as above */ } },
  };

  // Draft keeping: what was typed comes back after a lost connection or a closed tab, for a week, until it is sent.
  const keepable = (field) => field.name && !field.disabled
    && !["hidden", "password", "file", "submit", "button"].includes(field.type) && !field.closest("[data-no-draft]");
  const snapshot = (form) => [...form.elements].filter(keepable).map((field) =>
    [field.name, field.type === "checkbox" || field.type === "radio" ? (field.checked ? field.value : null)
      : field.multiple ? [...field.selectedOptions].map((option) => option.value) : field.value, field.value]);
  const restore = (form, values) => {
    const fields = [...form.elements].filter(keepable);
    for (const [name, value, own] of values) {
      for (const field of fields.filter((candidate) => candidate.name === name)) {
        if (field.type === "checkbox" || field.type === "radio") { if (field.value === own) field.checked = value !== null; }
        else if (field.multiple) { for (const option of field.options) option.selected = value.includes(option.value); }
        else field.value = value;
      }
    }
  };
  const drafts = () => {
    const sent = store.get(sessionStorage, SENT);
    store.drop(sessionStorage, SENT);
    const forms = [...document.querySelectorAll("form[data-draft]")];
    if (sent && !forms.some((form) => form.dataset.draft === sent)) store.drop(localStorage, DRAFT + sent);
    for (const form of forms) {
      const key = DRAFT + form.dataset.draft;
      const before = JSON.stringify(snapshot(form));
      const answered = form.querySelector(".w-summary");
      const kept = JSON.parse(store.get(localStorage, key) || "null");
      if (kept && Date.now() - kept.at > 7 * DAY) store.drop(localStorage, key);
      else if (kept && !answered && JSON.stringify(kept.values) !== before) {
        restore(form, kept.values);
        const note = document.createElement("div");
        note.className = "w-notice w-info";
        const text = document.createElement("div");
        text.textContent = form.dataset.draftKept + " ";
        const drop = document.createElement("button");
        drop.type = "button";
        drop.className = "btn btn-sm btn-outline-secondary";
        drop.textContent = form.dataset.draftDrop;
        drop.addEventListener("click", () => { store.drop(localStorage, key); restore(form, JSON.parse(before)); note.remove(); });
        text.append(drop);
        note.append(text);
        form.prepend(note);
      }
      let timer;
      form.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(() => store.set(localStorage, key, JSON.stringify({ at: Date.now(), values: snapshot(form) })), 500);
      });
      form.addEventListener("submit", () => { clearTimeout(timer); store.set(sessionStorage, SENT, form.dataset.draft); });
    }
    for (const form of document.querySelectorAll("form[data-sign-out]")) {
      form.addEventListener("submit", () => {
        try { for (const key of Object.keys(localStorage)) if (key.startsWith(DRAFT)) localStorage.removeItem(key); } catch { /* as above */ }
      });
    }
  };

  // A second press of the same button must not send twice; the button comes back when the page is shown again from memory.
  const once = () => {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.method !== "post" || event.defaultPrevented) return;
      if (form.dataset.sending) event.preventDefault();
      else { form.dataset.sending = "1"; setTimeout(() => delete form.dataset.sending, 10000); }
    });
    addEventListener("pageshow", () => document.querySelectorAll("form[data-sending]").forEach((form) => delete form.dataset.sending));
  };

  const small = () => {
    document.querySelector("[data-focus]")?.focus();
    for (const button of document.querySelectorAll("[data-back]")) {
      if (history.length > 1) { button.hidden = false; button.addEventListener("click", () => history.back()); }
    }
    for (const button of document.querySelectorAll("[data-print]")) { button.hidden = false; button.addEventListener("click", () => print()); }
    if (navigator.clipboard) {
      for (const block of document.querySelectorAll("[data-copy]")) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "btn btn-sm btn-outline-secondary w-noprint";
        button.textContent = block.dataset.copy;
        button.addEventListener("click", async () => {
          await navigator.clipboard.writeText(block.querySelector("pre").textContent);
          button.textContent = block.dataset.copied;
          document.getElementById("announce").textContent = block.dataset.copied;
        });
        block.append(button);
      }
    }
  };
  ready(() => { drafts(); once(); small(); });
})();
