() => {
  /* Real or generated: the keys press the button that is there, while the tab is shown and nobody types. */
  const me = (window.ganhubQuiz ??= {});
  if (me.keys) return;
  me.keys = { ArrowLeft: "real", r: "real", ArrowRight: "generated", g: "generated" };
  const there = (name) => {
    const button = document.querySelector(`#quiz-${name}`);
    return button?.checkVisibility() ? button : null;
  };
  document.addEventListener("keydown", (event) => {
    const which = me.keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!which || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable=true], [role=listbox], [role=slider]")) return;
    const button = there(which) ?? there("next");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    button.click();
  }, true);
}
