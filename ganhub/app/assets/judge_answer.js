(tooSoon) => {
  const me = window.ganhubJudge, passed = performance.now() - me.seen;
  const number = Number(document.querySelector(".question")?.dataset.question ?? 0);
  return [me.id, passed < Number(tooSoon) ? 0 : number, Math.max(0, passed / 1000)];
}
