"""What ``ganhub`` runs, and ``python -m ganhub``."""

from ganhub.pages import ask_for_large_pages


def start() -> None:
    """The command line, in a process with large pages where the machine has them."""
    ask_for_large_pages()
    from ganhub.cli import main

    main()


if __name__ == "__main__":
    start()
