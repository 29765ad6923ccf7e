"""The tests, a package so that `python -m tests.bench` and `python -m tests.crash` are found."""
