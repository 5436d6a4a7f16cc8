"""Handing the account on: as a workbook, as journal entries, as FOCUS rows, as columns."""
