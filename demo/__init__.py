"""`make demo`: the product's whole story on real data, with every claim checked. `python -m demo clean` removes it."""
