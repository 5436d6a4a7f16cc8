"""The benchmarks: `./run bench`, or `python -m benchmarks --help` inside the environment."""
