(text) => window.ganhub.add(text)
