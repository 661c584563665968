(facts) => {
  /* The tray: what this browser keeps of a visitor's results, and the buttons under the tabs. */
  const KEY = "ganhub-tray", VERSION = 1, MOST = 100, OWN = "application/x-ganhub";
  const me = window.ganhub = { ask: null, busy: new Set(), now: "", facts };
  const find = (selector) => document.querySelector(`#tray ${selector}`);
  let entries = [], chosen = "", pairing = "", starred = false, steps = [], at = 0;

  /* ---- what is kept */

  const isText = (value) => typeof value === "string";
  const entryOf = (raw) => {
    if (!raw || !isText(raw.code) || !/^[\w-]{8,8192}$/.test(raw.code) || !isText(raw.title)) return null;
    const thumb = isText(raw.thumb) && raw.thumb.startsWith("data:image/") && raw.thumb.length < 5000 ? raw.thumb : "";
    const can = Array.isArray(raw.can) ? raw.can.filter((name) => Object.hasOwn(facts.actions, name)) : [];
    return {
      code: raw.code, title: raw.title.slice(0, 300), thumb, can, film: raw.film === true, star: raw.star === true,
      photo: raw.photo === true, tab: isText(raw.tab) ? raw.tab : "",
      note: isText(raw.note) ? raw.note.slice(0, 200) : "",
    };
  };
  const load = () => {
    let text = null;
    try { text = localStorage.getItem(KEY); } catch { return []; /* storage is off: they stay until a reload */ }
    if (text === null) return [];
    try {
      const kept = JSON.parse(text);
      if (kept.version !== VERSION) {
        const other = kept.version > VERSION ? "a newer" : "an older";
        me.say(`The pictures in this browser were kept by ${other} version, so the list starts empty.`);
        return [];
      }
      return kept.entries.map(entryOf).filter(Boolean).slice(0, MOST);
    } catch {
      me.say("The list of pictures in this browser cannot be read, so it starts empty.");
      return [];
    }
  };
  const save = () => {
    for (let most = MOST; most > 0; most = Math.floor(most / 2)) {
      try {
        entries = entries.slice(0, most);
        localStorage.setItem(KEY, JSON.stringify({ version: VERSION, entries }));
        return;
      } catch { /* storage is full: keep fewer; or off: keep them until a reload */
        if (most < 10) return;
      }
    }
  };
  const change = (edit) => { edit(); save(); draw(); };
  const get = (code) => entries.find((entry) => entry.code === code);

  /* ---- what is shown */

  me.say = (sentence) => { const line = find(".tray-says"); if (line) line.textContent = sentence; };
  const element = (name, fields, ...children) => {
    const made = Object.assign(document.createElement(name), fields);
    made.append(...children);
    return made;
  };
  const face = (entry) => entry.thumb
    ? element("img", { src: entry.thumb, alt: `${entry.title}${entry.note ? `: ${entry.note}` : ""}` })
    : element("span", { className: "tray-bare", textContent: entry.title });
  const card = (entry) => {
    const button = element("button", { type: "button", title: entry.title, draggable: true }, face(entry));
    button.dataset.code = entry.code;
    button.setAttribute("aria-pressed", String(entry.code === chosen));
    if (entry.star) button.append(element("span", { className: "tray-star", textContent: "★", ariaHidden: "true" }));
    if (entry.film) button.append(element("span", { className: "tray-film", textContent: "film", ariaHidden: "true" }));
    return element("li", {}, button);
  };
  const draw = () => {
    const strip = find(".tray-strip");
    if (!strip) return;
    const held = document.activeElement?.closest?.(".tray-strip button")?.dataset.code;
    const shown = entries.filter((entry) => !starred || entry.star);
    strip.replaceChildren(...shown.map(card));
    if (held) strip.querySelector(`[data-code="${held}"]`)?.focus();
    find(".tray-hint").hidden = entries.length > 0;
    find("[data-do=undo]").disabled = at === 0;
    find("[data-do=redo]").disabled = at === steps.length;
    find("[data-do=all]").disabled = entries.length === 0;
    find("[data-do=starred]").setAttribute("aria-pressed", String(starred));
    drawOne(get(chosen));
  };
  const drawOne = (entry) => {
    find(".tray-one").hidden = !entry;
    if (!entry) return;
    find(".tray-look").replaceChildren(face(entry));
    find(".tray-name").textContent = entry.title;
    find("[data-do=star]").setAttribute("aria-pressed", String(entry.star));
    find("[data-do=star]").textContent = entry.star ? "Starred" : "Star";
    find("[data-do=open]").hidden = !entry.tab;
    find("[data-do=surprise]").hidden = !entry.can.includes("surprise");
    find("[data-lock]").parentElement.hidden = !entry.can.includes("surprise");
    find("[data-note]").value = entry.note;
    find("[data-link]").value = me.link(entry.code, entry.tab);
    find(".tray-next").replaceChildren(...entry.can.filter((name) => name !== "surprise").map((name) => {
      const button = element("button", { type: "button", textContent: facts.actions[name] });
      button.dataset.go = name;
      return button;
    }));
  };

  /* ---- undo: a step is a result that was shown, an entry that was deleted, or a star or note */

  const step = (one) => { steps = [...steps.slice(0, at), one].slice(-MOST); at = steps.length; };
  const shownBefore = () => steps.slice(0, at).filter((one) => one.code).at(-1)?.code ?? me.start;
  const undo = () => {
    if (at === 0) return me.say("There is nothing to undo.");
    const one = steps[--at];
    if (one.gone) return change(() => entries.splice(one.place, 0, one.gone));
    if (one.marked) return change(() => Object.assign(get(one.marked) ?? {}, one.before));
    const before = shownBefore();
    if (before) me.open(before); else draw();
  };
  const redo = () => {
    if (at === steps.length) return me.say("There is nothing to do again.");
    const one = steps[at++];
    if (one.gone) return change(() => { entries = entries.filter((entry) => entry.code !== one.gone.code); });
    if (one.marked) return change(() => Object.assign(get(one.marked) ?? {}, one.after));
    me.open(one.code);
  };
  const mark = (code, after) => {
    const entry = get(code);
    if (!entry) return;
    const before = Object.fromEntries(Object.keys(after).map((name) => [name, entry[name]]));
    step({ marked: code, before, after });
    change(() => Object.assign(entry, after));
  };

  /* ---- what comes in */

  me.take = (text, isNew, follows) => {
    const entry = entryOf(JSON.parse(text));
    if (!entry) return null;
    me.now = entry.code;
    if (isNew) {
      const old = get(entry.code), last = follows ? entries[0] : null;
      if (last) steps = steps.slice(0, at -= 1);
      entries = entries.filter((one) => one !== old && one !== last);
      entries = [{ ...entry, star: !!old?.star, note: old?.note ?? "" }, ...entries];
      if (entries.length > MOST) entries.splice(entries.findLastIndex((one) => !one.star), 1);
      step({ code: entry.code });
      save();
    }
    draw();
    return entry;
  };
  me.add = (text) => {
    const added = JSON.parse(text).map(entryOf).filter(Boolean);
    const codes = new Set(added.map((entry) => entry.code));
    change(() => { entries = [...added, ...entries.filter((entry) => !codes.has(entry.code))].slice(0, MOST); });
    me.say(`${added.length} ${added.length === 1 ? "picture was" : "pictures were"} added.`);
    if (added.length === 1) choose(added[0].code);
  };
  /* Whether a result goes on with the newest one, which its owner has not marked: the next move of a slider or pen. */
  me.goesOn = (entry) => {
    const [newest] = entries;
    return newest && steps[at - 1]?.code === newest.code && newest.tab === entry.tab && !newest.star && !newest.note;
  };

  /* ---- what is pressed */

  me.send = (button, ask) => {
    me.ask = ask;
    if (button === "go" || Object.hasOwn(facts.additions, button)) me.going = true;
    document.querySelector(`#tray-${button}`)?.click();
  };
  me.goOn = (name, code) => {
    if (Object.hasOwn(facts.additions, name)) me.send(name, { code }); else me.send("go", { action: name, code });
  };
  const choose = (code) => {
    if (pairing && pairing !== code) {
      me.send("compare", { code: pairing, other: code });
      pairing = "";
      return me.say("");
    }
    chosen = chosen === code ? "" : code;
    draw();
    if (chosen) find(".tray-one").scrollIntoView({ block: "nearest" });
  };
  const remove = (code) => {
    const place = entries.findIndex((entry) => entry.code === code);
    if (place < 0) return;
    step({ gone: entries[place], place });
    change(() => entries.splice(place, 1));
    me.say("Deleted. Undo brings it back.");
  };
  const copy = async (link) => {
    try {
      await navigator.clipboard.writeText(link);
      const photo = get(chosen)?.photo ? " It cannot hold your photo: who opens it gives one." : "";
      me.say(`The link is copied.${photo}`);
    } catch {
      find("[data-link]").select();
      me.say("Copy the link from the field below: it is selected.");
    }
  };
  const press = {
    undo, redo,
    surprise: () => me.send("go", { action: "surprise", code: chosen, lock: find("[data-lock]").checked }),
    starred: () => { starred = !starred; draw(); },
    all: () => me.send("all", { rows: entries.map((entry) => [entry.code, entry.star, entry.note]) }),
    open: () => me.send("go", { action: "open", code: chosen }),
    star: () => mark(chosen, { star: !get(chosen)?.star }),
    compare: () => { pairing = chosen; me.say("Now click the picture to compare it with."); },
    delete: () => remove(chosen),
    download: () => me.send("download", { code: chosen, size: find("[data-size]").value }),
    copy: () => copy(find("[data-link]").value),
    share: () => me.send("share", { code: chosen, link: find("[data-link]").value }),
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#tray button");
    if (!button) return;
    if (button.dataset.do) press[button.dataset.do]();
    if (button.dataset.code) choose(button.dataset.code);
    if (button.dataset.go) me.goOn(button.dataset.go, chosen);
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("#tray [data-note]")) return;
    mark(chosen, { note: event.target.value.slice(0, 200) });
  });
  document.addEventListener("keydown", (event) => {
    const untyped = "[type=range], [type=checkbox], [type=radio], [type=button]";
    const typing = event.target.matches?.(`textarea, [contenteditable=true], input:not(${untyped})`);
    const drawing = [...document.querySelectorAll("canvas")].some((one) => one.checkVisibility() && one.clientWidth);
    const code = event.target.closest?.(".tray-strip button")?.dataset.code;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !typing && !drawing && (key === "z" || key === "y")) {
      event.preventDefault();
      if (key === "y" || event.shiftKey) redo(); else undo();
    } else if (code && key === "delete") {
      remove(code);
    } else if (code && (key === "arrowleft" || key === "arrowright")) {
      const item = event.target.closest("li");
      (key === "arrowleft" ? item.previousElementSibling : item.nextElementSibling)?.firstElementChild.focus();
    }
  });
  const drop = (event) => {
    const room = event.target.closest?.("#tray");
    if (!room || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    room.classList.toggle("over", event.type === "dragover");
    const box = find("input[type=file]");
    if (event.type !== "drop" || !box || !event.dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    box.files = one.files;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  };
  for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, drop);

  /* A picture of the tray is dropped on a tab, which adds it to what it holds. */

  document.addEventListener("dragstart", (event) => {
    const code = event.target.closest?.(".tray-strip button")?.dataset.code;
    if (code) event.dataTransfer.setData(OWN, code);
  });
  const dropOnTab = (event) => {
    if (!event.dataTransfer?.types.includes(OWN)) return;
    const zone = Object.entries(facts.additions).find(([, onto]) => event.target.closest?.(onto));
    if (!zone) return;
    event.preventDefault();
    event.stopPropagation();  /* boxes for uploads take files alone */
    if (event.type !== "drop") return;
    const entry = get(event.dataTransfer.getData(OWN));
    if (entry?.can.includes(zone[0])) me.goOn(zone[0], entry.code); else me.say("This picture cannot be used there.");
  };
  for (const name of ["dragover", "drop"]) document.addEventListener(name, dropOnTab, true);
  window.addEventListener("storage", (event) => { if (event.key === KEY) { entries = load(); draw(); } });

  const begin = (tries) => {
    if (find(".tray-strip")) { entries = load(); draw(); } else if (tries) setTimeout(begin, 50, tries - 1);
  };
  begin(200);
}
