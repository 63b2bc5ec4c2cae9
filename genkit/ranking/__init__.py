"""Ranking: boards made from comparable records, and comparisons between boards. Pure data, no rendering."""
