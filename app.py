"""The app: ``python app.py`` prints its address. A Space runs this file too."""

from ganhub.console import in_sentences

with in_sentences():
    from ganhub.app import create_app, serve

    demo = create_app()

    if __name__ == "__main__":
        serve(demo)
