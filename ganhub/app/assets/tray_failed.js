() => window.ganhub.failed()
