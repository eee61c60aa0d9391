"""The benchmark: howdah beside its peers and the server's own ceiling, in one run, as ratios."""
