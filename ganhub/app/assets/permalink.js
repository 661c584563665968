(facts) => {
  /* Links: the address of the page says which result is shown; Back and a reload show it again. */
  const me = window.ganhub, LAST = "ganhub-last";
  /* Tabs whose results nobody has asked for yet: what a tab opens with. true where that is the next result alone, as a
     button of another tab led there. */
  me.quiet = new Map();
  me.filled = new Set();  /* tabs whose form was filled, and whose button waits for the visitor */
  me.start = "";
  const seen = new Set();  /* tabs that were on the screen */
  let begun = false, current = facts.first;
  let moved = 0;  /* when the last result of a slider or pen came */
  let inside = false;  /* whether the visitor's last act was within a tab */
  let silent = "";  /* the tab whose next result is one that was there before: no new step */

  me.link = (code, tab) => {  /* to be shared: without what else the address says, such as a private page's key */
    const link = new URL(location.pathname, location.href);
    link.searchParams.set("c", code);
    if (tab) link.searchParams.set("tab", tab);
    return link.href;
  };
  const here = () => new URL(location.href).searchParams;
  const write = (way, code, tab) => {
    const address = new URL(location.href);
    for (const [name, value] of [["tab", tab], ["c", code]]) {
      if (value) address.searchParams.set(name, value); else address.searchParams.delete(name);
    }
    try { history[`${way}State`]({ code, tab }, "", address.href); } catch { /* too often */ }
    if (window.parent !== window && document.referrer.startsWith("https://huggingface.co")) {
      const query = new URLSearchParams({ ...(code && { c: code }), tab });  /* the page of a Space, around this one */
      window.parent.postMessage({ queryString: query.toString() }, "https://huggingface.co");
    }
  };

  /* ---- the last result of each tab, for a reload */

  const lasts = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(LAST) ?? "{}");
      return kept && typeof kept === "object" ? kept : {};
    } catch { return {}; }
  };
  const keepLast = (tab, code) => {
    try { sessionStorage.setItem(LAST, JSON.stringify({ ...lasts(), [tab]: code })); } catch { /* storage is off */ }
  };

  /* ---- results come */

  me.took = (text) => {
    if (!text) return;
    const { tab, live, code } = JSON.parse(text), isNew = !me.quiet.has(tab) && silent !== tab;
    if (me.quiet.get(tab)) me.quiet.delete(tab);
    const follows = isNew && live && me.now !== code && Date.now() - moved < 4000 && me.goesOn({ tab });
    if (live) moved = Date.now();
    if (silent === tab) silent = "";
    me.busy.delete(tab);
    const entry = me.take(text, isNew, follows);
    if (!entry) return;
    if (isNew || here().get("c")) keepLast(tab, entry.code);
    if (isNew) write(follows ? "replace" : "push", entry.code, tab);
    else if (here().get("c")) write("replace", entry.code, tab);
    else {
      me.start ||= entry.code;
      history.replaceState({ ...history.state, code: entry.code, tab }, "");
    }
  };

  /* ---- results are asked for again */

  me.open = (code, tab = "") => {
    if (tab) me.busy.add(tab);
    me.send("go", { action: "open", code, silent: true });
  };
  me.went = (text) => {
    const { tab, run } = JSON.parse(text);
    me.going = false;
    current = tab;  /* its own event may come later */
    seen.add(tab);
    me.quiet.delete(tab);
    silent = me.ask?.silent ? tab : "";
    if (!me.ask?.silent) document.querySelector("[role=tablist]")?.scrollIntoView({ block: "start" });
    if (!run) {
      me.filled.add(tab);
      return me.busy.delete(tab);
    }
    me.busy.add(tab);
    document.querySelector(`#tray-run-${tab}`)?.click();
  };
  me.failed = () => {
    me.going = false;
    me.busy.clear();
    if (!seen.size) openFirst(facts.first);  /* a link that cannot be read: the page opens as it does without one */
  };
  window.addEventListener("popstate", (event) => {
    const code = event.state?.code || here().get("c")?.slice(0, 9000);
    const tab = event.state?.tab || here().get("tab") || facts.first;
    if (code) me.open(code); else me.send("tab", { tab });
  });

  /* ---- tabs */

  me.shown = (tab) => {
    if (!begun || tab === current) return;
    current = tab;
    if (me.going) return seen.add(tab);
    const last = lasts()[tab], known = seen.has(tab);
    if (here().get("tab") !== tab) write("push", (known && last) || "", tab);
    if (known) return;
    seen.add(tab);
    if (me.busy.has(tab)) return;
    if (last && facts.forms.includes(tab)) me.open(last, tab); else openFirst(tab);
  };
  for (const name of ["pointerdown", "keydown", "click", "input", "drop", "paste"]) {
    document.addEventListener(name, (event) => {
      if (!event.isTrusted) return;
      inside = !!event.target.closest?.("[role=tabpanel]");
      if (inside) { me.quiet.clear(); silent = ""; }
    }, true);
  }

  /* ---- the page opens */

  const openFirst = (tab) => {
    seen.add(tab);
    me.quiet.set(tab, inside);
    document.querySelector(`#tray-first-${tab}`)?.click();
  };
  const begin = (tries) => {
    if (!document.querySelector("#tray-go")) { if (tries) setTimeout(begin, 50, tries - 1); return; }
    begun = true;
    const asked = here(), tab = asked.get("tab");
    if (asked.get("c") !== null) return me.open(asked.get("c").slice(0, 9000), facts.tabs.includes(tab) ? tab : "");
    if (facts.tabs.includes(tab) && tab !== facts.first) return me.send("tab", { tab });
    if (lasts()[facts.first]) return me.open(lasts()[facts.first], facts.first);
    openFirst(facts.first);
  };
  begin(200);
}
