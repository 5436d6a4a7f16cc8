"""The only room that imports a database."""
