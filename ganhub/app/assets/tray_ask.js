() => [window.ganhub.ask, null]
