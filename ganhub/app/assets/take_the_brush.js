(button) => {
  /* Take up a canvas' brush, as nothing can be drawn without; it may be down when something was laid on the canvas. */
  const take = (tries) => {
    const brush = document.querySelector(button);
    if (!brush) { if (tries) setTimeout(take, 100, tries - 1); }
    else if (!brush.classList.contains("highlight")) brush.click();
  };
  take(100);
}
