() => {
  /* Gradio leaves pictures to click without a name, or with one that is not their caption: a screen reader needs it. */
  const name = () => {
    for (const box of document.querySelectorAll(".empty[aria-label]:not([role])")) box.setAttribute("role", "img");
    for (const button of document.querySelectorAll("button:not([aria-label]):has(> .image-frame)")) {
      button.setAttribute("aria-label", "Picture");
    }
    /* A place for uploads is named by the words that stand in it. */
    for (const place of document.querySelectorAll("button[aria-dropeffect][aria-label]")) {
      if (place.textContent.trim()) place.removeAttribute("aria-label");
    }
    for (const item of document.querySelectorAll(".gallery-item:not([aria-label])")) {
      const picture = item.querySelector("img");
      if (!picture || item.textContent.trim()) continue;
      const file = decodeURIComponent(picture.src.split("/").at(-1)).replace(/\.\w+$/, "");
      item.setAttribute("aria-label", file.replace(/[-_]+/g, " "));
    }
    for (const item of document.querySelectorAll(".thumbnail-item")) {
      const caption = item.querySelector(".caption-label")?.textContent.trim();
      if (caption && item.getAttribute("aria-label") !== caption) item.setAttribute("aria-label", caption);
    }
  };
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; name(); });
  }).observe(document.body, { childList: true, subtree: true });
  name();
}
