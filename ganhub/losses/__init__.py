"""Losses as pure functions, each with the paper and equation that it comes from."""
