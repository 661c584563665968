() => {
  try { sessionStorage.removeItem("ganhub-judge"); } catch { /* a reload is enough */ }
  location.reload();
}
