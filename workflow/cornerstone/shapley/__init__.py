"""Coalitions, designs, the coalition tree, games and the estimators of Shapley values."""
