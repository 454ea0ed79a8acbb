"""Tables and views for analysts: one `SELECT` a file in `models/`, and the small runner that builds and tests them.

`model` reads a file, `project` reads them all in dependency order, `runner` builds and tests one.
"""
