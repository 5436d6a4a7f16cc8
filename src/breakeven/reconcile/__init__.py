"""Books against bills, and the differences explained."""
