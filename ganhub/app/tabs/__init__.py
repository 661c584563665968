"""One file per tab; each has ``build(library, jobs)`` and imports no other tab."""
