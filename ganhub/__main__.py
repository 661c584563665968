"""``python -m ganhub``: the same as ``ganhub``."""

from ganhub.cli import main

if __name__ == "__main__":
    main()
