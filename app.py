"""The app: ``python app.py`` prints its address. A Space runs this file too."""

from ganhub.app import create_app, launch_options

demo = create_app()

if __name__ == "__main__":
    demo.launch(**launch_options())
