(button) => {
  /* Take up a canvas' brush, as nothing can be drawn without; it is down after something was laid on the canvas. */
  const take = (tries) => {
    const brush = document.querySelector(button);
    if (!brush) { if (tries) setTimeout(take, 100, tries - 1); }
    else if (!brush.closest(".toolbar-wrap, .toolbar, div")?.querySelector("button[aria-label='Color Picker']")) brush.click();
  };
  take(100);
}
