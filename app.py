"""The app: ``python app.py`` prints its address. A Space runs this file too."""

from ganhub.console import in_sentences
from ganhub.pages import ask_for_large_pages

if __name__ == "__main__":
    ask_for_large_pages()

with in_sentences():
    from ganhub.app import create_app, serve

    demo = create_app()

    if __name__ == "__main__":
        serve(demo)
