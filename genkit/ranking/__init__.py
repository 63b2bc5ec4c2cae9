"""Ranking: comparable records become boards, and what several boards say together. Pure data, no renderer."""
