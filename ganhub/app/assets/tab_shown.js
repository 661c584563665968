(tab) => window.ganhub?.shown(tab)
