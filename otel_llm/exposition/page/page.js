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
    morphChildren(old, fresh);
  }

  // By id where an element has one, else by place: what comes or goes above it must not fold a table again.
  function morphChildren(old, fresh) {
    const stays = new Set(Array.from(fresh.children, (child) => child.id).filter(Boolean));
    const byId = new Map();
    for (const child of Array.from(old.children)) {
      if (!child.id) continue;
      if (stays.has(child.id)) byId.set(child.id, child);
      else child.remove();
    }
    let place = old.firstChild;
    for (const child of Array.from(fresh.childNodes)) {
      const same = child.id ? byId.get(child.id) : place && !place.id && place;
      if (!same) {
        old.insertBefore(child, place);
        continue;
      }
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      morph(same, child);
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
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
