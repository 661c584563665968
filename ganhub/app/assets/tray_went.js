(answer) => window.ganhub.went(answer)
