// The server renders; this asks for the same page again and changes what differs, so that focus, selection, scroll and what is
// unfolded stay. Elements with data-own belong to this script: the server never fills them.
(() => {
  "use strict";
  const PERIOD = 5000; // milliseconds between two questions
  const PATIENCE = 4000; // milliseconds that an answer may take
  let paused = false;
  let answeredAt = new Date();
  const each = (selector, scope, change) => scope.querySelectorAll(selector).forEach(change);

  function written(date, { seconds, day }) {
    const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (seconds) parts.second = "2-digit";
    if (day) Object.assign(parts, { day: "numeric", month: "short" });
    return date.toLocaleString([], parts);
  }

  // The server writes UTC; the viewer reads their own time, with UTC on hover.
  function localise(page) {
    const today = new Date().toDateString();
    each("time[datetime]", page, (time) => {
      const date = new Date(time.dateTime);
      if (Number.isNaN(date.getTime())) return;
      time.title = `${time.dateTime.slice(0, 19).replace("T", " ")} UTC`;
      time.textContent = written(date, { seconds: time.textContent.length > 5, day: date.toDateString() !== today });
    });
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    each(".zone", page, (element) => (element.textContent = zone));
  }

  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-own") || old.isEqualNode(fresh)) return;
    for (const { name } of Array.from(old.attributes)) {
      const ours = name === "data-silent" || (name === "open" && old.nodeName === "DETAILS");
      if (!ours && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of Array.from(fresh.attributes)) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const before = Array.from(old.childNodes);
    const after = Array.from(fresh.childNodes);
    after.forEach((child, place) => (place < before.length ? morph(before[place], child) : old.append(child)));
    before.slice(after.length).forEach((child) => child.remove());
  }

  function show(silent) {
    document.body.toggleAttribute("data-silent", silent);
    each(".silent", document, (note) => {
      note.hidden = !silent;
      const since = written(answeredAt, { seconds: true });
      note.textContent = silent ? `No answer since ${since}. These numbers are old; asking again every 5 s.` : "";
    });
    const state = paused ? "paused" : silent ? "no answer" : "live, every 5 s";
    each(".live", document, (element) => {
      if (element.textContent !== state) element.textContent = state;
    });
  }

  async function refresh() {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.body.dataset.schema) throw new Error("another page"); // the login form of a proxy, say
      if (paused) return;
      localise(fresh);
      morph(document.body, fresh.body);
      if (document.title !== fresh.title) document.title = fresh.title;
      each("link[rel=icon]", document, (icon) => {
        const href = fresh.querySelector("link[rel=icon]").getAttribute("href");
        if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
      });
      answeredAt = new Date();
      show(false);
    } catch {
      if (!paused) show(true);
    }
  }

  localise(document);
  if (!location.protocol.startsWith("http")) return; // a saved page stays as it was saved
  each(".pause", document, (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      show(false);
      refresh();
    });
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, PERIOD);
  show(false);
})();
