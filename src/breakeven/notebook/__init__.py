"""Breakeven in a notebook: the answers of the command line as tables to go on with.

books = breakeven.open_books("demo/assistant-2024")
books.ltv(by="channel").to_polars()
books.budget(total=5_000_000)          # shows itself as tables where the notebook can
breakeven.Serving("deepseek-v3", "h200").cost()
"""

from breakeven.notebook.answer import Answer
from breakeven.notebook.books import NotebookBooks, open_books
from breakeven.notebook.serving import Serving

__all__ = ["Answer", "NotebookBooks", "Serving", "open_books"]
