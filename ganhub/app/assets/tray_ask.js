(ask, memory, ...values) => [window.ganhub.ask, null, ...values]
