(button) => {
  /* Take up a canvas' brush when it is first on the page. */
  const take = (tries) => {
    const brush = document.querySelector(button);
    if (!brush) { if (tries) setTimeout(take, 100, tries - 1); }
    else if (!brush.dataset.taken) { brush.dataset.taken = true; brush.click(); }
  };
  take(100);
}
