(() => {
  /* Shows the page in the browser's language, by the dictionary that Gradio was given for its labels (languages.py).
     What is no label of Gradio is looked up here before it is painted: HTML, sentences, menus. A form's values stay
     English. */
  const all = window.gradio_config?.i18n_translations ?? {}, tag = navigator.language;
  const words = all[tag] ?? all[tag.split("-")[0]];
  if (!words || window.ganhubTranslate) return;

  /* ---- a sentence */

  const exact = new Map(), templates = [];
  const quoted = (text) => text.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  const holeAfter = (before, after) => {
    if (after === "") return "(\\w*)";  /* another hole follows at once */
    return /[.!?:] ?$/.test(before) ? "([^]*?)" : "((?:(?![.!?] [A-Z])[^])*?)";  /* not past the end of a sentence */
  };
  for (const [key, text] of Object.entries(words)) {
    const english = key.replace(/^~/, ""), parts = english.split("{}");
    if (parts.length === 1) { exact.set(english, text); continue; }
    let pattern = quoted(parts[0]);
    for (let at = 1; at < parts.length; at++) {
      pattern += holeAfter(parts[at - 1], at < parts.length - 1 ? parts[at] : null) + quoted(parts[at]);
    }
    templates.push({ pattern: new RegExp(`^${pattern}$`), text, letters: parts.join("").length });
  }
  templates.sort((one, other) => other.letters - one.letters);  /* the one that says most */

  const filled = (english) => {
    for (const { pattern, text, letters } of templates) {
      const found = pattern.exec(english)?.slice(1).map((part) => part.trim());
      if (!found) continue;
      const others = found.map(translate);
      /* Few letters fit much that is meant otherwise: "seed 3", but not "seed of a plant". */
      if (letters < 8 && others.some((part, place) => part === found[place] && /[a-z]/i.test(part))) continue;
      let place = 0;
      return text.replace(/\{(\d*)\}/g, (_, at) => others[at || place++]);
    }
    return null;
  };
  const pieces = (english, cut, join) => {
    const parts = english.split(cut), found = parts.length > 1 ? parts.map(translate) : parts;
    return parts.some((part, place) => found[place] !== part) ? found.join(join) : null;
  };
  const lookedUp = (english) => exact.get(english)
    ?? pieces(english, " · ", " · ")
    ?? filled(english)
    ?? pieces(english, /(?<=[.!?]) (?=\S)/, "")
    ?? pieces(english, / (?=[+-][\d.]+$)/, " ")  /* an amount of a change */
    ?? pieces(english, /, (?!.*[.:;!?])/, "，")
    ?? (/^[A-Z][a-z]/.test(english) ? lookedUp(english[0].toLowerCase() + english.slice(1)) : null)
    ?? (/^[a-z]/.test(english) ? exact.get(english[0].toUpperCase() + english.slice(1)) : null);
  const known = new Map();
  const translate = (english) => {
    if (!/[a-z]/i.test(english) || english.length > 1000) return english;
    if (!known.has(english)) {
      if (known.size > 3000) known.clear();
      known.set(english, lookedUp(english) ?? english);
    }
    return known.get(english);
  };
  window.ganhubTranslate = translate;

  /* ---- the page */

  const NAMES = ["title", "aria-label", "placeholder", "alt"];
  const LEFT = "script, style, code, pre, textarea, [contenteditable=true], [role=listbox]";
  const turn = (raw, put) => {
    const [, before, middle, after] = raw.match(/^([\s·]*)([^]*?)([\s·]*)$/);
    const text = middle.replace(/\s+/g, " "), other = translate(text);
    if (other !== text) put(before + other + after);
  };
  const turnText = (node) => {
    const box = node.parentElement;
    if (!box || box.closest(LEFT)) return;
    turn(node.data, (text) => {
      if (box.localName === "option" && !box.hasAttribute("value")) box.value = box.text;  /* it is sent in English */
      node.data = text;
    });
  };
  const turnName = (element, name) => {
    if (element.hasAttribute(name)) turn(element.getAttribute(name), (text) => element.setAttribute(name, text));
  };
  const turnAll = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return turnText(node);
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    for (const element of [node, ...node.querySelectorAll("*")]) NAMES.forEach((name) => turnName(element, name));
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) turnText(texts.currentNode);
  };
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes, attributeName } of changes) {
      if (type === "childList") addedNodes.forEach(turnAll);
      else if (type === "characterData") turnText(target);
      else turnName(target, attributeName);
    }
  }).observe(document.documentElement, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: NAMES,
  });

  /* A menu shows the name of its choice in a field, so it gets its names in this language, and their values stay. */
  for (const { type, props } of window.gradio_config.components ?? []) {
    if (type !== "dropdown" || props.allow_custom_value) continue;
    props.choices = props.choices?.map(([name, value]) => [exact.get(name) ?? name, value]);
  }
  document.documentElement.lang = tag;
  turnAll(document.documentElement);
})();
