"""A network around a picture of any size: style, translate, restore, in tiles that share their statistics."""
