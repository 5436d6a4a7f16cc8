"""Parse, call, print: the command line computes nothing."""
