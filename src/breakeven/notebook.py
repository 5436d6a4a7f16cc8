"""Books in a notebook: the answers of the command line as tables to go on with."""
