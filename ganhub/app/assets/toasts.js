(usual, titles) => {
  /* Gradio heads every error with "Error" and drops the title that comes with it, so the page puts the title there:
     that of the sentence below it, or the usual one. */
  const translated = (text) => window.ganhubTranslate?.(text) ?? text;
  const titleOf = new Map(Object.entries(titles).flatMap(([sentence, title]) => [
    [sentence, title], [translated(sentence), title],
  ]));
  const put = () => {
    for (const toast of document.querySelectorAll(".toast-body.error")) {
      const heading = toast.querySelector(".toast-title")?.firstChild;
      const sentence = toast.querySelector("[data-testid=toast-text]")?.textContent.trim();
      if (!heading || !sentence) continue;  /* folded up: it keeps its title */
      const title = titleOf.get(sentence) ?? usual;
      if (![title, translated(title)].includes(heading.data.trim())) heading.data = `${title} `;
    }
  };
  new MutationObserver(put).observe(document.body, { childList: true, characterData: true, subtree: true });
}
