(text) => window.ganhub.took(text)
