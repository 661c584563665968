(typed) => {
  /* The first character of a text as the browser's fonts draw it, black on white; "" where no font has it. */
  const text = typed.trim().slice(0, 40);
  const parts = Intl.Segmenter ? [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment) : [...text];
  const character = parts[0] ?? "";
  const drawn = (text) => {
    const page = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
    const pen = page.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, 256, 256);
    pen.fillStyle = "black";
    pen.font = "190px KaiTi, STKaiti, 'Kaiti SC', 'AR PL UKai CN', serif";  /* shaped as a hand writes, where it is */
    const box = pen.measureText(text);
    const right = box.actualBoundingBoxRight - box.actualBoundingBoxLeft;
    const down = box.actualBoundingBoxAscent - box.actualBoundingBoxDescent;
    pen.fillText(text, 128 - right / 2, 128 + down / 2);
    return page.toDataURL("image/png");
  };
  const missing = drawn("\u{10FFFD}");  /* no font has it */
  const picture = character ? drawn(character) : "";
  return [character, picture === missing ? "" : picture];
}
