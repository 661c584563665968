() => {
  const me = window.ganhubJudge ??= {};
  if (!me.id) {
    try { me.id = sessionStorage.getItem("ganhub-judge"); } catch { /* storage is off: a reload starts again */ }
    if (!/^[0-9a-f]{16}$/.test(me.id ?? "")) {
      const bytes = crypto.getRandomValues(new Uint8Array(8));
      me.id = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      try { sessionStorage.setItem("ganhub-judge", me.id); } catch { /* as above */ }
    }
    me.seen = performance.now();
    me.press = (which) => document.querySelector(`#judge-${which}`)?.click();
    document.addEventListener("load", (event) => {
      if (event.target.matches?.(".question img")) me.seen = performance.now();
    }, true);
    document.addEventListener("keydown", (event) => {
      const which = { ArrowLeft: 1, 1: 1, ArrowRight: 2, 2: 2 }[event.key];
      const plain = !(event.repeat || event.ctrlKey || event.metaKey || event.altKey);
      if (!which || !document.querySelector(".question")) return;
      event.preventDefault();
      if (plain) me.press(which);
    });
    document.addEventListener("click", (event) => {
      const frame = event.target.closest?.(".a-or-b .frame");
      if (frame) me.press([...frame.parentNode.children].indexOf(frame) + 1);
    });
  }
  return [me.id];
}
