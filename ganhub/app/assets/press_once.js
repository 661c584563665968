(button, picture) => {
  /* Press a tab's button while a box of it is still empty, once the tab is on the page, unless it shows a link. */
  const tab = button.slice(1).split("-")[0];
  const waits = (tab) => ["busy", "filled"].some((kind) => window.ganhub?.[kind].has(tab)) || window.ganhub?.going;
  const press = (tries) => {
    const run = document.querySelector(button);
    if (!run) { if (tries) setTimeout(press, 50, tries - 1); }
    else if (!document.querySelector(picture) && !waits(tab)) run.click();
  };
  press(100);
}
